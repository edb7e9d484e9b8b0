"""The churn flow: the stages of its three models of work, and the tasks that a user types. Wiring only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pipelines.core.errors import PipelineError, UsageError
from pipelines.core.stage import FlowTask, Goal, Root, Stage, Versions, WholeNumber, digest, text_version
from pipelines.core.targets import Details, RecordTarget
from pipelines.services import console

if TYPE_CHECKING:
    from pipelines.services.artifacts import Place
    from pipelines.services.settings import Settings
    from pipelines.services.warehouse import Connection

REFERENCE_WEEKS = 8  # snapshots before the current one that drift is measured against
MOST_WEEKS = 1040  # that one command does
KEPT = 3  # generations of clean tables, with what was made of them
FEATURE_CODE = ("pipelines/churn/features.py", "sql/churn/features.sql")


def _settings() -> Settings:
    from pipelines.services.settings import settings

    return settings()


class ChurnTask(FlowTask):
    """What the tasks of the flow share: where its files are, and the clean tables that all begin with."""

    flow = "churn"

    def check(self) -> None:
        from pipelines.churn import lifecycle

        if self.date.year < 1000:
            raise UsageError(f"--date {self.date}: write a year of four digits.")
        _settings().make_home()
        lifecycle.generate_if_empty(self.files(), _settings(), CleanRawSources.stage)

    def files(self) -> Place:
        """Where the CSV files are."""
        from pipelines.services.artifacts import place

        return place(_settings().churn_data_root, "churn_data")

    def store(self) -> Place:
        """Where files of the flow go."""
        from pipelines.services.artifacts import store

        return store()

    def clean(self) -> Details:
        """What the clean tables are: folder, days, counts."""
        return self.details_of(CleanRawSources)

    def last_day(self) -> date:
        """The last day of which the payments tell; before they were read, the run's date."""
        record = self.sibling(CleanRawSources).record()
        return date.fromisoformat(record.details["last_day"]) if record else self.date

    def snapshot(self) -> date:
        from pipelines.churn.features import snapshot_of

        return snapshot_of(self.date, self.last_day())

    def week(self) -> date:
        from pipelines.churn.features import week_of

        return week_of(self.date, self.last_day())

    def frame_version(self) -> str:
        """Of the code that computes features, and of their declaration."""
        from pipelines.churn.declaration import DECIDING

        return digest([text_version(FEATURE_CODE), DECIDING])

    def details_of(self, stage: type[ChurnStage]) -> Details:
        """What a stage of the same parameters has left."""
        return self.sibling(stage).details()


class ChurnStage(ChurnTask, Stage):
    """A stage of the flow; its key is its snapshot."""

    @property
    def key(self) -> str:
        return str(self.snapshot())

    def still_there(self) -> bool:
        return all(stage.still_there() for stage in self.requires())


class FeatureStage(ChurnStage):
    """A stage that computes features."""

    def decided_by(self) -> dict[str, Any]:
        return {"features": self.frame_version()}


# The clean tables -------------------------------------------------------------------------------------------------


class CleanRawSources(ChurnStage):
    """The files are read: typed tables as Parquet, and an account of every value."""

    stage = "clean_raw_sources"
    code = (
        "pipelines/churn/sources.py", "pipelines/churn/cleaning.py", "sql/churn/values.sql", "sql/churn/users.sql",
        "sql/churn/visits.sql", "sql/churn/balances.sql", "sql/churn/evaluate.sql", "sql/churn/no_evaluate.sql",
        "sql/churn/write_parquet.sql",
    )  # fmt: skip

    @property
    def key(self) -> str:
        return self.files().url

    def decided_by(self) -> dict[str, Any]:
        return {"max_bad_share": _settings().churn_max_bad_share, "store": self.store().url}

    def sources(self, tx: Connection) -> Versions:
        from pipelines.churn.sources import hashes

        return hashes(tx, self.files())

    def still_there(self) -> bool:
        from pipelines.churn.cleaning import TABLES

        return all(self.store().exists(f"{self.clean()['folder']}/{table}.parquet") for table in TABLES)

    def work(self, tx: Connection) -> Details:
        from pipelines.churn.cleaning import clean
        from pipelines.churn.sources import hashes

        seen = self._source_versions()
        folder = f"clean/{self.fingerprint()[:16]}"
        told = clean(
            self.files(), list(seen), self.store(), folder, _settings().today(), _settings().churn_max_bad_share
        )
        if hashes(tx, self.files()) != seen:
            raise PipelineError(
                f"{self.files().url}: a file changed while it was read. Run again when the files are whole."
            )
        self.store().keep_newest("clean", KEPT)
        return {**told, "sources": seen}


