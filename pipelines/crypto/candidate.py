"""Take one snapshot of the rows to judge, typed, in staging. What arrives later belongs to the next run."""

from __future__ import annotations

import uuid

from pipelines.crypto.rules import RAW_COLUMNS
from pipelines.crypto.window import Window
from pipelines.errors import GateFailed
from pipelines.warehouse import Connection, Row, one, query


def window_version(tx: Connection, window: Window) -> int:
    """A number that moves exactly when a row changes that the window's run would judge; read in milliseconds."""
    return int(one(tx, "crypto/window_version", window.bound())["version"])


def snapshot_in_staging(tx: Connection) -> Row | None:
    """Whose rows are in staging: id, run date, window and clock; None where there are none."""
    return tx.execute(query("crypto/read_snapshot")).fetchone()


def build_candidate(tx: Connection, window: Window) -> dict[str, int | str]:
    """Replace staging by this window's rows, exact copies and key conflicts marked.

    Returns:
        ``snapshot_id``, rows ``read`` and, of them, ``redelivered``.

    Raises:
        GateFailed: the raw table lacks a column that the rules speak of.
    """
    _require_columns(tx)
    snapshot_id = f"{window.run_date}_{uuid.uuid4().hex[:12]}"
    tx.execute(query("crypto/empty_staging"))
    read = tx.execute(query("crypto/copy_window"), window.bound()).rowcount
    tx.execute(query("crypto/analyze_staging"))
    redelivered = one(tx, "crypto/mark_repeats", {})["redelivered"]
    tx.execute(query("crypto/note_snapshot"), {"snapshot_id": snapshot_id, **window.bound()})
    return {"snapshot_id": snapshot_id, "read": read, "redelivered": redelivered}


def _require_columns(tx: Connection) -> None:
    there = {row["name"] for row in tx.execute(query("crypto/raw_columns"))}
    if missing := [name for name in RAW_COLUMNS if name not in there]:
        raise GateFailed(
            f"raw.BT_CRYPTO_TRANSACTION_HISTORY breaks rule raw_columns: it has no column {', '.join(missing)}. "
            "Production was not touched. Give the column back its name and run again."
        )
