"""The short tables at the end of a run, and the answers of ``python -m pipelines``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path

from pipelines.core.errors import UsageError
from pipelines.core.statements import query
from pipelines.crypto.results import Candidates, History, Merged, Validated
from pipelines.services import console
from pipelines.services.artifacts import Place
from pipelines.services.warehouse import Connection, one

COUNTS = ("read", "valid", "redelivered", "rejected", "inserted", "updated", "reactivated", "deactivated", "unchanged")


@dataclass(frozen=True)
class Summary:
    """The results of the stages of one window.

    Attributes:
        window: its run date and days.
        history: None where the run takes raw history as it is; ``history_at``, when that was done.
        merged_at: when production was loaded.
        seconds: by stage, in order; None where it was current.
    """

    window: str
    history: History | None
    history_at: datetime | None
    candidates: Candidates
    validated: Validated
    merged: Merged
    merged_at: datetime
    seconds: Mapping[str, float | None]

    def counts(self) -> dict[str, int]:
        """``COUNTS`` by name."""
        found = {
            "read": self.candidates.read, "redelivered": self.validated.redelivered or 0,
            "rejected": self.validated.rejected, **asdict(self.merged),
        }  # fmt: skip
        return {name: found[name] for name in COUNTS}

    @property
    def has_worked(self) -> bool:
        return any(seconds is not None for seconds in self.seconds.values())


def show_run(done: Summary) -> None:
    """Shows what a run did; or, where it had nothing to do, what is there."""
    if not done.has_worked:
        console.result(
            f"Nothing to do: raw history, rules and SQL of {done.window} are as they were when production was loaded "
            f"({console.moment(done.merged_at)}; {console.rows(done.merged.valid)} valid, "
            f"{done.validated.rejected:,} rejected)."
        )
        _show_file(done)
        return
    rows = [(f"rows {name}" if name in COUNTS[:4] else name, f"{count:,}") for name, count in done.counts().items()]
    first = next(iter(done.seconds.values()))
    if done.history and done.history.file:
        lines = done.history.loaded if first is not None else 0
        rows[:0] = [("lines loaded from the file", f"{lines or 0:,}"),
                    ("lines unreadable", f"{done.history.unreadable or 0:,}")]  # fmt: skip
    elif done.history and done.history.generated:
        rows.insert(0, ("rows generated", f"{done.history.generated:,}"))
    rows += [(stage, "was done" if took is None else f"{took:.2f} s") for stage, took in done.seconds.items()]
    console.table(f"Crypto events of {done.window}", rows)
    if not done.candidates.read:
        console.result("No row of raw history falls to this run: look whether the date is right and history has come.")
    _show_file(done)
    run = Place(done.validated.docs.rpartition("/")[0])
    for suite in (name for name in run.names() if not name.startswith(".")):
        console.result(f"Data Docs: {run.at(suite)}/index.html")


def _show_file(done: Summary) -> None:
    """Shows what the counts of this run leave open about its file."""
    history = done.history
    if history is None or history.file is None:
        return
    has_loaded = next(iter(done.seconds.values())) is not None
    if done.history_at and (not has_loaded or history.already_loaded_as):
        console.result(
            f"{history.file} had been loaded by {console.moment(done.history_at)}: a file is loaded once. "
            f"To load it again: python -m pipelines forget --source {history.file}"
        )
    elif outside := history.outside_the_window:
        console.result(
            f"{console.rows(outside)} of the file lie outside of this window: they are in raw history, and a run of "
            "their date (--date) or CryptoBackfill brings them to production."
        )
    if unreadable := history.unreadable:
        console.result(f"{unreadable:,} lines of the file are unreadable: `python -m pipelines rejects` shows them.")


def show_backfill(connection: Connection, months: Sequence[tuple[date, Summary]], until: date) -> None:
    """Shows a line per month, and which months of production were left alone."""
    left = [row["last_day"] for row in connection.execute(query("crypto/months_left"), {"until": until})]
    if left:
        console.result(
            f"Left as it is: what production holds of months of which raw history has no row ({len(left):,}, the "
            f"oldest ends on {left[0]}). If those events are really gone: CryptoMerge --no-top-up "
            f"--allow-mass-deactivation --date {left[0]} --window-days {left[0].day}"
        )
    if not months:
        console.result("Nothing to load: raw history has no day up to this date.")
        return
    shown = [(str(day)[:7], *(f"{count:,}" for count in done.counts().values())) for day, done in months]
    headings = [("month", "left"), *((name, "right") for name in COUNTS)]
    console.grid("Crypto events, month by month", headings, shown)
    if not any(done.has_worked for _, done in months):
        console.result("Nothing to do: every month is as it was when it was loaded.")


def show_status(connection: Connection) -> None:
    """The last runs, production and rejects."""
    runs = [
        (
            str(run["run_date"]), run["suite_name"], run["outcome"], f"{run['rows_judged']:,}",
            f"{run['rows_rejected']:,}", console.moment(run["finished_at"]), _commonest(run["reasons"]),
        )
        for run in connection.execute(query("crypto/last_runs"), {"most": 10})
    ]  # fmt: skip
    columns = [("date", "left"), ("suite", "left"), ("outcome", "left"), ("judged", "right"), ("rejected", "right"),
               ("finished", "left"), ("reasons", "left")]  # fmt: skip
    console.grid("Last gates of the crypto flow (dqm.DQ_RUNS)", columns, runs)
    counts = one(connection, "crypto/status_counts", {})
    console.table("Tables", [(name.replace("_", " "), f"{count:,}") for name, count in counts.items()])


def _commonest(reasons: dict[str, int]) -> str:
    """The two commonest reasons, in a few words."""
    found = sorted(reasons.items(), key=lambda each: -each[1])
    more = f" and {len(found) - 2} more" if len(found) > 2 else ""
    return ", ".join(f"{reason} {rows:,}" for reason, rows in found[:2]) + more


def show_rejects(connection: Connection, run_date: date, csv: Path | None) -> int:
    """Reasons and counts of the rows that the runs of a date rejected; the rows themselves as CSV on demand.

    Returns:
        Rejected rows of the date.
    """
    bound = {"run_date": run_date}
    total = int(one(connection, "crypto/count_rejects", bound)["rows"])
    if not total:
        last = one(connection, "crypto/last_rejected_date", {})["run_date"]
        others = f" The last date that has: {last}." if last else ""
        console.result(f"No run of {run_date} has rejected a row.{others}")
    else:
        _show_reasons(connection, run_date, total)
    if csv is not None:
        _write_rejects(connection, run_date, csv)
        console.result(f"{console.rows(total)} written to {csv}")
    return total


def _show_reasons(connection: Connection, run_date: date, total: int) -> None:
    columns = [("reason", "left"), ("disposition", "left"), ("rows", "right"), ("for example", "left")]
    reasons = connection.execute(query("crypto/rejects_by_reason"), {"run_date": run_date})
    shown = [(row["reason"], row["disposition"], f"{row['rows']:,}", row["example"]) for row in reasons]
    console.grid(f"Rejects of {run_date}: {console.rows(total)} (one with two reasons counts for both)", columns, shown)


def _write_rejects(connection: Connection, run_date: date, csv: Path) -> None:
    try:
        with (
            csv.open("wb") as file,
            connection.cursor().copy(query("crypto/copy_rejects"), {"run_date": run_date}) as copy,
        ):
            for block in copy:
                file.write(block)
    except OSError as error:
        raise UsageError(f"--csv {csv}: {error.strerror or error}.") from None