# Training churn-model ---------------------------------------------------------------------------------------------


class FeatureEngineering(FeatureStage):
    """Features before the cutoff, labels after it, and the weeks before as reference."""

    stage = "feature_engineering"
    after = (CleanRawSources,)
    code = (*FEATURE_CODE, "sql/churn/active.sql", "sql/churn/label_training.sql")

    def still_there(self) -> bool:
        made = self.details()
        return super().still_there() and all(map(self.store().exists, [made["dataset"], *made["reference"]]))

    def work(self, tx: Connection) -> Details:  # noqa: ARG002
        from pipelines.churn import features, training

        clean, snapshot = self.clean(), self.snapshot()
        cutoff = snapshot - timedelta(days=features.LABEL_DAYS)
        frame = features.frame(self.store(), clean, self.frame_version(), cutoff)
        customers = features.read(self.store(), frame)
        features.require_cohort(customers.num_rows, cutoff, clean)
        with features.engine(self.store(), clean["folder"]) as ask:
            active = ask("active", {"cutoff": cutoff, "until": snapshot})
        name = f"{clean['folder']}/churn_features-{self.fingerprint()[:12]}.parquet"
        counts = training.dataset(self.store(), name, customers, active)
        weeks = features.weeks_before(cutoff, REFERENCE_WEEKS, date.fromisoformat(clean["first_day"]))
        reference = [features.frame(self.store(), clean, self.frame_version(), week) for week in weeks]
        return {
            **counts, "snapshot": str(snapshot), "cutoff": str(cutoff), "dataset": name, "frame": frame,
            "reference": reference,
        }  # fmt: skip


class TrainingStage(ChurnStage):
    """A stage that leaves a version of a model, made by a run of MLflow."""

    def version(self) -> str | None:
        """That of the model; None where there is none yet. A training that is done anew leaves another one."""
        record = self.record()
        return record.details["version"] if record else None

    def still_there(self) -> bool:
        from pipelines.services import tracking

        return super().still_there() and tracking.run_is_there(self.details()["run_id"])

    def forget(self) -> None:
        from pipelines.churn import lifecycle

        lifecycle.let_train_again(self.record())
        super().forget()


class TrainSparkModel(TrainingStage):
    """The best of the grid is a version of churn-model, with all that is known of it."""

    stage = "train_spark_model"
    after = (FeatureEngineering,)
    code = (
        "pipelines/churn/training.py", "pipelines/churn/linear_model.py", "pipelines/churn/contributions.py",
        "pipelines/churn/explain.py", "pipelines/churn/drift.py", "pipelines/churn/lifecycle.py",
    )  # fmt: skip

    def decided_by(self) -> dict[str, Any]:
        chosen = _settings()
        return {
            "reg_params": chosen.churn_reg_params, "elastic_net_params": chosen.churn_elastic_net_params,
            "drift_sample": chosen.churn_drift_sample, "tracking": chosen.mlflow_tracking_uri,
        }  # fmt: skip

    def work(self, tx: Connection) -> Details:  # noqa: ARG002
        from pipelines.churn import lifecycle

        made = self.details_of(FeatureEngineering)
        return lifecycle.train(self.store(), made, self.clean()["sources"], self.fingerprint(), _settings())


class EvaluateCandidate(ChurnStage):
    """Candidate and production are judged on the same customers."""

    stage = "evaluate_candidate"
    after = (TrainSparkModel,)
    code = ("pipelines/churn/lifecycle.py",)

    def decided_by(self) -> dict[str, Any]:
        return {"candidate": self.sibling(TrainSparkModel).version()}

    def work(self, tx: Connection) -> Details:  # noqa: ARG002
        from pipelines.churn import lifecycle

        return lifecycle.evaluate(self.store(), self.details_of(FeatureEngineering), self.details_of(TrainSparkModel))


class DecidePromotion(ChurnStage):
    """The branch: promote or skip, and why."""

    stage = "decide_promotion"
    after = (EvaluateCandidate,)
    code = ("pipelines/churn/registry.py",)

    def decided_by(self) -> dict[str, Any]:
        return {"min_delta": _settings().churn_promotion_min_delta}

    def work(self, tx: Connection) -> Details:  # noqa: ARG002
        from pipelines.churn import lifecycle, registry

        for branch in (PromoteModel, SkipPromotion):
            self.sibling(branch).output().forget()  # what followed an earlier decision is yet to follow this one
        judged = self.details_of(EvaluateCandidate)
        return lifecycle.decide(
            registry.CHURN_MODEL, judged["candidate_version"], judged, _settings().churn_promotion_min_delta
        )


