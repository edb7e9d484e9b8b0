"""SQL lives in files: ``sql/<folder>/<name>.sql``, read once, named from ``sql/`` without the suffix."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg import sql

ROOT = Path(__file__).resolve().parents[2]
SQL_DIR = ROOT / "sql"


@lru_cache
def text(name: str) -> str:
    """The text of ``sql/<name>.sql``, for engines that take text: DuckDB, Spark."""
    return (SQL_DIR / f"{name}.sql").read_text(encoding="utf-8")


@lru_cache
def query(name: str) -> sql.SQL:
    """``sql/<name>.sql`` for psycopg; values are always bound, never formatted in."""
    from psycopg import sql

    return sql.SQL(text(name))
