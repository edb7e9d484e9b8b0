"""The churn flow: the stages of its three models of work, and the tasks that a user types. Wiring only."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pipelines.churn.results import (
    CleanTables,
    Conclusion,
    CurrentSnapshot,
    Dataset,
    Decision,
    DriftReport,
    Evaluation,
    FileChanges,
    NotedDrift,
    Scores,
    Trained,
    TrainedLogreg,
    TrainedModel,
    WeeklyFeatures,
    Weeks,
)
from pipelines.core import results
from pipelines.core.errors import UsageError
from pipelines.core.parameters import WholeNumber
from pipelines.core.results import Nothing, Notified
from pipelines.core.run import Environment, Run, Versions
from pipelines.core.stage import FlowTask, Goal, Root, Stage, digest, seconds_by_stage

if TYPE_CHECKING:
    from pipelines.churn.generated_files import Destination
    from pipelines.churn.report import Part
    from pipelines.services.artifacts import Place
    from pipelines.services.settings import Settings
    from pipelines.services.warehouse import Connection

MOST_WEEKS = 1040  # that one command does

R = TypeVar("R")
T = TypeVar("T", bound=Trained)
W = TypeVar("W", bound=Weeks)


def _settings() -> Settings:
    from pipelines.services.settings import settings

    return settings()


class ChurnTask(FlowTask):
    """What the tasks of the flow share: where its files are, and the clean tables that all begin with."""

    flow = "churn"

    @classmethod
    def environment(cls) -> Environment:
        from pipelines.services.environment import Services

        return Services()

    def check(self) -> None:
        from pipelines.churn import generated_files

        if self.date.year < 1000:
            raise UsageError(f"--date {self.date}: write a year of four digits.")
        generated_files.are_missing(self.flow_run.reader(), self.destination())

    def files(self) -> Place:
        """Where the CSV files are."""
        from pipelines.services.artifacts import place

        return place(_settings().churn_data_root, "churn_data")

    def destination(self) -> Destination:
        """Where the CSV files are to be, if there are none yet."""
        from pipelines.churn.generated_files import Destination

        is_named = _settings().churn_data_root is not None
        return Destination(self.files(), is_named, _settings().churn_users, self.sibling(CleanRawSources).address)

    def store(self) -> Place:
        """Where files of the flow go."""
        from pipelines.services.artifacts import store

        return store()

    def clean(self) -> CleanTables:
        """The result of cleaning the files."""
        return self.result_of(CleanRawSources)

    def last_day(self) -> date:
        """The last day with payments; the run date where no payments were read yet."""
        cleaned = self.sibling(CleanRawSources).materialization()
        return cleaned.result.last_day if cleaned else self.date

    def snapshot(self) -> date:
        from pipelines.churn.features import snapshot_of

        return snapshot_of(self.date, self.last_day())

    def week(self) -> date:
        from pipelines.churn.features import week_of

        return week_of(self.date, self.last_day())

    def frame_version(self) -> str:
        """The version of the code that computes features, and of their declaration."""
        from pipelines.churn.declaration import DECIDING

        return digest([self.flow_run.code_of("pipelines.churn.features.frame", []).digest, DECIDING])


class ChurnStage(ChurnTask, Stage[R]):
    """A stage of the flow; its key is its snapshot."""

    @property
    def key(self) -> str:
        return str(self.snapshot())

    def exists(self, connection: Connection) -> bool:
        return all(stage.exists(connection) for stage in self.requires())


class FileStage(ChurnStage[R]):
    """A stage that reads the CSV files; where there are none, it generates them first."""

    def prepare(self, run: Run) -> None:
        from pipelines.churn.generated_files import generate_missing

        with run.environment.explained(self.stage):
            generate_missing(run.connection, run.id, self.destination())

    def hashes(self, run: Run, connection: Connection) -> dict[str, str]:
        """SHA-256 by file; empty where files are yet to be generated."""
        from pipelines.churn import generated_files, sources

        if generated_files.are_missing(connection, self.destination()):
            return {}
        return sources.hashes(connection, self.files(), may_read=run.has_begun)


class FeatureStage(ChurnStage[R]):
    """A stage that computes features."""

    def parameters(self) -> dict[str, Any]:
        return {"features": self.frame_version()}


# The clean tables -------------------------------------------------------------------------------------------------


class CleanRawSources(FileStage[CleanTables]):
    """The files are read: typed tables as Parquet, and an account of every value."""

    stage = "clean_raw_sources"

    @property
    def key(self) -> str:
        return self.files().url

    def parameters(self) -> dict[str, Any]:
        return {"max_bad_share": _settings().churn_max_bad_share, "store": self.store().url}

    def sources(self, run: Run, connection: Connection) -> Versions:
        return self.hashes(run, connection)

    def exists(self, connection: Connection) -> bool:  # noqa: ARG002
        from pipelines.churn.cleaning import TABLES

        return all(self.store().exists(f"{self.clean().folder}/{table}.parquet") for table in TABLES)

    def work(self, run: Run, tx: Connection) -> CleanTables:
        from pipelines.churn.lifecycle import clean_files

        folder, max_bad_share = f"clean/{self.fingerprint()[:16]}", _settings().churn_max_bad_share
        return clean_files(tx, self.files(), self.source_versions(), self.store(), folder, run.today, max_bad_share)


# Training churn-model ---------------------------------------------------------------------------------------------


class FeatureEngineering(FeatureStage[Dataset]):
    """Features before the cutoff, labels after it, and the weeks before as reference."""

    stage = "feature_engineering"
    after = (CleanRawSources,)

    def exists(self, connection: Connection) -> bool:
        left = self.result()
        return super().exists(connection) and all(map(self.store().exists, [left.dataset, *left.reference]))

    def work(self, run: Run, tx: Connection) -> Dataset:  # noqa: ARG002
        from pipelines.churn.lifecycle import build_dataset

        return build_dataset(self.store(), self.clean(), self.frame_version(), self.snapshot(), self.fingerprint())


class TrainingStage(ChurnStage[T]):
    """A stage that leaves a version of a model, made by a run of MLflow."""

    def version(self) -> str | None:
        """The version of the model; None where there is none yet. Training again leaves another version."""
        trained = self.materialization()
        return trained.result.version if trained else None

    def exists(self, connection: Connection) -> bool:
        from pipelines.services import tracking

        return super().exists(connection) and tracking.run_is_there(self.result().run_id)

    def forget(self, connection: Connection) -> None:
        from pipelines.churn.lifecycle import let_train_again

        if trained := self.materialization():
            let_train_again(trained.result.run_id)
        super().forget(connection)


class TrainSparkModel(TrainingStage[TrainedModel]):
    """The best model of the grid is a version of churn-model, with metrics, plots, explanation and drift."""

    stage = "train_spark_model"
    after = (FeatureEngineering,)

    def parameters(self) -> dict[str, Any]:
        chosen = _settings()
        return {
            "reg_params": chosen.churn_reg_params, "elastic_net_params": chosen.churn_elastic_net_params,
            "drift_sample": chosen.churn_drift_sample, "tracking": chosen.mlflow_tracking_uri,
        }  # fmt: skip

    def work(self, run: Run, tx: Connection) -> TrainedModel:  # noqa: ARG002
        from pipelines.churn.lifecycle import train

        dataset, hashes = self.result_of(FeatureEngineering), self.clean().sources
        return train(self.store(), dataset, hashes, self.fingerprint(), _settings())


class EvaluateCandidate(ChurnStage[Evaluation]):
    """Candidate and production are evaluated on the same customers."""

    stage = "evaluate_candidate"
    after = (TrainSparkModel,)

    def parameters(self) -> dict[str, Any]:
        return {"candidate": self.sibling(TrainSparkModel).version()}

    def work(self, run: Run, tx: Connection) -> Evaluation:  # noqa: ARG002
        from pipelines.churn.lifecycle import evaluate

        return evaluate(self.store(), self.result_of(FeatureEngineering), self.result_of(TrainSparkModel))


class DecidePromotion(ChurnStage[Decision]):
    """The branch: promote or skip, and why."""

    stage = "decide_promotion"
    after = (EvaluateCandidate,)

    def parameters(self) -> dict[str, Any]:
        return {"min_delta": _settings().churn_promotion_min_delta}

    def work(self, run: Run, tx: Connection) -> Decision:  # noqa: ARG002
        from pipelines.churn.lifecycle import decide
        from pipelines.churn.registry import CHURN_MODEL

        for branch in (PromoteModel, SkipPromotion):
            self.sibling(branch).forget(tx)  # what followed an earlier decision has not followed this one
        return decide(CHURN_MODEL, self.result_of(EvaluateCandidate), _settings().churn_promotion_min_delta)


class Branch(ChurnStage[Conclusion]):
    """One of the two ways after the decision; the other one has nothing to do."""

    after = (DecidePromotion,)
    promotes: ClassVar[bool]

    def should_run(self) -> bool:
        decided = self.sibling(DecidePromotion).materialization()
        return decided is not None and decided.result.promote is self.promotes

    def conclude(self) -> Conclusion:
        """Writes the results of the training to ``last_training.json``."""
        from pipelines.churn.lifecycle import conclude

        return conclude(
            self.store(), self.clean().sources, self.result_of(FeatureEngineering), self.result_of(TrainSparkModel),
            self.result_of(EvaluateCandidate), self.result_of(DecidePromotion),
        )  # fmt: skip


class PromoteModel(Branch):
    """The candidate is production; the version before it is one command away."""

    stage = "promote_model"
    makes = ("churn-model",)
    promotes = True

    def work(self, run: Run, tx: Connection) -> Conclusion:  # noqa: ARG002
        from pipelines.churn.lifecycle import promote

        promote(self.result_of(EvaluateCandidate))
        return self.conclude()


class SkipPromotion(Branch):
    """Production stays."""

    stage = "skip_promotion"
    promotes = False

    def work(self, run: Run, tx: Connection) -> Conclusion:  # noqa: ARG002
        return self.conclude()


class NotifyTraining(ChurnStage[Notified]):
    """The channels of NOTIFY_URLS have the decision."""

    stage = "notify_success"
    after = (PromoteModel, SkipPromotion)

    def inputs(self) -> list[Stage[Any]]:
        return [self.sibling(DecidePromotion)]

    def work(self, run: Run, tx: Connection) -> Notified:  # noqa: ARG002
        from pipelines.services import notifications

        decision, version = self.result_of(DecidePromotion), self.result_of(TrainSparkModel).version
        outcome = "promoted" if decision.promote else "not promoted"
        title = f"churn-model version {version} of {self.snapshot()}: {outcome}"
        return Notified(notifications.send(title, decision.reason))


# Drift ------------------------------------------------------------------------------------------------------------


class WeekStage(ChurnStage[R]):
    """A stage whose key is its weekly snapshot."""

    @property
    def key(self) -> str:
        return str(self.week())


class BuildCurrentSnapshot(WeekStage[CurrentSnapshot], FileStage[CurrentSnapshot], FeatureStage[CurrentSnapshot]):
    """The newest weekly snapshot, and those of the weeks before it."""

    stage = "build_current_snapshot"

    def inputs(self) -> list[Stage[Any]]:
        return [self.sibling(CleanRawSources)]

    def exists(self, connection: Connection) -> bool:  # noqa: ARG002
        left = self.result()
        return all(map(self.store().exists, [left.frame, *left.reference]))

    def work(self, run: Run, tx: Connection) -> CurrentSnapshot:  # noqa: ARG002
        from pipelines.churn.lifecycle import build_current_snapshot

        self.sibling(CleanRawSources).execute_within(tx)
        return build_current_snapshot(self.store(), self.clean(), self.frame_version(), self.week())


class RunDriftReport(WeekStage[DriftReport]):
    """Evidently has compared them; the report is a page."""

    stage = "run_drift_report"
    after = (BuildCurrentSnapshot,)
    makes = ("drift-report",)

    def parameters(self) -> dict[str, Any]:
        return {"sample": _settings().churn_drift_sample}

    def exists(self, connection: Connection) -> bool:
        from pathlib import Path

        return super().exists(connection) and Path(self.result().path).is_file()

    def work(self, run: Run, tx: Connection) -> DriftReport:  # noqa: ARG002
        from pipelines.churn.lifecycle import report_drift

        return report_drift(self.store(), self.result_of(BuildCurrentSnapshot), _settings())


class LogDriftResult(WeekStage[NotedDrift]):
    """The result is a row of ``ops.churn_drift``."""

    stage = "log_drift_result"
    after = (RunDriftReport,)

    def work(self, run: Run, tx: Connection) -> NotedDrift:  # noqa: ARG002
        from pipelines.churn.lifecycle import note_drift

        return note_drift(tx, self.week(), self.result_of(RunDriftReport))


# The weekly models ------------------------------------------------------------------------------------------------


class WeeklyTask(ChurnTask):
    """A weekly snapshot, and as many before it as are asked for."""

    weeks = WholeNumber("--weeks", MOST_WEEKS, default=1, description="weekly snapshots, the last one that of --date")

    def snapshots(self) -> list[date]:
        """Oldest first. The last one is the week of the date; those before it are Sundays."""
        from pipelines.churn.features import sundays

        last = self.week()
        return [*sundays(last - timedelta(days=1), self.weeks - 1), last] if self.weeks > 1 else [last]


class WeeklyStage(WeeklyTask, ChurnStage[W]):
    """A stage with a materialization for each week, however many are asked for: a later run may replace one of them."""

    @property
    def key(self) -> str:
        return str(self.week()) if self.weeks == 1 else f"{self.week()}, {self.weeks} weeks"

    def has_rows(self, connection: Connection, week: W) -> bool:
        """Whether the rows that a week's result describes are there."""
        raise NotImplementedError

    def exists(self, connection: Connection) -> bool:
        weeks = (self.one_week(snapshot) for snapshot in self.result().snapshots)
        return super().exists(connection) and all(week.current(connection) is not None for week in weeks)

    def one_week(self, snapshot: date) -> WeeklyStage[W]:
        """The same stage for one week."""
        return self.sibling(type(self), date=snapshot, weeks=1)

    def current(self, connection: Connection) -> W | None:
        """The result of this one week; None where it is stale, or its rows are gone."""
        left = self.materialization()
        if left is None or left.fingerprint != self.fingerprint() or not self.has_rows(connection, left.result):
            return None
        return left.result

    def week_by_week(self, tx: Connection, build: Callable[[WeeklyStage[W]], W]) -> list[W]:
        """The results of the weeks, oldest first; those that are not current are built, and materialized each.

        Raises:
            NoCohort: nobody paid before any of them.
        """
        from pipelines.churn.features import NoCohort

        if self.weeks == 1:
            return [build(self)]
        found: list[W] = []
        for snapshot in (day for day in self.snapshots() if day > self.clean().first_day):
            week, started = self.one_week(snapshot), time.monotonic()
            result = week.current(tx)
            if result is None:
                try:
                    result = build(week)
                except NoCohort:
                    continue
                week.materialize(tx, result, time.monotonic() - started)
            found.append(result)
        if not found:
            raise NoCohort(f"None of the {self.weeks} weeks up to {self.week()} has a customer who paid before it.")
        return found

    def forget(self, connection: Connection) -> None:
        left = self.materialization()
        for snapshot in left.result.snapshots if left else ():
            results.forget(connection, self.one_week(snapshot).address)
        super().forget(connection)