class Branch(ChurnStage):
    """One of the two ways after the decision; the other one has nothing to do."""

    after = (DecidePromotion,)
    promotes: ClassVar[bool]

    def wanted(self) -> bool:
        decided = self.sibling(DecidePromotion).record()
        return decided is not None and decided.details["promote"] is self.promotes

    def conclude(self) -> Details:
        """Leave ``last_training.json``."""
        from pipelines.churn import lifecycle

        steps = (FeatureEngineering, TrainSparkModel, EvaluateCandidate, DecidePromotion)
        return lifecycle.conclude(self.store(), self.clean()["sources"], *map(self.details_of, steps))


class PromoteModel(Branch):
    """The candidate is production; the one that was is one command away."""

    stage = "promote_model"
    makes = ("churn-model",)
    promotes = True

    def work(self, tx: Connection) -> Details:  # noqa: ARG002
        from pipelines.churn import registry

        compared = self.details_of(EvaluateCandidate)
        registry.promote(registry.CHURN_MODEL, compared["candidate_version"], compared["production_version"])
        return self.conclude()


class SkipPromotion(Branch):
    """Production stays."""

    stage = "skip_promotion"
    promotes = False

    def work(self, tx: Connection) -> Details:  # noqa: ARG002
        return self.conclude()


class NotifyTraining(ChurnStage):
    """People know."""

    stage = "notify_success"
    after = (PromoteModel, SkipPromotion)

    @property
    def key(self) -> str:
        return str(self.snapshot())

    def inputs(self) -> list[Stage]:
        return [self.sibling(DecidePromotion)]

    def work(self, tx: Connection) -> Details:  # noqa: ARG002
        from pipelines.services import notifications

        decided = self.details_of(DecidePromotion)
        what = "promoted" if decided["promote"] else "not promoted"
        version = self.details_of(TrainSparkModel)["version"]
        return {
            "told": notifications.send(f"churn-model version {version} of {self.snapshot()}: {what}", decided["reason"])
        }


# Drift ------------------------------------------------------------------------------------------------------------


class BuildCurrentSnapshot(FeatureStage):
    """The newest weekly snapshot, and those of the weeks before it."""

    stage = "build_current_snapshot"
    code = FEATURE_CODE

    @property
    def key(self) -> str:
        return str(self.week())

    def inputs(self) -> list[Stage]:
        return [self.sibling(CleanRawSources)]

    def still_there(self) -> bool:
        made = self.details()
        return all(map(self.store().exists, [made["frame"], *made["reference"]]))

    def work(self, tx: Connection) -> Details:
        from pipelines.churn import features

        self.sibling(CleanRawSources).perform_within(tx)
        clean, week = self.clean(), self.week()
        weeks = features.weeks_before(week, REFERENCE_WEEKS, date.fromisoformat(clean["first_day"]))
        frame, *reference = (features.frame(self.store(), clean, self.frame_version(), day) for day in (week, *weeks))
        features.require_cohort(features.read(self.store(), frame, ["customer_id"]).num_rows, week, clean)
        return {"snapshot": str(week), "weeks": [str(day) for day in weeks], "frame": frame, "reference": reference}


class RunDriftReport(ChurnStage):
    """Evidently has compared them; the report is a page."""

    stage = "run_drift_report"
    after = (BuildCurrentSnapshot,)
    makes = ("drift-report",)
    code = ("pipelines/churn/drift.py", "pipelines/churn/lifecycle.py")

    @property
    def key(self) -> str:
        return str(self.week())

    def decided_by(self) -> dict[str, Any]:
        return {"sample": _settings().churn_drift_sample}

    def still_there(self) -> bool:
        from pathlib import Path

        return super().still_there() and Path(self.details()["path"]).is_file()

    def work(self, tx: Connection) -> Details:  # noqa: ARG002
        from pipelines.churn import lifecycle

        return lifecycle.report_drift(self.store(), self.details_of(BuildCurrentSnapshot), _settings())


