"""The crypto flow on a PostgreSQL and an S3: a day that holds, one that does not, and servers that go away."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from tests.containers import keys
from tests.integration.conftest import COLUMNS, Servers

pytestmark = pytest.mark.timeout(900)  # the first of them waits for all servers
DAY = date(2023, 2, 1)
SITES, TYPES = ("ARGENTINA", "BRASIL", "MEXICO"), ("BTC", "ETH", "USDC")
HISTORY = "raw.bt_crypto_transaction_history"


def fill(warehouse: psycopg.Connection[Any], rows: int, day: date = DAY) -> None:
    """Good rows, spread over the five days of a window."""
    with warehouse.cursor().copy(f"COPY {HISTORY} ({COLUMNS}) FROM STDIN") as copy:
        for number in range(rows):
            dated = day - timedelta(days=number % 5)
            copy.write_row((
                SITES[number % 3], 1000 + number, f"{dated.day}/{dated.month}/{dated.year}", TYPES[number % 3],
                f"{100 + number % 7}", "1.25",
            ))  # fmt: skip


def count(warehouse: psycopg.Connection[Any], table: str, where: str = "true") -> int:
    row = warehouse.execute(f"SELECT count(*) AS rows FROM {table} WHERE {where}").fetchone()
    assert row is not None
    return int(row["rows"])


def run(servers: Servers, *more: str, **settings: str) -> Any:
    return servers.luigi("CryptoPipeline", "--date", str(DAY), *more, **settings)


@pytest.fixture(autouse=True)
def empty(servers: Servers) -> Iterator[None]:
    """No row of an earlier test."""
    with servers.warehouse() as warehouse:
        warehouse.execute(f"TRUNCATE {HISTORY}, prod.bt_crypto_events, dqm.dq_runs, dqm.bt_crypto_events_rejects")
        warehouse.execute("TRUNCATE ops.materializations, staging.snapshot, staging.bt_crypto_transaction_history")
    yield


def test_a_valid_day_a_failed_gate_and_its_repair(servers: Servers, warehouse: psycopg.Connection[Any]) -> None:
    fill(warehouse, 500)
    done = run(servers)
    assert done.code == 0, done.said
    assert "s3://ge-artifacts/data_docs/2023-02-01_" in done.said
    assert count(warehouse, "prod.bt_crypto_events", "is_active") == 500
    assert "Nothing to do" in run(servers).said

    warehouse.execute(f"UPDATE {HISTORY} SET site_id = 'CHILE' WHERE user_id = 1000")
    done = run(servers)
    assert done.code == 30, done.said
    assert "site_id_unknown: 1 row" in done.said
    assert "Traceback" not in done.said
    assert count(warehouse, "prod.bt_crypto_events", "is_active AND site_id <> 'CHILE'") == 500
    assert count(warehouse, "dqm.bt_crypto_events_rejects", "'site_id_unknown' = ANY (reasons)") == 1
    docs = warehouse.execute("SELECT docs_path FROM dqm.dq_runs ORDER BY dq_run_id DESC LIMIT 1").fetchone()[
        "docs_path"
    ]
    bucket, _, prefix = docs.removeprefix("s3://").partition("/")
    pages = keys(servers.buckets(), bucket, f"{prefix}/")
    assert "index.html" in pages
    page = servers.buckets().Object(bucket, f"{prefix}/index.html").get()
    assert page["ContentType"] == "text/html"
    assert b"site_id_unknown" in page["Body"].read()

    warehouse.execute(f"UPDATE {HISTORY} SET site_id = 'MEXICO' WHERE user_id = 1000")
    done = run(servers)
    assert done.code == 0, done.said
    assert count(warehouse, "prod.bt_crypto_events", "is_active") == 500
    assert count(warehouse, "prod.bt_crypto_events", "is_active AND user_id = 1000 AND site_id = 'MEXICO'") == 1


def test_postgresql_restarted_in_the_middle_of_a_merge(servers: Servers, warehouse: psycopg.Connection[Any]) -> None:
    fill(warehouse, 500)
    with servers.warehouse("postgres") as admin:  # the merge has written its rows, and is not through yet
        admin.execute("CREATE FUNCTION public.wait() RETURNS trigger LANGUAGE plpgsql AS "
                      "$$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$")  # fmt: skip
        admin.execute("CREATE TRIGGER wait AFTER INSERT ON prod.bt_crypto_events EXECUTE FUNCTION public.wait()")
    ended: list[Any] = []
    merging = threading.Thread(target=lambda: ended.append(run(servers)))
    merging.start()
    asleep = "SELECT count(*) AS rows FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    with servers.warehouse("postgres") as admin:
        give_up = time.monotonic() + 120
        while not admin.execute(asleep).fetchone()["rows"] and time.monotonic() < give_up:  # type: ignore[index]
            time.sleep(0.2)
    servers.kill("postgres")
    servers.start_again("postgres")
    merging.join()
    assert ended[0].code == 30, ended[0].said
    assert "merge_to_prod was interrupted by PostgreSQL" in ended[0].said
    assert "Traceback" not in ended[0].said
    with servers.warehouse("postgres") as admin:
        assert count(admin, "prod.bt_crypto_events") == 0
        assert count(admin, "ops.materializations", "stage = 'merge_to_prod'") == 0
        admin.execute("DROP FUNCTION public.wait CASCADE")
        done = run(servers)
        assert done.code == 0, done.said
        assert count(admin, "prod.bt_crypto_events", "is_active") == 500


def test_s3_gone_while_data_docs_are_written(servers: Servers, warehouse: psycopg.Connection[Any]) -> None:
    fill(warehouse, 500)
    servers.kill("minio")
    try:
        done = run(servers)
    finally:
        servers.start_again("minio")
    assert done.code == 30, done.said
    assert "S3 refuses or does not answer" in done.said
    assert "Traceback" not in done.said
    assert count(warehouse, "prod.bt_crypto_events") == 0
    assert count(warehouse, "dqm.dq_runs") == 0
    done = run(servers)
    assert done.code == 0, done.said
    assert count(warehouse, "prod.bt_crypto_events", "is_active") == 500


def test_who_may_do_what(servers: Servers, warehouse: psycopg.Connection[Any]) -> None:
    fill(warehouse, 5)
    with servers.warehouse("reader") as reader:
        assert count(reader, HISTORY) == 5
        assert count(reader, "ops.materializations") == 0
        for statement in ("DELETE FROM prod.bt_crypto_events", "CREATE TABLE prod.mine ()", "CREATE SCHEMA mine"):
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                reader.execute(statement)
            reader.execute("SET default_transaction_read_only = off")  # anybody may: the rights are what counts
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(statement)
            reader.execute("RESET default_transaction_read_only")
    for user, database in (("reader", "airflow"), ("pipeline", "mlflow"), ("mlflow", "kpi"), ("airflow", "postgres"),
                           ("reader", "template1")):  # fmt: skip
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            servers.warehouse(user, database)
    roles = warehouse.execute("SELECT rolname FROM pg_roles WHERE rolsuper OR rolcreaterole OR rolcreatedb").fetchall()
    assert [role["rolname"] for role in roles if not role["rolname"].startswith("pg_")] == ["postgres"]