class BuildWeeklyFeatures(WeeklyStage[WeeklyFeatures], FeatureStage[WeeklyFeatures]):
    """The snapshots' rows of ``features.churn_weekly_features`` are what the files say."""

    stage = "build_weekly_features"
    after = (CleanRawSources,)
    makes = ("features.churn_weekly_features",)

    def has_rows(self, connection: Connection, week: WeeklyFeatures) -> bool:
        from pipelines.churn.weekly import are_there

        return are_there(connection, week.snapshots)

    def work(self, run: Run, tx: Connection) -> WeeklyFeatures:  # noqa: ARG002
        from pipelines.churn import weekly

        store, clean, version = self.store(), self.clean(), self.frame_version()

        def build(stage: WeeklyStage[WeeklyFeatures]) -> WeeklyFeatures:
            return weekly.build(tx, store, clean, version, stage.week())

        return WeeklyFeatures.sum(self.week_by_week(tx, build))


class LogregStage(ChurnStage[R]):
    """A stage of churn-logreg's training; its key is the last week and how many there are."""

    lookback_weeks = WholeNumber(
        "--lookback-weeks", MOST_WEEKS, default=None,
        description="weekly snapshots to train on; default: CHURN_LOOKBACK_WEEKS",
    )  # fmt: skip

    @classmethod
    def default_of(cls, name: str) -> Any:
        return _settings().churn_lookback_weeks if name == "lookback_weeks" else super().default_of(name)

    @property
    def key(self) -> str:
        return f"{self.last_sunday()}, {self.lookback_weeks} weeks"

    def last_sunday(self) -> date:
        from pipelines.churn.features import sundays

        return sundays(self.snapshot(), 1)[0]