class LogDriftResult(ChurnStage):
    """The result is a row of ``ops.churn_drift``."""

    stage = "log_drift_result"
    after = (RunDriftReport,)
    code = ("sql/churn/note_drift.sql",)

    @property
    def key(self) -> str:
        return str(self.week())

    def work(self, tx: Connection) -> Details:
        from pipelines.churn import lifecycle

        return lifecycle.note_drift(tx, self.week(), self.details_of(RunDriftReport))


# The weekly models ------------------------------------------------------------------------------------------------


class WeeklyTask(ChurnTask):
    """A weekly snapshot, and as many before it as are asked for."""

    weeks = WholeNumber("--weeks", MOST_WEEKS, default=1, description="weekly snapshots, the last one that of --date")

    def snapshots(self) -> list[date]:
        """Oldest first. The last one is the week of the date; those before it are Sundays."""
        from pipelines.churn.features import sundays

        last = self.week()
        return [*sundays(last - timedelta(days=1), self.weeks - 1), last] if self.weeks > 1 else [last]


class WeeklyStage(WeeklyTask, ChurnStage):
    """A stage whose weeks have a record each, however many are asked for: another run may replace one of them."""

    counts: ClassVar[tuple[str, ...]]  # of a week's record, those that add up

    @property
    def key(self) -> str:
        return str(self.week()) if self.weeks == 1 else f"{self.week()}, {self.weeks} weeks"

    def is_there(self, tx: Connection, week: Details) -> bool:
        """Whether the rows that a week's record speaks of are there."""
        raise NotImplementedError

    def do(self, tx: Connection, snapshot: date) -> Details:
        """Do one week, and tell what its record should."""
        raise NotImplementedError

    def done(self, tx: Connection, snapshot: date) -> Details | None:
        """What the record of a week tells, if the week was done on its inputs as they are now, and is there."""
        record = RecordTarget(self.flow, self.stage, str(snapshot)).read()
        if record is None or record.fingerprint != self._alone(snapshot).fingerprint():
            return None
        return record.details if self.is_there(tx, record.details) else None

    def still_there(self) -> bool:
        from pipelines.services import warehouse

        weeks = map(date.fromisoformat, self.details()["snapshots"])
        return super().still_there() and all(self.done(warehouse.connection(), week) is not None for week in weeks)

    def work(self, tx: Connection) -> Details:
        from pipelines.churn.features import NoCohort

        if self.weeks == 1:
            return self.do(tx, self.week())
        told: list[Details] = []
        first_day = date.fromisoformat(self.clean()["first_day"])
        for snapshot in (day for day in self.snapshots() if day > first_day):
            try:
                week = self.done(tx, snapshot) or self.do(tx, snapshot)
            except NoCohort:
                continue
            RecordTarget(self.flow, self.stage, str(snapshot)).write(tx, self._alone(snapshot).fingerprint(), week, 0)
            told.append(week)
        if not told:
            raise NoCohort(f"None of the {self.weeks} weeks up to {self.week()} has a customer who paid before it.")
        sums = {name: sum(week[name] for week in told) for name in self.counts}
        return {**told[-1], **sums, "snapshots": [day for week in told for day in week["snapshots"]]}

    def forget(self) -> None:
        record = self.record()
        for snapshot in record.details["snapshots"] if record else ():
            RecordTarget(self.flow, self.stage, snapshot).forget()
        super().forget()

    def _alone(self, snapshot: date) -> WeeklyStage:
        return self.sibling(type(self), date=snapshot, weeks=1)


class BuildWeeklyFeatures(WeeklyStage, FeatureStage):
    """The snapshots' rows of ``features.churn_weekly_features`` are what the files say."""

    stage = "build_weekly_features"
    after = (CleanRawSources,)
    makes = ("features.churn_weekly_features",)
    code = (
        *FEATURE_CODE, "pipelines/churn/weekly.py", "sql/churn/active.sql", "sql/churn/label_weekly.sql",
        "sql/churn/copy_features.sql", "sql/churn/forget_snapshot.sql",
    )  # fmt: skip
    counts = ("rows", "labelled", "churned")

    def is_there(self, tx: Connection, week: Details) -> bool:
        from pipelines.churn.weekly import are_there

        return are_there(tx, week["snapshots"])

    def do(self, tx: Connection, snapshot: date) -> Details:
        from pipelines.churn import weekly

        counts = weekly.build(tx, self.store(), self.clean(), self.frame_version(), snapshot)
        return {**counts, "snapshots": [str(snapshot)]}


