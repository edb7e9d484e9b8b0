"""The results of the stages: what each leaves for those after it, and for reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

# The files --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GeneratedFiles:
    """Generated files of so many ``users``: rows by file, or None while their upload has not ended."""

    users: int
    rows: dict[str, int] | None


@dataclass(frozen=True)
class FileValues:
    """What cleaning did with the values of a file's ``rows``: counts by column and outcome."""

    file: str
    rows: int
    columns: dict[str, dict[str, int]]

    def of(self, column: str, *outcomes: str) -> int:
        return sum(self.columns[column][outcome] for outcome in outcomes)


@dataclass(frozen=True)
class CleanTables:
    """The clean tables.

    Attributes:
        folder: in the artifact store.
        payments, dropped, future: payments, those without a customer or a day, and those dated after today.
        first_day, last_day: of the payments up to today.
        users: customers in any file.
        duplicates: lines of user files that a later line of the same customer replaced.
        known_until: by file, the last day that it has data of.
        files: the values of each file.
        sources: SHA-256 by file.
    """

    folder: str
    payments: int
    dropped: int
    future: int
    first_day: date
    last_day: date
    users: int
    duplicates: int
    known_until: dict[str, date]
    files: tuple[FileValues, ...]
    sources: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FileChanges:
    """How the files differ from those that the watchdog saw last.

    Attributes:
        changed: ``new``, ``changed`` or ``gone`` by file.
        first_look: whether nothing was remembered.
        now: SHA-256 by file.
        rows: lines by file, without the header.
    """

    files_changed: int
    changed: dict[str, str]
    first_look: bool
    now: dict[str, str]
    rows: dict[str, int]


# Training ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Labelled:
    """Counts of labelled customers: all ``rows``, the ``active`` ones, those in the ``holdout``."""

    rows: int
    active: int
    holdout: int


@dataclass(frozen=True)
class Dataset(Labelled):
    """What churn-model is trained on; files are in the artifact store.

    Attributes:
        snapshot, cutoff: labels are of the days before the snapshot, features of those before the cutoff.
        dataset: the file of features and labels.
        frame, reference: the files of the features at the cutoff, and at the weekly snapshots before it.
    """

    snapshot: date
    cutoff: date
    dataset: str
    frame: str
    reference: tuple[str, ...]


@dataclass(frozen=True)
class Trained:
    """A registered version of a model, and the MLflow run that logged it, with its metrics."""

    run_id: str
    version: str
    metrics: dict[str, float]


@dataclass(frozen=True)
class TrainedModel(Trained):
    """A version of churn-model: parameters as MLflow has them, and the folder of the run's artifacts."""

    params: dict[str, str]
    artifacts: str


@dataclass(frozen=True)
class Evaluation:
    """AUCs of the candidate and of production on the same customers.

    Attributes:
        production_version: None where there is no production model.
        production_auc: None where there is none, or where it cannot score these customers.
        incomparable: why it cannot.
    """

    candidate_version: str
    candidate_auc: float
    production_version: str | None
    production_auc: float | None
    incomparable: str | None


@dataclass(frozen=True)
class TrainedLogreg(Trained):
    """A version of churn-logreg: the ``rows`` and weekly ``snapshots`` that it was trained on, and its evaluation."""

    rows: int
    snapshots: tuple[date, ...]
    evaluation: Evaluation


@dataclass(frozen=True)
class Decision:
    """Whether a candidate becomes production, and why."""

    promote: bool
    reason: str
    min_delta: float


@dataclass(frozen=True)
class Conclusion:
    """The file that describes the last training."""

    last_training: str


# Drift ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CurrentSnapshot:
    """The newest weekly snapshot and the weeks before it: the files of their features, in the artifact store."""

    snapshot: date
    weeks: tuple[date, ...]
    frame: str
    reference: tuple[str, ...]


@dataclass(frozen=True)
class NotedDrift:
    """Whether the snapshot drifted, which columns did, and where the report is: ``key`` in the bucket, if any."""

    drift_detected: bool
    drift_share: float
    drifted: tuple[str, ...]
    path: str
    key: str | None


@dataclass(frozen=True)
class DriftReport(NotedDrift):
    """What Evidently found.

    Attributes:
        left_out: why a column was not compared, by column.
        stand_in: whether the snapshot was compared with itself and noise, for want of a week before it.
    """

    left_out: dict[str, str]
    columns_compared: int
    stand_in: bool


# The weekly models ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weeks:
    """What a stage made of weekly snapshots, oldest first."""

    snapshots: tuple[date, ...]


@dataclass(frozen=True)
class WeeklyFeatures(Weeks):
    """Rows of ``features.churn_weekly_features``, how many have a label, and how many of those churned."""

    rows: int
    labelled: int
    churned: int

    @staticmethod
    def sum(weeks: Sequence[WeeklyFeatures]) -> WeeklyFeatures:
        return WeeklyFeatures(
            snapshots_of(weeks), sum(week.rows for week in weeks), sum(week.labelled for week in weeks),
            sum(week.churned for week in weeks),
        )  # fmt: skip


@dataclass(frozen=True)
class Scores(Weeks):
    """Customers whose scores are in ``ops.churn_scoring``, by which version of churn-logreg."""

    scored: int
    predicted_to_churn: int
    version: str

    @staticmethod
    def sum(weeks: Sequence[Scores]) -> Scores:
        return Scores(
            snapshots_of(weeks), sum(week.scored for week in weeks), sum(week.predicted_to_churn for week in weeks),
            weeks[-1].version,
        )  # fmt: skip


def snapshots_of(weeks: Sequence[Weeks]) -> tuple[date, ...]:
    """The snapshots of several results, in their order."""
    return tuple(snapshot for week in weeks for snapshot in week.snapshots)