class TrainLogreg(LogregStage[TrainedLogreg], TrainingStage[TrainedLogreg]):
    """A version of churn-logreg, trained on the weekly snapshots that PostgreSQL holds."""

    stage = "train_logreg"
    after = (BuildWeeklyFeatures,)

    def requires(self) -> list[Stage[Any]]:
        return [self.weekly()]

    def weekly(self) -> BuildWeeklyFeatures:
        """As many weeks as are to be trained on, and those that have no label yet where EVALUATE does not give it."""
        from pipelines.churn.features import CHURN_WEEKS
        from pipelines.churn.sources import EVALUATE

        unlabelled = 0 if self.files().exists(EVALUATE.file) else CHURN_WEEKS
        return self.sibling(BuildWeeklyFeatures, date=self.last_sunday(), weeks=self.lookback_weeks + unlabelled)

    def parameters(self) -> dict[str, Any]:
        return {"tracking": _settings().mlflow_tracking_uri}

    def work(self, run: Run, tx: Connection) -> TrainedLogreg:  # noqa: ARG002
        from pipelines.churn.lifecycle import train_logreg

        return train_logreg(tx, self.weekly().result().snapshots, self.lookback_weeks, self.fingerprint())


class PromoteLogreg(LogregStage[Decision]):
    """It is production if it is better, by the same rule."""

    stage = "promote_logreg"
    after = (TrainLogreg,)
    makes = ("churn-logreg",)

    def parameters(self) -> dict[str, Any]:
        candidate = self.sibling(TrainLogreg).version()
        return {"min_delta": _settings().churn_promotion_min_delta, "candidate": candidate}

    def work(self, run: Run, tx: Connection) -> Decision:  # noqa: ARG002
        from pipelines.churn.lifecycle import promote_logreg

        return promote_logreg(self.result_of(TrainLogreg), _settings().churn_promotion_min_delta)