class LogregStage(ChurnStage):
    """A stage of churn-logreg's training; its key is the last week and how many there are."""

    lookback_weeks = WholeNumber(
        "--lookback-weeks", MOST_WEEKS, default=None,
        description="weekly snapshots to train on; default: CHURN_LOOKBACK_WEEKS",
    )  # fmt: skip

    @classmethod
    def default_of(cls, name: str) -> Any:
        if name != "lookback_weeks":
            return super().default_of(name)
        with console.refusing():
            return _settings().churn_lookback_weeks

    @property
    def key(self) -> str:
        return f"{self.last_sunday()}, {self.lookback_weeks} weeks"

    def last_sunday(self) -> date:
        from pipelines.churn.features import sundays

        return sundays(self.snapshot(), 1)[0]


class TrainLogreg(LogregStage, TrainingStage):
    """A version of churn-logreg, trained on the weekly snapshots that PostgreSQL holds."""

    stage = "train_logreg"
    after = (BuildWeeklyFeatures,)
    code = (
        "pipelines/churn/logreg.py", "pipelines/churn/contributions.py", "pipelines/churn/explain.py",
        "pipelines/churn/lifecycle.py", "sql/churn/read_features.sql",
    )  # fmt: skip

    def requires(self) -> list[Stage]:
        return [self.weekly()]

    def weekly(self) -> BuildWeeklyFeatures:
        """As many weeks as are to be learnt from; and those that have no label yet, where only time will tell it."""
        from pipelines.churn.features import CHURN_WEEKS
        from pipelines.churn.sources import EVALUATE

        unlabelled = 0 if self.files().exists(EVALUATE.file) else CHURN_WEEKS
        return self.sibling(BuildWeeklyFeatures, date=self.last_sunday(), weeks=self.lookback_weeks + unlabelled)

    def decided_by(self) -> dict[str, Any]:
        return {"tracking": _settings().mlflow_tracking_uri}

    def work(self, tx: Connection) -> Details:
        from pipelines.churn import lifecycle

        snapshots = self.weekly().details()["snapshots"]
        return lifecycle.train_logreg(tx, snapshots, self.lookback_weeks, self.fingerprint())


class PromoteLogreg(LogregStage):
    """It is production if it is better, by the same rule."""

    stage = "promote_logreg"
    after = (TrainLogreg,)
    makes = ("churn-logreg",)
    code = ("pipelines/churn/registry.py", "pipelines/churn/lifecycle.py")

    def decided_by(self) -> dict[str, Any]:
        candidate = self.sibling(TrainLogreg).version()
        return {"min_delta": _settings().churn_promotion_min_delta, "candidate": candidate}

    def work(self, tx: Connection) -> Details:  # noqa: ARG002
        from pipelines.churn import lifecycle

        return lifecycle.promote_logreg(self.details_of(TrainLogreg), _settings().churn_promotion_min_delta)


class ScoreCohort(WeeklyStage):
    """The cohorts' scores by production churn-logreg are in ``ops.churn_scoring``."""

    stage = "score_cohort"
    after = (BuildWeeklyFeatures,)
    makes = ("ops.churn_scoring",)
    code = ("pipelines/churn/scoring.py", "sql/churn/copy_scores.sql", "sql/churn/forget_scores.sql")
    counts = ("scored", "predicted_to_churn")

    def sources(self, tx: Connection) -> Versions:  # noqa: ARG002
        from pipelines.churn import registry
        from pipelines.services import tracking

        return {"production": tracking.version_of(registry.CHURN_LOGREG, registry.PRODUCTION)}

    def is_there(self, tx: Connection, week: Details) -> bool:
        from pipelines.churn.scoring import are_there

        return are_there(tx, week["snapshots"], week["version"])

    def snapshots(self) -> list[date]:
        return [date.fromisoformat(day) for day in self.details_of(BuildWeeklyFeatures)["snapshots"]]

    def do(self, tx: Connection, snapshot: date) -> Details:
        from pipelines.churn import registry, scoring

        version = self._source_versions()["production"] or registry.to_score_with()
        return {**scoring.score_cohort(tx, snapshot, version), "snapshots": [str(snapshot)], "version": version}


# The watchdog -----------------------------------------------------------------------------------------------------


