"""Take one snapshot of the rows to judge, typed, in staging. What arrives later belongs to the next run."""

from __future__ import annotations

import uuid

from pipelines.crypto.rules import RAW_COLUMNS
from pipelines.crypto.window import Window
from pipelines.errors import GateFailed
from pipelines.warehouse import Connection, Row, one, query


def window_version(tx: Connection, window: Window) -> dict[str, int | str]:
    """Moves when a row changes that the window's run would judge, or when a day of it comes; read in milliseconds."""
    return {**one(tx, "crypto/window_version", window.bound()), "come": str(min(window.today, window.run_date))}


def snapshot_in_staging(tx: Connection) -> Row | None:
    """Whose rows are in staging: id, run date, window and clock; None where there are none."""
    return tx.execute(query("crypto/read_snapshot")).fetchone()


def build_candidate(tx: Connection, window: Window) -> dict[str, int | str]:
    """Replace staging by this window's rows, exact copies and key conflicts marked.

    Returns:
        ``snapshot_id``, rows ``read`` and, of them, ``redelivered``.

    Raises:
        GateFailed: the raw table has not the shape that the flow's SQL needs.
    """
    require_columns(tx)
    snapshot_id = f"{window.run_date}_{uuid.uuid4().hex[:12]}"
    tx.execute(query("crypto/empty_staging"))
    read = tx.execute(query("crypto/copy_window"), window.bound()).rowcount
    tx.execute(query("crypto/analyze_staging"))
    repeats = tx.execute(query("crypto/find_repeats")).rowcount
    redelivered = one(tx, "crypto/mark_repeats", {})["redelivered"] if repeats else 0
    tx.execute(query("crypto/note_snapshot"), {"snapshot_id": snapshot_id, **window.bound()})
    return {"snapshot_id": snapshot_id, "read": read, "redelivered": redelivered}


def require_columns(tx: Connection) -> None:
    """See that the raw table has the columns that the flow's SQL names; the raw gate asks for its exact shape.

    Raises:
        GateFailed: a column is missing, or user_id is no integer.
    """
    there = {row["name"]: row["type"] for row in tx.execute(query("crypto/raw_columns"))}
    problems = [f"raw_columns: it has no column {name}" for name in RAW_COLUMNS if name not in there]
    if there.get("user_id", "bigint") not in ("bigint", "integer", "smallint"):
        problems.append(f"user_id_type: user_id is {there['user_id']}, not bigint")
    if problems:
        raise GateFailed(
            f"raw.BT_CRYPTO_TRANSACTION_HISTORY breaks rule {'; '.join(problems)}. "
            "Production was not touched. Give the table its shape back (sql/schema/02_raw_history.sql) and run again."
        )