class ScoreCohort(WeeklyStage[Scores]):
    """The cohorts' scores by production churn-logreg are in ``ops.churn_scoring``."""

    stage = "score_cohort"
    after = (BuildWeeklyFeatures,)
    makes = ("ops.churn_scoring",)

    def sources(self, run: Run, connection: Connection) -> Versions:  # noqa: ARG002
        from pipelines.churn import registry
        from pipelines.services import tracking

        return {"production": tracking.version_of(registry.CHURN_LOGREG, registry.PRODUCTION)}

    def has_rows(self, connection: Connection, week: Scores) -> bool:
        from pipelines.churn.scoring import are_there

        return are_there(connection, week.snapshots, week.version)

    def snapshots(self) -> list[date]:
        return list(self.result_of(BuildWeeklyFeatures).snapshots)

    def work(self, run: Run, tx: Connection) -> Scores:  # noqa: ARG002
        from pipelines.churn import registry, scoring

        def score(stage: WeeklyStage[Scores]) -> Scores:
            version = stage.source_versions()["production"] or registry.to_score_with()
            return scoring.score_cohort(tx, stage.week(), version)

        return Scores.sum(self.week_by_week(tx, score))


# The watchdog -----------------------------------------------------------------------------------------------------


class DetectCsvChanges(FileStage[FileChanges]):
    """Which of the files changed since the watchdog saw them last."""

    stage = "detect_csv_changes"

    @property
    def key(self) -> str:
        return self.files().url

    def sources(self, run: Run, connection: Connection) -> Versions:
        from pipelines.churn import watchdog

        return {"now": self.hashes(run, connection), "before": watchdog.remembered(self.store())}

    def work(self, run: Run, tx: Connection) -> FileChanges:  # noqa: ARG002
        from pipelines.churn import watchdog

        seen = self.source_versions()
        return watchdog.look(self.files(), seen["before"], seen["now"])


