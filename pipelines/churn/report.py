"""The short tables at the end of a run, and the answers of ``python -m pipelines``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Protocol

from pipelines.churn import registry, sources
from pipelines.churn.results import (
    CleanTables,
    CurrentSnapshot,
    Dataset,
    Decision,
    DriftReport,
    Evaluation,
    FileChanges,
    Scores,
    TrainedLogreg,
    TrainedModel,
    WeeklyFeatures,
)
from pipelines.core.statements import query
from pipelines.services import console, tracking
from pipelines.services.artifacts import Place
from pipelines.services.console import Rows
from pipelines.services.warehouse import Connection

NOTHING_TO_DO = "Nothing to do: files, settings and code are as they were when this was made."


# Runs -------------------------------------------------------------------------------------------------------------


class Part(Protocol):
    """The results of a task that a user types."""

    def rows(self) -> Rows:
        """The rows of its table."""

    def places(self) -> list[str]:
        """Where to look: lines of their own, since paths are long."""


@dataclass(frozen=True)
class TrainingPart:
    """The results of ``ChurnTraining``."""

    dataset: Dataset
    trained: TrainedModel
    evaluation: Evaluation
    decision: Decision

    def rows(self) -> Rows:
        metrics, params, compared = self.trained.metrics, self.trained.params, self.evaluation
        return [
            ("snapshot (features before)", f"{self.dataset.snapshot} ({self.dataset.cutoff})"),
            ("rows, held out", f"{self.dataset.rows:,}, {self.dataset.holdout:,}"),
            ("regParam, elasticNetParam", f"{params['regParam']}, {params['elasticNetParam']}"),
            (f"AUC of candidate (version {compared.candidate_version})", f"{compared.candidate_auc:.4f}"),
            (f"AUC of production (version {compared.production_version or 'none'})", _auc(compared.production_auc)),
            ("Brier, precision of top tenth", f"{metrics['brier']:.4f}, {metrics['precision_top_decile']:.4f}"),
            ("decision", "promoted" if self.decision.promote else "not promoted"),
            ("because", self.decision.reason),
            ("drift against the weeks before", f"{metrics['recent_drift_share']:.0%} of the columns"),
        ]

    def places(self) -> list[str]:
        return [
            f"MLflow run:   {self.trained.run_id} of {tracking.shown()}",
            f"SHAP picture: {self.trained.artifacts}/explainability/shap_summary.png",
        ]


@dataclass(frozen=True)
class DriftPart:
    """The results of ``ChurnDriftReport``."""

    current: CurrentSnapshot
    found: DriftReport

    def rows(self) -> Rows:
        weeks, found = self.current.weeks, self.found
        against = _span(weeks) if weeks else "itself and noise: there is no week before"
        return [
            ("current snapshot, against", f"{self.current.snapshot}, {against}"),
            ("drift", "yes" if found.drift_detected else "no"),
            ("share of columns that drifted", f"{found.drift_share:.0%} of {found.columns_compared}"),
            ("columns that drifted", ", ".join(found.drifted) or "none"),
            *(("left out", f"{name}: {why}") for name, why in found.left_out.items()),
        ]

    def places(self) -> list[str]:
        places = [f"Drift report: {self.found.path}"]
        return [*places, f"in the bucket as {self.found.key}"] if self.found.key else places


@dataclass(frozen=True)
class FeaturesPart:
    """The result of ``ChurnFeatureStore``."""

    built: WeeklyFeatures

    def rows(self) -> Rows:
        built = self.built
        return [
            ("weekly snapshots", _span(built.snapshots)),
            ("rows, labelled, churned", f"{built.rows:,}, {built.labelled:,}, {built.churned:,}"),
        ]

    def places(self) -> list[str]:
        return []


@dataclass(frozen=True)
class LogregPart:
    """The results of ``ChurnLogregTraining``."""

    trained: TrainedLogreg
    decision: Decision

    def rows(self) -> Rows:
        compared, decision = self.trained.evaluation, self.decision
        return [
            (f"churn-logreg (version {self.trained.version}) trained on", _span(self.trained.snapshots)),
            ("its AUC; that of production", f"{compared.candidate_auc:.4f}; {_auc(compared.production_auc)}"),
            ("its decision", f"{'promoted' if decision.promote else 'not promoted'}: {decision.reason}"),
        ]

    def places(self) -> list[str]:
        return []


@dataclass(frozen=True)
class ScoresPart:
    """The result of ``ChurnBatchScore``."""

    scores: Scores

    def rows(self) -> Rows:
        scores = self.scores
        return [
            (f"scored by churn-logreg (version {scores.version})",
             f"{scores.scored:,} customers of {_span(scores.snapshots)}"),
            ("of them predicted to churn", f"{scores.predicted_to_churn:,}"),
        ]  # fmt: skip

    def places(self) -> list[str]:
        return []


def show_run(title: str, part: Part, cleaned: CleanTables | None, seconds: Mapping[str, float]) -> None:
    """Shows what a run did; or, where it had nothing to do, what is there.

    Args:
        cleaned: the clean tables, if the run made them.
        seconds: of each stage that worked, in order.
    """
    took = [(stage, f"{each:.1f} s") for stage, each in seconds.items()]
    _show(title, [*part.rows(), *took], part.places(), cleaned, has_worked=bool(seconds))


def show_life(title: str, parts: Sequence[Part], cleaned: CleanTables | None, has_worked: bool) -> None:
    """Shows the table of several tasks."""
    rows = [row for part in parts for row in part.rows()]
    _show(title, rows, [place for part in parts for place in part.places()], cleaned, has_worked)


def _show(title: str, rows: Rows, places: Sequence[str], cleaned: CleanTables | None, has_worked: bool) -> None:
    if cleaned:
        show_files(cleaned)
    console.table(title, rows, values="left")
    for place in places:
        console.result(place)
    if not has_worked:
        console.result(NOTHING_TO_DO)


def _auc(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _span(days: Sequence[date]) -> str:
    return str(days[0]) if len(days) == 1 else f"{len(days)} weeks, {days[0]} to {days[-1]}"


# The files --------------------------------------------------------------------------------------------------------


def show_files(clean: CleanTables) -> None:
    """Shows the columns of the files with values that were missing, unreadable or rewritten."""
    shown = [
        (values.file, name.upper(), *(f"{counts[outcome]:,}" for outcome in sources.OUTCOMES))
        for values in clean.files
        for name, counts in values.columns.items()
        if counts["read"] < values.rows
    ]
    columns = [("file", "left"), ("column", "left"), *((outcome, "right") for outcome in sources.OUTCOMES)]
    console.grid("Values that were missing, unreadable (dropped) or rewritten", columns, shown)
    console.result(
        f"{clean.payments:,} payments, {clean.dropped:,} dropped for want of a customer or a day, "
        f"{clean.future:,} dated after today; {clean.duplicates:,} lines of user files replaced by a later line "
        "of the same customer."
    )


def show_changes(root: Place, found: FileChanges) -> None:
    """Shows which files changed since the watchdog saw them last."""
    changed = found.changed
    since = " (nothing is remembered of an earlier look)" if found.first_look else ""
    states = [(file, changed.get(file, "as it was")) for file in sorted({*found.now, *changed})]
    console.table(f"Files of {root.url}{since}", states)
    console.result(f"{len(changed)} changed: {', '.join(sorted(changed))}. Run ChurnTraining.")


def show_unchanged(root: Place) -> None:
    """Shows that no file changed."""
    console.result(f"Nothing changed. The files of {root.url} are as they were.")


def show_seeded(root: Place, rows: Mapping[str, int]) -> None:
    """Shows how many rows each raw table has."""
    counts = [(f"raw.{table}", f"{count:,}") for table, count in rows.items()]
    console.table(f"Files of {root.url}, as they are", counts)


def show_status(connection: Connection) -> None:
    """Shows the last training, the weekly snapshots, scores and drift."""
    stages = [
        (row["stage"], row["key"], console.moment(row["finished_at"]),
         f"{row['seconds']:.1f} s", row["reason"] or console.in_words(row["result"]))
        for row in connection.execute(query("churn/last_stages"))
    ]  # fmt: skip
    columns = [("stage", "left"), ("of", "left"), ("finished", "left"), ("took", "right"), ("told", "left")]
    console.grid("Last stages of the churn flow", columns, stages)
    weeks = [
        (str(row["snapshot_date"]), f"{row['customers']:,}", f"{row['labelled']:,}", f"{row['churned']:,}",
         f"{row['scored']:,}", "" if row["drift_share"] is None else f"{row['drift_share']:.0%}")
        for row in connection.execute(query("churn/last_weeks"))
    ]  # fmt: skip
    columns = [
        ("snapshot", "left"),
        *((name, "right") for name in ("customers", "labelled", "churned", "scored", "drift")),
    ]
    console.grid("Last weekly snapshots", columns, weeks)


# Models -----------------------------------------------------------------------------------------------------------


def show_models() -> None:
    """Shows the versions of both models with their metrics, and which ones are production."""
    names = ("roc_auc", "brier", "precision_top_decile", "recent_drift_share")
    with tracking.errors_explained():
        found = [version for model in registry.MODELS for version in registry.versions(model)]
    shown = [
        (each.model, each.version, ", ".join(each.aliases),
         console.moment(datetime.fromtimestamp(each.created, UTC)),
         *(f"{each.metrics[name]:.4f}" if name in each.metrics else "" for name in names), each.run_id)
        for each in found
    ]  # fmt: skip
    columns = [("model", "left"), ("version", "right"), ("is", "left"), ("made", "left"),
               *((name, "right") for name in names), ("MLflow run", "left")]  # fmt: skip
    console.grid("Models", columns, shown)
    if not shown:
        console.result("There is none yet: make churn, or luigi --module pipelines ChurnTraining.")


def show_rollback(model: str, production: str, previous: str) -> None:
    """Shows which version is production after a rollback, and which one is the previous."""
    console.result(
        f"{model}: version {production} is production again; version {previous} is the previous one, and one rollback "
        "away."
    )
