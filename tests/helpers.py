"""What the tests share: run a flow in this process or by the real command, put rows and files in its way."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from psycopg import sql

from pipelines import CryptoMerge
from pipelines.core import results
from pipelines.core.stage import Stage
from pipelines.core.statements import ROOT
from pipelines.services.settings import Settings, settings
from pipelines.services.warehouse import Connection, Row

COLUMNS = ("site_id", "user_id", "purchase_date", "crypto_type", "purchase_price", "purchase_units")
DAY = date(2023, 2, 1)
GOOD = ("BRASIL", "200234", "1/2/2023", "ETH", "1200", "1.3")
HISTORY = "raw.bt_crypto_transaction_history"
TABLES = (
    "raw.day_changes", "staging.snapshot", "staging.bt_crypto_transaction_history", "prod.bt_crypto_events",
    "dqm.dq_runs", "dqm.bt_crypto_events_rejects", "ops.materializations", "ops.stage_runs", "ops.runs",
    "ops.loaded_files", "ops.loaded_lines", "ops.source_hashes",
)  # fmt: skip


# State ------------------------------------------------------------------------------------------------------------


def own_environment(state: Path) -> None:
    """Settings of the tests: their own state, nothing generated, no setting of whoever runs them."""
    given = os.environ.get("TEST_POSTGRES_DSN")
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
    os.environ |= {"STATE_DIR": str(state), "MIN_ROWS_PER_DAY": "0", "LOCK_WAIT_SECONDS": "20"}
    if given:
        os.environ["POSTGRES_DSN"] = given


def empty(connection: Connection) -> None:
    """Leave no row in the tables of the flow."""
    connection.execute(f"TRUNCATE {HISTORY} RESTART IDENTITY")  # before the table in which its trigger counts
    connection.execute(f"TRUNCATE {', '.join(TABLES)} RESTART IDENTITY")


def set_settings(monkeypatch: Any, **values: object) -> None:
    """Settings by their names in the environment, read afresh."""
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))
    settings.cache_clear()


# Runs -------------------------------------------------------------------------------------------------------------


def run_flow(day: date = DAY, root: type[CryptoMerge] = CryptoMerge, **parameters: Any) -> dict[str, Any]:
    """Run the stages of a root in this process, as one run.

    Returns:
        The results of the stages, by field.

    Raises:
        PipelineError: a stage was refused.
    """
    return run_each(root(date=day, **parameters).stages())


def run_stages(names: Sequence[str], day: date = DAY, **parameters: Any) -> dict[str, Any]:
    """Run only the stages of these names, as one run; return their results, by field."""
    generates = "generate_fake_history_last_5_days" in names
    root = CryptoMerge(date=day, no_top_up=not generates, **parameters)
    return run_each([each for each in root.stages() if each.stage in names])


def run_each(stages: Sequence[Stage[Any]]) -> dict[str, Any]:
    """Run these stages of one run, and end it; return their results, by field.

    Of two stages with a field, the later one counts; but of rejected rows, what the first gate rejected.
    """
    for each in stages:
        each.run()
    found: dict[str, Any] = {}
    for each in stages:
        left = {name: value for name, value in results.encode(each.result()).items() if value is not None}
        found |= {name: value for name, value in left.items() if not (name == "rejected" and name in found)}
    stages[-1].flow_run.finish()
    return found


def load(path: Path, on_invalid: str = "halt", day: date = DAY) -> dict[str, Any]:
    """Run only the stage that loads a file; return what it tells."""
    return run_stages(["generate_fake_history_last_5_days"], day, source=str(path), on_invalid=on_invalid)


def python(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python from the root of the repository."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        text=True,
        capture_output=True,
        check=False,
        timeout=600,
    )


def luigi(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command that a user types, with the exit code that the user gets."""
    return python("-m", "luigi", "--module", "pipelines", *arguments, env=env)


# Rows and files ---------------------------------------------------------------------------------------------------


def insert_rows(connection: Connection, *rows: Sequence[object]) -> list[int]:
    """Put rows of ``COLUMNS`` into raw history in one statement; return their ingest ids."""
    line = sql.SQL("({})").format(sql.SQL(", ").join([sql.Placeholder()] * len(COLUMNS)))
    statement = sql.SQL("INSERT INTO {} ({}) VALUES {} RETURNING ingest_id").format(
        sql.SQL(HISTORY), sql.SQL(", ").join(map(sql.Identifier, COLUMNS)), sql.SQL(", ").join([line] * len(rows))
    )
    return [row["ingest_id"] for row in connection.execute(statement, [value for row in rows for value in row])]


def rows_of(connection: Connection, table: str, columns: str = "*", order: str = "1") -> list[Row]:
    return connection.execute(f"SELECT {columns} FROM {table} ORDER BY {order}").fetchall()


def raw_rows(connection: Connection) -> list[tuple[Any, ...]]:
    """Raw history as tuples of ``COLUMNS``, in the order in which it came."""
    return [tuple(row.values()) for row in rows_of(connection, HISTORY, ", ".join(COLUMNS), "ingest_id")]


def reasons_by_row(connection: Connection) -> dict[int, set[str]]:
    """Why each row of raw history was rejected, by its ingest id."""
    rejects = rows_of(connection, "dqm.bt_crypto_events_rejects WHERE ingest_id IS NOT NULL", "ingest_id, reasons")
    return {row["ingest_id"]: set(row["reasons"]) for row in rejects}


def count(connection: Connection, table: str) -> int:
    return int(rows_of(connection, table, "count(*) AS rows")[0]["rows"])


def write_csv(path: Path, rows: Iterable[Sequence[object]], header: Sequence[str] = COLUMNS) -> Path:
    """A CSV file as Python's csv module writes it, with plain line ends."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path


def write_text(path: Path, *lines: str, header: str = ",".join(COLUMNS)) -> Path:
    """A file of these lines as they are, under a header."""
    path.write_bytes("".join(f"{line}\n" for line in (header, *lines)).encode())
    return path
