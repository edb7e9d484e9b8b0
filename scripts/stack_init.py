"""What the servers of the stack hold before anybody works with them: users, databases, tables, buckets.

Whatever is there stays; a user's password that was changed in .env is changed in the database, too. That of the
superuser of PostgreSQL is the one of the first start.
"""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg
from psycopg import conninfo, sql

from pipelines.core.errors import PipelineError, WarehouseUnreachable
from pipelines.core.statements import query
from pipelines.services import console, warehouse
from pipelines.services.settings import settings

OWNERS = {"airflow": "airflow", "mlflow": "mlflow", "kpi": "pipeline"}  # by database
ROLES = (*OWNERS.values(), "reader")
BUCKETS = ("airflow-logs", "churn-data", "ge-artifacts", "mlflow-artifacts")


def main() -> int:
    """Make what is missing; the exit code is 0, or that of the problem."""
    try:
        make_databases(os.environ["ADMIN_DSN"], {role: os.environ[f"{role.upper()}_DB_PASSWORD"] for role in ROLES})
        warehouse.migrated().close()  # makes the tables
        make_buckets()
    except PipelineError as problem:
        console.error(problem)
        return problem.exit_code
    return subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=False).returncode


def make_databases(dsn: str, passwords: dict[str, str]) -> None:
    """A user and a database each for Airflow, MLflow and the pipeline, who cannot enter the others'; and a reader.

    Args:
        dsn: of a superuser.
    """
    try:
        with psycopg.connect(dsn, autocommit=True) as server:
            for role, password in passwords.items():
                server.execute(query("stack/password"), {"role": role, "password": password})
            server.execute(query("stack/roles"))
            there = {name for (name,) in server.execute(query("stack/databases"))}
            for name in OWNERS.keys() - there:
                names = {"name": sql.Identifier(name), "owner": sql.Identifier(OWNERS[name])}
                server.execute(query("stack/create_database").format(**names))
            server.execute(query("stack/connect"))
        with psycopg.connect(conninfo.make_conninfo(dsn, dbname="kpi"), autocommit=True) as kpi:
            kpi.execute(query("stack/read"))
    except psycopg.Error as error:
        hint = ""
        if "password authentication failed" in str(error):
            hint = " Its data were made with another .env: bring that back, or begin with empty data (make reset)."
        raise WarehouseUnreachable(f"PostgreSQL: {str(error).strip()}.{hint}") from error
    console.note(f"databases {', '.join(OWNERS)}; users {', '.join(ROLES)}")


def make_buckets() -> None:
    """The buckets of the stack on the S3 server that the settings name."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    chosen = settings()
    secret = chosen.aws_secret_access_key
    s3 = boto3.client(
        "s3", chosen.aws_region, endpoint_url=chosen.mlflow_s3_endpoint_url,
        aws_access_key_id=chosen.aws_access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
    )  # fmt: skip
    try:
        there = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
        for bucket in sorted({*BUCKETS} - there):
            s3.create_bucket(Bucket=bucket)
    except (BotoCoreError, ClientError) as error:
        raise PipelineError(f"S3 at {chosen.mlflow_s3_endpoint_url} refuses or does not answer: {error}") from error
    console.note(f"buckets {', '.join(BUCKETS)}")


if __name__ == "__main__":
    sys.exit(main())