class EmitDatasetUpdate(ChurnStage[Nothing]):
    """Whoever waits for new files is notified, and the files are remembered as seen."""

    stage = "emit_dataset_update"
    after = (DetectCsvChanges,)
    makes = ("PAYMENTS.csv", "ACTIVE_USER.csv", "DEMOGRAFICOS.csv", "DINERO_CUENTA.csv", "MARKETPLACE_DATA.csv")

    @property
    def key(self) -> str:
        return self.files().url

    def should_run(self) -> bool:
        found = self.sibling(DetectCsvChanges).materialization()
        return found is not None and bool(found.result.changed)

    def exists(self, connection: Connection) -> bool:  # noqa: ARG002
        from pipelines.churn import watchdog

        return watchdog.remembered(self.store()) == self.result_of(DetectCsvChanges).now

    def work(self, run: Run, tx: Connection) -> Nothing:  # noqa: ARG002
        from pipelines.churn import report

        if not self.quiet:
            report.show_changes(self.files(), self.result_of(DetectCsvChanges))
        return Nothing()

    def afterwards(self) -> None:
        from pipelines.churn import watchdog

        watchdog.remember(self.store(), self.result_of(DetectCsvChanges).now)

    def describe(self, dataset: str) -> dict[str, Any]:
        found = self.result_of(DetectCsvChanges)
        return {"file": self.files().at(dataset), "sha256": found.now[dataset], "rows": found.rows[dataset]}


