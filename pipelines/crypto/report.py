"""The short tables at the end of a run, and the answers of ``python -m pipelines``."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines import console
from pipelines.warehouse import connection, one, query

if TYPE_CHECKING:
    from pipelines.stage import Stage

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
            f"({record.finished_at:%Y-%m-%d %H:%M:%S}; {console.rows(told.get('valid', 0))} valid, "
            f"{told.get('rejected', 0):,} rejected)."
        )
        return
    rows = [(f"rows {name}" if name in COUNTS[:4] else name, f"{told.get(name, 0):,}") for name in COUNTS]
    if "file" in told:
        rows.insert(0, ("lines loaded from the file", f"{told['loaded']:,}"))
    elif told.get("generated"):
        rows.insert(0, ("rows generated", f"{told['generated']:,}"))
    rows += [(stage.stage, "was done" if seconds is None else f"{seconds:.2f} s") for stage, seconds in ran]
    console.table(f"Crypto events of {window}", rows)
    if not told.get("read"):
        console.result("No row of raw history falls to this run: look whether the date is right and history has come.")
    if docs := told.get("docs"):
        for suite in sorted(Path(docs).parent.glob("*/index.html")):
            console.result(f"Data Docs: {suite}")


def show_backfill(months: list[list[Stage]]) -> None:
    """A line per month."""
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
            f"{run['rows_rejected']:,}", _commonest(run["reasons"]), f"{run['finished_at']:%Y-%m-%d %H:%M}",
        )
        for run in connection().execute(query("crypto/last_runs"))
    ]  # fmt: skip
    columns = [("date", "left"), ("suite", "left"), ("outcome", "left"), ("judged", "right"), ("rejected", "right"),
               ("reasons", "left"), ("finished", "left")]  # fmt: skip
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
    reasons = connection().execute(query("crypto/rejects_by_reason"), bound).fetchall()
    total = int(one(connection(), "crypto/count_rejects", bound)["rows"])
    if not total:
        console.result(f"No run of {run_date} has rejected a row.")
        return 0
    columns = [("reason", "left"), ("disposition", "left"), ("rows", "right"), ("for example", "left")]
    shown = [(row["reason"], row["disposition"], f"{row['rows']:,}", row["example"]) for row in reasons]
    console.grid(f"Rejects of {run_date}: {console.rows(total)} (one with two reasons counts for both)", columns, shown)
    if csv is not None:
        with csv.open("wb") as file, connection().cursor().copy(query("crypto/copy_rejects"), bound) as copy:
            for block in copy:
                file.write(block)
        console.result(f"{console.rows(total)} written to {csv}")
    return total
