"""Forget what was done, so that the next run does it again."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pipelines.core.statements import query
from pipelines.crypto.history import sha256_of
from pipelines.services import console
from pipelines.services.warehouse import Connection


def forget_date(connection: Connection, run_date: date) -> int:
    """Removes the materializations of a date's stages, and returns how many there were. No row of data changes."""
    dropped = connection.execute(query("core/forget_date"), {"run_date": str(run_date)}).rowcount
    console.result(
        f"{dropped} records of {run_date} are forgotten: its next run does everything again."
        if dropped
        else f"Nothing is recorded of {run_date}. Churn is recorded by snapshot: see `python -m pipelines status`."
    )
    return dropped


def forget_source(connection: Connection, path: Path) -> int:
    """Let the content of a file be loaded again; the rows that it left in raw history stay.

    Raises:
        MissingInput: there is no such file.
    """
    bound = {"sha256": sha256_of(path), "key": f"file {path.resolve()}"}
    dropped = connection.execute(query("crypto/forget_source"), bound).rowcount
    known = "is forgotten: --source loads it again" if dropped else "was not loaded"
    console.result(f"{path} {known}. Rows of it that are in raw history stay there.")
    return dropped