# What a user types ------------------------------------------------------------------------------------------------


def seconds_of(root: Root) -> dict[str, float]:
    """Seconds of the stages that worked in the root's run, in order."""
    seconds = seconds_by_stage(root.flow_run)
    return {
        stage.stage: seconds[stage.stage, stage.key]
        for stage in root.stages()
        if (stage.stage, stage.key) in seconds and stage.should_run()
    }


def cleaned_by(task: ChurnTask) -> CleanTables | None:
    """The clean tables, if the task's run made them."""
    cleaning = task.sibling(CleanRawSources)
    return cleaning.result() if (cleaning.stage, cleaning.key) in seconds_by_stage(task.flow_run) else None


class ChurnRoot(ChurnTask, Goal):
    """A task that a user types: the stages up to its last one, then a report."""

    def part(self) -> Part:
        """The results of its stages."""
        raise NotImplementedError

    def report(self) -> None:
        from pipelines.churn.report import show_run

        show_run(f"{type(self).__name__} of {self.date}", self.part(), cleaned_by(self), seconds_of(self))


class ChurnTraining(ChurnRoot):
    """Trains churn-model on the newest snapshot and promotes it if it is better."""

    last = NotifyTraining

    def check(self) -> None:
        from pipelines.services import notifications

        super().check()
        notifications.check()

    def part(self) -> Part:
        from pipelines.churn.report import TrainingPart

        return TrainingPart(
            self.result_of(FeatureEngineering), self.result_of(TrainSparkModel), self.result_of(EvaluateCandidate),
            self.result_of(DecidePromotion),
        )  # fmt: skip


class ChurnDriftReport(ChurnRoot):
    """Compares the current snapshot with the weeks before it."""

    last = LogDriftResult

    def part(self) -> Part:
        from pipelines.churn.report import DriftPart

        return DriftPart(self.result_of(BuildCurrentSnapshot), self.result_of(RunDriftReport))


class ChurnFeatureStore(WeeklyTask, ChurnRoot):
    """Loads the features of a week, or of --weeks of them, into PostgreSQL."""

    last = BuildWeeklyFeatures

    def part(self) -> Part:
        from pipelines.churn.report import FeaturesPart

        return FeaturesPart(self.result_of(BuildWeeklyFeatures))


class ChurnLogregTraining(ChurnRoot):
    """Trains churn-logreg on the last weekly snapshots and promotes it if it is better."""

    last = PromoteLogreg
    lookback_weeks = LogregStage.lookback_weeks

    @classmethod
    def default_of(cls, name: str) -> Any:
        return LogregStage.default_of(name)

    def part(self) -> Part:
        from pipelines.churn.report import LogregPart

        return LogregPart(self.result_of(TrainLogreg), self.result_of(PromoteLogreg))


class ChurnBatchScore(WeeklyTask, ChurnRoot):
    """Scores the week's cohort, or those of --weeks, by production churn-logreg."""

    last = ScoreCohort

    def check(self) -> None:
        from pipelines.churn import registry

        registry.to_score_with()  # before any work for it is begun
        super().check()

    def part(self) -> Part:
        from pipelines.churn.report import ScoresPart

        return ScoresPart(self.result_of(ScoreCohort))


class ChurnWatchdog(ChurnTask, Goal):
    """Detects which of the files changed since it saw them last."""

    last = EmitDatasetUpdate

    def report(self) -> None:
        from pipelines.churn.report import show_unchanged

        if not self.sibling(EmitDatasetUpdate).should_run():
            show_unchanged(self.files())


class Churn(ChurnTask, Root):
    """The whole life of the models: training, drift, feature store, churn-logreg, scores; ends with one table."""

    PARTS: ClassVar[tuple[type[ChurnRoot], ...]] = (
        ChurnTraining, ChurnDriftReport, ChurnFeatureStore, ChurnLogregTraining, ChurnBatchScore,
    )  # fmt: skip

    def roots(self) -> list[ChurnRoot]:
        return [self.sibling(part) for part in self.PARTS]

    def stages(self) -> list[Stage[Any]]:
        return list(dict.fromkeys(stage for root in self.roots() for stage in root.stages()))

    def report(self) -> None:
        from pipelines.churn.report import show_life

        parts = [root.part() for root in self.roots()]
        show_life(f"Churn of {self.date}", parts, cleaned_by(self), has_worked=bool(seconds_of(self)))
