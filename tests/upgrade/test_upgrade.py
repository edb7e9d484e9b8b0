"""A database of an earlier version is upgraded whole or not at all, and keeps every row."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

import psycopg
import pytest
from psycopg import conninfo

from pipelines.core.errors import SchemaMismatch
from pipelines.core.statements import ROOT
from pipelines.services import migrations, warehouse
from pipelines.services.settings import settings
from tests import helpers
from tests.upgrade.conftest import Database

MOVED = ("ops.schema_version", "ops.stage_records")
CHANGED = "SELECT changes FROM raw.day_changes WHERE day = '-infinity' ORDER BY changes"
WAITING = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    " AND wait_event = 'advisory'"
)
SCHEMAS = "raw, staging, prod, dqm, features, ops"


def counted_days(database: Database) -> list[tuple[str, int]]:
    rows = database.fetch("SELECT day::text, sum(changes) AS changes FROM raw.day_changes GROUP BY 1 ORDER BY 1")
    return [(row["day"], int(row["changes"])) for row in rows if row["day"] != "-infinity"]


def all_windows(database: Database) -> int:
    return sum(row["changes"] for row in database.fetch(CHANGED))


def start(database: Database, *arguments: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines", *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT), "POSTGRES_DSN": database.dsn, **env},
    )  # fmt: skip


def wait_for_waiting(database: Database, processes: int) -> list[int]:
    """The backends that wait for the lock on the schema, once there are that many."""
    give_up = time.monotonic() + 60
    while len(found := database.fetch(WAITING)) < processes:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    return [row["pid"] for row in found]


# What is kept -----------------------------------------------------------------------------------------------------


def test_a_database_of_yesterday_keeps_every_row(yesterdays: Database) -> None:
    before = {table: yesterdays.rows(table) for table in yesterdays.tables()}
    assert all(before.values()), "a table of yesterday.sql has no row"
    days, windows = counted_days(yesterdays), all_windows(yesterdays)
    records = yesterdays.fetch("SELECT * FROM ops.stage_records")

    done = yesterdays.pipelines("migrate")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"The database was before the first revision; it is at revision {migrations.head()} now.\n"
    assert yesterdays.fetch("SELECT version_num FROM ops.schema_revision") == [{"version_num": migrations.head()}]
    assert migrations.missing(yesterdays.connection) == []

    kept = {table: rows for table, rows in before.items() if table not in (*MOVED, "raw.day_changes")}
    assert {table: yesterdays.rows(table) for table in kept} == kept
    assert counted_days(yesterdays) == days
    assert all_windows(yesterdays) == windows + 1  # every window counts as changed
    assert not {*MOVED} & {*yesterdays.tables()}
    moved = {(row["stage"], row["key"]): row for row in yesterdays.fetch("SELECT * FROM ops.materializations")}
    assert len(moved) == len(records)
    for record in records:
        key = record["key"].removeprefix("churn ")
        row = moved[record["stage"], key]
        churn = record["stage"] in ("generate_churn_files", "clean_raw_sources", "train_spark_model",
                                    "build_weekly_features") or record["key"] != key  # fmt: skip
        assert row["flow"] == ("churn" if churn else "crypto"), record
        marked = record["stage"] != "generate_churn_files"  # whose fingerprint is a number of users
        result = (
            record["details"] if marked else {"users": int(record["fingerprint"]), "rows": record["details"] or None}
        )
        assert (row["result"], row["seconds"], row["finished_at"]) == (
            result, record["seconds"], record["finished_at"],
        )  # fmt: skip
        assert (row["run_id"], row["made_from"], row["result_version"]) == (None, {}, 0)
        assert row["fingerprint"] == ("before revision 0002: " if marked else "") + record["fingerprint"]

    yesterdays.connection.execute(
        "INSERT INTO raw.bt_crypto_transaction_history (purchase_date) VALUES ('2/2/2023'), ('2/2/2023')"
    )
    assert dict(counted_days(yesterdays)) == {**dict(days), "2023-02-02": 2}
    dump, windows = yesterdays.dump(), all_windows(yesterdays)
    assert not migrations.bring_up(yesterdays.connection)
    assert (yesterdays.dump(), all_windows(yesterdays)) == (dump, windows)


def test_the_schema_of_an_upgraded_database_is_that_of_a_new_one(
    make_database: Callable[[], Database], yesterdays: Database
) -> None:
    new = make_database()
    migrations.bring_up(new.connection)
    migrations.bring_up(yesterdays.connection)
    for table in new.tables():
        if table not in ("ops.schema_revision", "raw.day_changes"):
            yesterdays.connection.execute(f"TRUNCATE {table} RESTART IDENTITY CASCADE")
    assert yesterdays.dump() == new.dump()


@pytest.mark.parametrize(
    "damage",
    [
        "ALTER TABLE raw.bt_crypto_transaction_history DISABLE TRIGGER count_inserted",
        "ALTER TABLE raw.bt_crypto_transaction_history ENABLE TRIGGER count_updated_to",  # no longer ENABLE ALWAYS
        "DROP TRIGGER count_truncated ON raw.bt_crypto_transaction_history",
        "DROP VIEW staging.bt_crypto_events_candidate",
        "DROP VIEW ops.bt_crypto_events",
        "DROP TABLE ops.stage_runs",
        "DROP TABLE ops.source_hashes",
        "DELETE FROM ops.schema_revision",
        "DROP TABLE ops.schema_revision",
    ],
)
def test_all_revisions_run_again_where_something_is_missing_and_change_nothing_else(
    yesterdays: Database, clerk: str, damage: str
) -> None:
    migrations.bring_up(yesterdays.connection)
    yesterdays.connection.execute("DELETE FROM ops.source_hashes")  # its rows go with it, where it is dropped
    yesterdays.connection.execute(
        f"GRANT USAGE ON SCHEMA {SCHEMAS} TO {clerk}; GRANT SELECT ON prod.bt_crypto_events TO {clerk}"
    )
    dump, days, windows = yesterdays.dump(), counted_days(yesterdays), all_windows(yesterdays)
    yesterdays.connection.execute(damage)
    assert yesterdays.dump() != dump
    assert migrations.bring_up(yesterdays.connection)
    assert (yesterdays.dump(), counted_days(yesterdays)) == (dump, days)
    assert all_windows(yesterdays) == windows + 1
    yesterdays.connection.execute(f"DROP OWNED BY {clerk}")


def test_only_what_is_pending_is_applied(yesterdays: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    migrations.bring_up(yesterdays.connection)
    dump = yesterdays.dump()
    yesterdays.connection.execute(
        "UPDATE ops.schema_revision SET version_num = '0002'; COMMENT ON TABLE ops.runs IS NULL"
    )
    ran: list[str] = []
    run_file = migrations.run_file
    monkeypatch.setattr(migrations, "run_file", lambda name: (ran.append(name), run_file(name)))
    assert migrations.bring_up(yesterdays.connection)
    assert ran == ["lock_schema", "migrations/0003_comments", "mark_all_windows_changed"]
    assert yesterdays.dump() == dump


# What is refused --------------------------------------------------------------------------------------------------


def test_a_migration_that_fails_changes_nothing(yesterdays: Database) -> None:
    yesterdays.connection.execute("CREATE VIEW ops.runs AS SELECT 1 AS mine")
    dump, windows = yesterdays.dump(), all_windows(yesterdays)
    yesterdays.dsn = conninfo.make_conninfo(yesterdays.dsn, password="not-to-be-shown")
    done = yesterdays.pipelines("migrate")
    assert (done.returncode, done.stdout) == (35, "")
    assert (
        "Revision 0002 failed in sql/migrations/0002_kernel.sql at"
        " `CREATE INDEX IF NOT EXISTS runs_flow ON ops.runs (flow, started_at)`:"
    ) in done.stderr
    assert "Nothing was changed." in done.stderr
    assert "Traceback" not in done.stderr
    assert "not-to-be-shown" not in done.stderr
    assert (yesterdays.dump(), all_windows(yesterdays)) == (dump, windows)


def test_a_name_that_something_else_has_taken_is_named(fresh: Database) -> None:
    fresh.connection.execute(
        "CREATE SCHEMA ops; CREATE VIEW ops.source_hashes AS SELECT 1 AS path, 2 AS version, 3 AS sha256"
    )
    done = fresh.pipelines("migrate")
    assert done.returncode == 35
    assert "source_hashes" in done.stderr
    assert fresh.tables() == []


def test_a_database_that_is_newer_than_the_code_is_refused(fresh: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    migrations.bring_up(fresh.connection)
    fresh.connection.execute("UPDATE ops.schema_revision SET version_num = '9999'")
    words = f"This database is at revision 9999; this code knows up to {migrations.head()}. Update the code."
    for arguments in (("migrate",), ("migrate", "--sql"), ("status",)):
        done = fresh.pipelines(*arguments)
        assert done.returncode == 35
        assert words in done.stderr
    helpers.set_settings(monkeypatch, POSTGRES_DSN=fresh.dsn)
    try:
        with pytest.raises(SchemaMismatch, match="revision 9999"), warehouse.reading():
            pass
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_readers_are_refused_a_database_that_is_older(yesterdays: Database, fresh: Database) -> None:
    with pytest.raises(SchemaMismatch, match="python -m pipelines migrate"):
        migrations.require_current(yesterdays.connection)
    migrations.require_current(fresh.connection)  # nothing has run: the first statement says so
    migrations.bring_up(yesterdays.connection)
    migrations.require_current(yesterdays.connection)
    yesterdays.connection.execute("UPDATE ops.schema_revision SET version_num = '0001'")
    with pytest.raises(SchemaMismatch, match=f"at revision 0001; this code needs {migrations.head()}"):
        migrations.require_current(yesterdays.connection)


# Rights -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of_yesterday", [False, True], ids=["empty", "yesterdays"])
def test_a_dba_applies_what_migrate_prints(fresh: Database, clerk: str, of_yesterday: bool) -> None:
    if of_yesterday:
        fresh.make_yesterdays()
        fresh.connection.execute(f"GRANT USAGE ON SCHEMA {SCHEMAS} TO {clerk}")
    done = fresh.pipelines("migrate", user=clerk)
    assert done.returncode == 35
    assert "permission denied" in done.stderr
    assert "CREATE on the database" in done.stderr
    assert "python -m pipelines migrate --sql" in done.stderr
    before = fresh.dump()
    printed = fresh.pipelines("migrate", "--sql", user=clerk)
    assert (printed.returncode, printed.stderr) == (0, "")
    assert fresh.dump() == before
    assert [line for line in printed.stdout.splitlines() if line in ("BEGIN;", "COMMIT;")] == ["BEGIN;", "COMMIT;"]

    psql = [*fresh.program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"]
    applied = subprocess.run(psql, input=printed.stdout, text=True, capture_output=True, check=False)
    assert applied.returncode == 0, applied.stderr
    fresh.connection.execute(
        f"GRANT USAGE ON SCHEMA {SCHEMAS} TO {clerk}; GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMAS} TO {clerk}"
    )
    for arguments in (("migrate",), ("migrate", "--sql")):
        done = fresh.pipelines(*arguments, user=clerk)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"The database is at revision {migrations.head()} already: nothing to do." in done.stdout
    done = fresh.pipelines("status", user=clerk)
    assert (done.returncode, done.stderr) == (0, "")
    fresh.connection.execute(f"DROP OWNED BY {clerk}")


def test_what_is_printed_repairs_a_database_too(yesterdays: Database) -> None:
    migrations.bring_up(yesterdays.connection)
    dump = yesterdays.dump()
    yesterdays.connection.execute("DROP VIEW ops.bt_crypto_events")
    psql = [*yesterdays.program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"]
    subprocess.run(psql, input=migrations.print_sql(yesterdays.connection), text=True, check=True)
    assert yesterdays.dump() == dump
    assert migrations.print_sql(yesterdays.connection) == ""


def test_a_user_may_work_in_schemas_of_a_dba(fresh: Database, clerk: str) -> None:
    for schema in SCHEMAS.split(", "):
        fresh.connection.execute(f"CREATE SCHEMA {schema}; GRANT USAGE, CREATE ON SCHEMA {schema} TO {clerk}")
    done = fresh.pipelines("migrate", user=clerk)
    assert (done.returncode, done.stderr) == (0, "")
    assert migrations.missing(fresh.connection) == []
    fresh.connection.execute(f"DROP OWNED BY {clerk}")


# Two at once, and interruptions -----------------------------------------------------------------------------------


def test_two_processes_upgrade_at_once(yesterdays: Database) -> None:
    windows = all_windows(yesterdays)
    with psycopg.connect(yesterdays.dsn) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(hashtext('kpi-delivery schema'))")
        both = [start(yesterdays, "migrate") for _ in range(2)]
        wait_for_waiting(yesterdays, 2)
    said = sorted((*process.communicate(timeout=120), process.returncode) for process in both)
    assert said == [
        (f"The database is at revision {migrations.head()} already: nothing to do.\n", "", 0),
        (f"The database was before the first revision; it is at revision {migrations.head()} now.\n", "", 0),
    ]
    assert all_windows(yesterdays) == windows + 1


def test_an_upgrade_whose_connection_is_lost_changes_nothing(yesterdays: Database) -> None:
    dump = yesterdays.dump()
    with psycopg.connect(yesterdays.dsn) as holder:
        holder.execute("LOCK TABLE ops.stage_records")  # after revision 0001, within revision 0002
        upgrade = start(yesterdays, "migrate")
        give_up = time.monotonic() + 60
        while not (found := yesterdays.fetch(WAITING.replace("advisory", "relation"))):
            assert time.monotonic() < give_up
            time.sleep(0.05)
        yesterdays.connection.execute("SELECT pg_terminate_backend(%s)", (found[0]["pid"],))
        said = upgrade.communicate(timeout=120)
    assert upgrade.returncode == 35, said
    assert "Nothing was changed; run again." in said[1]
    assert "Traceback" not in said[1]
    assert yesterdays.dump() == dump


def test_nobody_waits_for_ever_for_the_upgrade_of_another(fresh: Database) -> None:
    with psycopg.connect(fresh.dsn) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(hashtext('kpi-delivery schema'))")
        done = fresh.pipelines("migrate", LOCK_WAIT_SECONDS="0.2")
    assert done.returncode == 35
    assert "another process upgrades the schema" in done.stderr
    assert fresh.tables() == []


def test_the_connection_is_given_back_as_it_was(fresh: Database) -> None:
    for _ in range(2):
        migrations.bring_up(fresh.connection)
        assert fresh.connection.autocommit
        assert fresh.connection.execute("SELECT '[1]'::jsonb AS one").fetchone() == {"one": [1]}
        assert fresh.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_alembic_is_not_imported_where_nothing_is_pending(fresh: Database) -> None:
    ask = "import sys; from pipelines.services import warehouse; warehouse.migrated(); print(*sys.modules)"
    for expected in ({"alembic", "sqlalchemy"}, set()):
        done = helpers.python("-c", ask, env={"POSTGRES_DSN": fresh.dsn})
        assert done.returncode == 0, done.stderr
        assert {"alembic", "sqlalchemy"} & {*done.stdout.split()} == expected
