"""The short tables at the end of a run, and the answers of ``python -m pipelines``."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import UsageError
from pipelines.core.statements import query
from pipelines.services import console
from pipelines.services.artifacts import Place
from pipelines.services.warehouse import connection, one

if TYPE_CHECKING:
    from pipelines.core.stage import Stage

COUNTS = ("read", "valid", "redelivered", "rejected", "inserted", "updated", "reactivated", "deactivated", "unchanged")


def facts(stages: list[Stage]) -> dict[str, Any]:
    """What the records of a run's stages tell, by name."""
    told: dict[str, Any] = {}
    for stage in stages:
        if record := stage.record():
            # The second gate judges what the first one let through: it has nothing to add to "rejected".
            told |= {name: value for name, value in record.details.items() if not (name == "rejected" and name in told)}
    return told


def show_run(stages: list[Stage]) -> None:
    """What a run did; or, where it had nothing to do, what the last one had done."""
    told = facts(stages)
    window = stages[-1].key
    ran = [(stage, stage.ran_for()) for stage in stages]
    if not any(seconds is not None for _, seconds in ran):
        record = stages[-1].record()
        assert record is not None
        console.result(
            f"Nothing to do: raw history, rules and SQL of {window} are as they were when production was loaded "
            f"({console.moment(record.finished_at)}; {console.rows(told.get('valid', 0))} valid, "
            f"{told.get('rejected', 0):,} rejected)."
        )
        _tell_of_file(stages[0], told)
        return
    rows = [(f"rows {name}" if name in COUNTS[:4] else name, f"{told.get(name, 0):,}") for name in COUNTS]
    if "file" in told:
        lines = told["loaded"] if stages[0].ran_for() is not None else 0
        rows[:0] = [("lines loaded from the file", f"{lines:,}"), ("lines unreadable", f"{told['unreadable']:,}")]
    elif told.get("generated"):
        rows.insert(0, ("rows generated", f"{told['generated']:,}"))
    rows += [(stage.stage, "was done" if seconds is None else f"{seconds:.2f} s") for stage, seconds in ran]
    console.table(f"Crypto events of {window}", rows)
    if not told.get("read"):
        console.result("No row of raw history falls to this run: look whether the date is right and history has come.")
    _tell_of_file(stages[0], told)
    if docs := told.get("docs"):
        run = Place(str(docs).rpartition("/")[0])
        for suite in (name for name in run.names() if not name.startswith(".")):
            console.result(f"Data Docs: {run.at(suite)}/index.html")


def _tell_of_file(stage: Stage, told: dict[str, Any]) -> None:
    """What the counts of this run leave open about its file."""
    if "file" not in told:
        return
    record = stage.record()
    if record and (stage.ran_for() is None or "already_loaded_as" in told):
        console.result(
            f"{told['file']} had been loaded by {console.moment(record.finished_at)}: a file is loaded once. "
            f"To load it again: python -m pipelines forget --source {told['file']}"
        )
    elif outside := told.get("outside_the_window"):
        console.result(
            f"{console.rows(outside)} of the file lie outside of this window: they are in raw history, and a run of "
            "their date (--date) or CryptoBackfill brings them to production."
        )
    if unreadable := told["unreadable"]:
        console.result(f"{unreadable:,} lines of the file are unreadable: `python -m pipelines rejects` shows them.")


def show_backfill(months: list[list[Stage]], until: date) -> None:
    """A line per month, and which months of production were left alone."""
    left = [row["last_day"] for row in connection().execute(query("crypto/months_left"), {"until": until})]
    if left:
        console.result(
            f"Left as it is: what production holds of months of which raw history has no row ({len(left):,}, the "
            f"oldest ends on {left[0]}). If those events are really gone: CryptoMerge --no-top-up "
            f"--allow-mass-deactivation --date {left[0]} --window-days {left[0].day}"
        )
    if not months:
        console.result("Nothing to load: raw history has no day up to this date.")
        return
    shown = []
    for stages in months:
        told = facts(stages)
        shown.append((str(stages[-1].date)[:7], *(f"{told.get(name, 0):,}" for name in COUNTS)))
    headings = [("month", "left"), *((name, "right") for name in COUNTS)]
    console.grid("Crypto events, month by month", headings, shown)
    if all(stage.ran_for() is None for stages in months for stage in stages):
        console.result("Nothing to do: every month is as it was when it was loaded.")


def show_status() -> None:
    """The last runs, production and rejects."""
    runs = [
        (
            str(run["run_date"]), run["suite_name"], run["outcome"], f"{run['rows_judged']:,}",
            f"{run['rows_rejected']:,}", console.moment(run["finished_at"]), _commonest(run["reasons"]),
        )
        for run in connection().execute(query("crypto/last_runs"), {"most": 10})
    ]  # fmt: skip
    columns = [("date", "left"), ("suite", "left"), ("outcome", "left"), ("judged", "right"), ("rejected", "right"),
               ("finished", "left"), ("reasons", "left")]  # fmt: skip
    console.grid("Last gates of the crypto flow (dqm.DQ_RUNS)", columns, runs)
    counts = one(connection(), "crypto/status_counts", {})
    console.table("Tables", [(name.replace("_", " "), f"{count:,}") for name, count in counts.items()])


def _commonest(reasons: dict[str, int]) -> str:
    """The two commonest reasons, in a few words."""
    found = sorted(reasons.items(), key=lambda each: -each[1])
    more = f" and {len(found) - 2} more" if len(found) > 2 else ""
    return ", ".join(f"{reason} {rows:,}" for reason, rows in found[:2]) + more


def show_rejects(run_date: date, csv: Path | None) -> int:
    """Reasons and counts of the rows that the runs of a date rejected; the rows themselves as CSV on demand.

    Returns:
        Rejected rows of the date.
    """
    bound = {"run_date": run_date}
    total = int(one(connection(), "crypto/count_rejects", bound)["rows"])
    if not total:
        last = one(connection(), "crypto/last_rejected_date", {})["run_date"]
        others = f" The last date that has: {last}." if last else ""
        console.result(f"No run of {run_date} has rejected a row.{others}")
    else:
        _show_reasons(run_date, total)
    if csv is not None:
        _write_rejects(run_date, csv)
        console.result(f"{console.rows(total)} written to {csv}")
    return total


def _show_reasons(run_date: date, total: int) -> None:
    columns = [("reason", "left"), ("disposition", "left"), ("rows", "right"), ("for example", "left")]
    reasons = connection().execute(query("crypto/rejects_by_reason"), {"run_date": run_date})
    shown = [(row["reason"], row["disposition"], f"{row['rows']:,}", row["example"]) for row in reasons]
    console.grid(f"Rejects of {run_date}: {console.rows(total)} (one with two reasons counts for both)", columns, shown)


def _write_rejects(run_date: date, csv: Path) -> None:
    try:
        with (
            csv.open("wb") as file,
            connection().cursor().copy(query("crypto/copy_rejects"), {"run_date": run_date}) as copy,
        ):
            for block in copy:
                file.write(block)
    except OSError as error:
        raise UsageError(f"--csv {csv}: {error.strerror or error}.") from None
