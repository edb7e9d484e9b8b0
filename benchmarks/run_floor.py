"""The floor: the least SQL, by hand, that brings production to the same result. ``run_floor DSN START END TODAY``."""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg

HERE = Path(__file__).parent / "floor"


def main(dsn: str, start: str, end: str, today: str) -> str | None:
    """Copy, check, compare and write in one transaction; nothing is written to production where a row is bad.

    Returns:
        What is wrong; None where all is well.
    """
    values = {"start": start, "end": end, "today": today}
    # ClientCursor: many statements in one go, and values in CREATE TABLE AS.
    with psycopg.connect(dsn, cursor_factory=psycopg.ClientCursor) as connection:

        def run(name: str) -> psycopg.Cursor[tuple[int, ...]]:
            return connection.execute((HERE / f"{name}.sql").read_bytes(), values)

        run("copy")
        judged, bad = run("check").fetchone() or (0, 0)
        conflicts = 0
        if run("repeats").fetchone() != (0,):
            run("collapse")
            (conflicts,) = run("repeats").fetchone() or (0,)
        if bad or conflicts:
            return f"{run('rejects').rowcount} of {judged} rows are bad"
        run("changes")
        counts = connection.execute("SELECT change, count(*) FROM changes GROUP BY change").fetchall()
        run("write")
    print(f"{judged} judged, {dict(counts)}")
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