class DetectCsvChanges(ChurnStage):
    """Which of the files changed since they were last taken as seen."""

    stage = "detect_csv_changes"
    code = ("pipelines/churn/watchdog.py",)

    @property
    def key(self) -> str:
        return self.files().url

    def sources(self, tx: Connection) -> Versions:
        from pipelines.churn import sources, watchdog

        return {"now": sources.hashes(tx, self.files()), "before": watchdog.remembered(self.store())}

    def work(self, tx: Connection) -> Details:  # noqa: ARG002
        from pipelines.churn import sources, watchdog

        before, now = (self._source_versions()[when] for when in ("before", "now"))
        rows = {file: sources.count_lines(self.files(), file) for file in now}
        changed = watchdog.changes(before, now)
        return {
            "files_changed": len(changed),
            "changed": changed,
            "first_look": before is None,
            "now": now,
            "rows": rows,
        }


class EmitDatasetUpdate(ChurnStage):
    """Those who wait for new files are told, and the files are taken as seen."""

    stage = "emit_dataset_update"
    after = (DetectCsvChanges,)
    makes = ("PAYMENTS.csv", "ACTIVE_USER.csv", "DEMOGRAFICOS.csv", "DINERO_CUENTA.csv", "MARKETPLACE_DATA.csv")

    @property
    def key(self) -> str:
        return self.files().url

    def wanted(self) -> bool:
        found = self.sibling(DetectCsvChanges).record()
        return found is not None and bool(found.details["changed"])

    def work(self, tx: Connection) -> Details:  # noqa: ARG002
        from pipelines.churn import report

        found = self.details_of(DetectCsvChanges)
        if not self.quiet:
            report.show_changes(self.files(), found)
        return {}

    def still_there(self) -> bool:
        from pipelines.churn import watchdog

        return bool(watchdog.remembered(self.store()) == self.details_of(DetectCsvChanges)["now"])

    def afterwards(self) -> None:
        from pipelines.churn import watchdog

        watchdog.remember(self.store(), self.details_of(DetectCsvChanges)["now"])

    def told_of(self, dataset: str) -> Details:
        found = self.details_of(DetectCsvChanges)
        return {"file": self.files().at(dataset), "sha256": found["now"][dataset], "rows": found["rows"][dataset]}


# What a user types ------------------------------------------------------------------------------------------------


class ChurnRoot(ChurnTask, Goal):
    """A task that a user types: the stages up to its last one, then a report."""

    def report(self) -> None:
        from pipelines.churn.report import show

        show(self)


class ChurnTraining(ChurnRoot):
    """Trains churn-model on the newest snapshot and promotes it if it is better."""

    last = NotifyTraining

    def check(self) -> None:
        from pipelines.services import notifications

        super().check()
        notifications.check()


class ChurnDriftReport(ChurnRoot):
    """Compares the current snapshot with the weeks before it."""

    last = LogDriftResult


class ChurnFeatureStore(WeeklyTask, ChurnRoot):
    """Loads the features of a week, or of --weeks of them, into PostgreSQL."""

    last = BuildWeeklyFeatures


class ChurnLogregTraining(ChurnRoot):
    """Trains churn-logreg on the last weekly snapshots and promotes it if it is better."""

    last = PromoteLogreg
    lookback_weeks = LogregStage.lookback_weeks

    @classmethod
    def default_of(cls, name: str) -> Any:
        return LogregStage.default_of(name)


class ChurnBatchScore(WeeklyTask, ChurnRoot):
    """Scores the week's cohort, or those of --weeks, by production churn-logreg."""

    last = ScoreCohort

    def check(self) -> None:
        from pipelines.churn import registry

        registry.to_score_with()  # before any work for it is begun
        super().check()


class ChurnWatchdog(ChurnRoot):
    """Tells which of the files changed since they were last taken as seen."""

    last = EmitDatasetUpdate

    def report(self) -> None:
        from pipelines.churn.report import show_unchanged

        if not self.sibling(EmitDatasetUpdate).wanted():
            show_unchanged(self.files())


class Churn(ChurnTask, Root):
    """The whole life of the models: training, drift, feature store, churn-logreg, scores; ends with one table."""

    PARTS: ClassVar[tuple[type[ChurnRoot], ...]] = (
        ChurnTraining, ChurnDriftReport, ChurnFeatureStore, ChurnLogregTraining, ChurnBatchScore,
    )  # fmt: skip

    def parts(self) -> list[ChurnRoot]:
        return [self.sibling(part) for part in self.PARTS]

    def run(self) -> Iterator[Stage]:  # type: ignore[override]
        for part in self.parts():
            yield part.requires()
        super().run()

    def report(self) -> None:
        from pipelines.churn.report import show_life

        show_life(self)
