"""The crypto flow as a list: seven stages in their order, and the tasks that a user types. Wiring only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import luigi

from pipelines.core.errors import MissingInput, Refusal, UsageError
from pipelines.core.parameters import OneOf, WholeNumber
from pipelines.core.results import Nothing, Notified
from pipelines.core.run import Environment, Run, Versions
from pipelines.core.stage import FlowTask, Goal, Root, Stage, seconds_by_stage
from pipelines.crypto.results import Candidates, History, Merged, Validated

if TYPE_CHECKING:
    from pipelines.crypto.gates import Known, Policy
    from pipelines.crypto.report import Summary
    from pipelines.crypto.window import Window
    from pipelines.services.artifacts import Place
    from pipelines.services.settings import Settings
    from pipelines.services.warehouse import Connection


R = TypeVar("R")


def _settings() -> Settings:
    from pipelines.services.settings import settings

    return settings()


class CryptoTask(FlowTask):
    """The parameters of the flow."""

    flow = "crypto"
    window_days = WholeNumber(
        "--window-days", 3660, default=None,
        description="days to look back, the date included; default: CRYPTO_WINDOW_DAYS",
    )  # fmt: skip
    source = luigi.OptionalParameter(
        default=None, description="CSV, CSV.gz or Parquet file to load into raw history first"
    )
    on_invalid = OneOf(
        "--on-invalid", ("halt", "quarantine"), default=None, description="halt or quarantine; default: ON_INVALID"
    )
    allow_mass_deactivation = luigi.BoolParameter(
        significant=False, description="merge even if most of the window's keys vanish"
    )

    no_top_up = luigi.BoolParameter(significant=False, description="take raw history as it is: generate nothing")

    @classmethod
    def environment(cls) -> Environment:
        from pipelines.services.environment import Services

        return Services()

    @classmethod
    def default_of(cls, name: str) -> Any:
        if name not in ("window_days", "on_invalid"):
            return super().default_of(name)
        return _settings().crypto_window_days if name == "window_days" else _settings().on_invalid

    def check(self) -> None:
        if self.date.toordinal() <= 3660:
            raise UsageError(f"--date {self.date}: the window would start before the calendar does.")
        if self.source == "":
            raise UsageError("--source is empty: name a file, or leave the option out to generate history.")
        if self.source and not self.source.isprintable():
            raise UsageError(f"--source {self.source!r}: rename the file, its name holds bytes that are no text.")
        if self.source and not Path(self.source).is_file():
            what = "is no file" if Path(self.source).exists() else "there is no such file"
            raise MissingInput(f"--source {self.source}: {what}.")

    def window(self) -> Window:
        from pipelines.crypto.window import Window

        return Window(self.date, self.window_days, self.flow_run.today)

    def policy(self) -> Policy:
        from pipelines.crypto.gates import Policy

        return Policy(self.on_invalid, _settings().max_reject_share)

    def known(self) -> Known:
        from pipelines.crypto.gates import Known

        return Known(_settings().crypto_sites, _settings().crypto_types)


class CryptoStage(CryptoTask, Stage[R]):
    """A stage of the flow; its key is its date and window."""

    @property
    def key(self) -> str:
        return f"{self.date}, {self.window_days} days"

    def is_in_staging(self, snapshot_id: str, connection: Connection) -> bool:
        """Whether staging still holds a snapshot: another date may have taken its place."""
        from pipelines.crypto.candidate import snapshot_in_staging

        snapshot = snapshot_in_staging(connection)
        return snapshot is not None and snapshot_id == snapshot["snapshot_id"]


class BeforeGates(CryptoStage[R]):
    """A stage after which the gates need Great Expectations."""

    def prepare(self, run: Run) -> None:
        """Starts its import, which takes seconds: the database has work to do meanwhile."""
        from pipelines.services import expectations

        if run.engine.name != "airflow":  # the gates are in processes of their own there
            expectations.EarlyImport().start()


class RawHistory(BeforeGates[History]):
    """Raw history has rows: those of a file, or generated ones."""

    stage = "generate_fake_history_last_5_days"
    lock = "crypto/lock_raw"

    @property
    def key(self) -> str:
        return f"file {Path(self.source).resolve()}" if self.source else super().key

    def parameters(self) -> dict[str, Any]:
        if self.source:
            return {}
        known = self.known()
        come = min(self.date, self.flow_run.today)  # days to come are generated once they have come
        return {"min_rows": _settings().min_rows_per_day, "sites": known.sites, "types": known.types, "come": come}

    def sources(self, run: Run, connection: Connection) -> Versions:
        if not self.source:
            return {}
        from pipelines.crypto.history import source_version

        return {"sha256": source_version(connection, Path(self.source), may_read=run.has_begun)}

    def work(self, run: Run, tx: Connection) -> History | Refusal:  # noqa: ARG002
        from pipelines.crypto import history
        from pipelines.crypto.candidate import require_columns

        require_columns(tx)
        policy, known = self.policy(), self.known()
        if self.source:
            sha256 = self.source_versions()["sha256"]
            return history.load_file(
                tx, Path(self.source), sha256, self.window(), policy.on_invalid, policy.max_reject_share
            )
        return history.generate(tx, self.window(), _settings().min_rows_per_day, known.sites, known.types)


class BuildEventsCandidate(BeforeGates[Candidates]):
    """One snapshot of the rows to validate is in staging, typed."""

    stage = "build_events_candidate"
    after = (RawHistory,)
    lock = "crypto/lock_raw"

    def requires(self) -> list[Stage[Any]]:
        return super().requires() if self.source or not self.no_top_up else []

    def inputs(self) -> list[Stage[Any]]:
        return []  # whatever fills raw history: its version covers what is there

    def sources(self, run: Run, connection: Connection) -> Versions:  # noqa: ARG002
        from pipelines.crypto.candidate import window_version

        return window_version(connection, self.window())

    def exists(self, connection: Connection) -> bool:
        return self.is_in_staging(self.result().snapshot_id, connection)

    def work(self, run: Run, tx: Connection) -> Candidates:  # noqa: ARG002
        from pipelines.crypto.candidate import build_candidate

        return build_candidate(tx, self.window())


class Gate(CryptoStage[Validated]):
    """What both gates have in common."""

    suite: ClassVar[str]

    def parameters(self) -> dict[str, Any]:
        known = self.known()
        share = _settings().max_reject_share if self.on_invalid == "quarantine" else None
        return {"sites": known.sites, "types": known.types, "on_invalid": self.on_invalid, "max_reject_share": share}

    def exists(self, connection: Connection) -> bool:
        return self.is_in_staging(self.result().snapshot_id, connection)

    def url(self) -> str:
        """Where Great Expectations finds the tables; its import, which imports SQLAlchemy, must have ended."""
        from pipelines.services import expectations, warehouse

        expectations.loaded()
        return warehouse.sqlalchemy_url()

    def docs(self) -> Place:
        """The folder of this gate's Data Docs, beside the other gate's of the same snapshot and policy."""
        from pipelines.services.artifacts import Place, data_docs

        snapshot_id = self.result_of(BuildEventsCandidate).snapshot_id
        return Place(data_docs().at(f"{snapshot_id}/{self.on_invalid}/{self.suite}"))


class ValidateRaw(Gate):
    """Great Expectations has validated raw history; bad rows are in rejects."""

    stage = "ge_validate_raw"
    after = (BuildEventsCandidate,)
    suite = "suite_raw_history"

    def work(self, run: Run, tx: Connection) -> Validated | Refusal:  # noqa: ARG002
        from pipelines.crypto.gates import validate_raw

        return validate_raw(tx, self.url(), self.window(), self.known(), self.policy(), self.docs())


class ValidateCandidate(Gate):
    """Great Expectations has validated exactly the rows that the merge loads."""

    stage = "ge_validate_candidate"
    after = (ValidateRaw,)
    suite = "suite_staging_candidate"

    def work(self, run: Run, tx: Connection) -> Validated | Refusal:  # noqa: ARG002
        from pipelines.crypto.gates import validate_candidate

        return validate_candidate(tx, self.url(), self.window(), self.known(), self.policy(), self.docs())


class MergeToProd(CryptoStage[Merged]):
    """Production holds the validated candidates."""

    stage = "merge_to_prod"
    after = (ValidateCandidate,)
    makes = ("prod.BT_CRYPTO_EVENTS",)

    def exists(self, connection: Connection) -> bool:
        from pipelines.crypto.merge import production_version

        return production_version(connection) == self.result().production

    def work(self, run: Run, tx: Connection) -> Merged:  # noqa: ARG002
        from pipelines.crypto.merge import merge

        valid = self.result_of(ValidateCandidate).judged
        return merge(tx, self.window(), valid, _settings().max_deactivation_share, self.allow_mass_deactivation)


class VacuumAnalyzeProd(CryptoStage[Nothing]):
    """Production has no dead rows, and statistics."""

    stage = "vacuum_analyze_prod"
    after = (MergeToProd,)

    def work(self, run: Run, tx: Connection) -> Nothing:  # noqa: ARG002
        from pipelines.crypto.merge import vacuum
        from pipelines.services import warehouse

        with warehouse.connect() as connection:
            vacuum(connection)
        return Nothing()


class NotifySuccess(CryptoStage[Notified]):
    """The channels of NOTIFY_URLS have the counts of the merge."""

    stage = "notify_success"
    after = (VacuumAnalyzeProd,)

    def work(self, run: Run, tx: Connection) -> Notified:  # noqa: ARG002
        from pipelines.services import notifications

        merged = self.result_of(MergeToProd)
        return Notified(notifications.send(f"Crypto events of {self.date} are in production", merged.in_words()))


class CryptoMerge(CryptoTask, Goal):
    """The main job: production holds the window's trusted events. Ends with a table of what happened."""

    last: ClassVar[type[Stage[Any]]] = MergeToProd

    def summary(self, seconds: Mapping[tuple[str, str], float]) -> Summary:
        """The results of its stages; ``seconds`` of those that worked, by stage and key."""
        from pipelines.crypto.report import Summary

        merged = self.sibling(MergeToProd)
        history = self.sibling(RawHistory).materialization() if self.source or not self.no_top_up else None
        left = merged.materialization()
        assert left is not None, merged
        return Summary(
            window=merged.key,
            history=history.result if history else None,
            history_at=history.finished_at if history else None,
            candidates=self.result_of(BuildEventsCandidate),
            validated=self.result_of(ValidateRaw),
            merged=left.result,
            merged_at=left.finished_at,
            seconds={each.stage: seconds.get((each.stage, each.key)) for each in self.stages()},
        )

    def report(self) -> None:
        from pipelines.crypto.report import show_run

        show_run(self.summary(seconds_by_stage(self.flow_run)))


class CryptoPipeline(CryptoMerge):
    """The main job, then vacuum and notification."""

    last = NotifySuccess

    def check(self) -> None:
        from pipelines.services import notifications

        super().check()
        notifications.check()


class CryptoBackfill(CryptoTask, Root):
    """All of raw history up to the date, month by month; a rerun goes on where the last one ended. Generates none."""

    window_days = None  # type: ignore[assignment] # a step is a month

    def requires(self) -> list[Stage[Any]]:
        return [self.sibling(RawHistory, window_days=1)] if self.source else []

    def roots(self) -> list[CryptoMerge]:
        """One step per month of raw history."""
        from pipelines.crypto.window import months

        if (connection := self.flow_run.reader()) is None:
            return []
        return [
            self.sibling(CryptoMerge, date=last, window_days=last.day, source=None, no_top_up=True)
            for last in months(connection, self.date)
        ]

    def stages(self) -> list[Stage[Any]]:
        return [*self.requires(), *(stage for month in self.roots() for stage in month.stages())]

    def report(self) -> None:
        from pipelines.crypto.report import show_backfill

        seconds = seconds_by_stage(self.flow_run)
        months = [(month.date, month.summary(seconds)) for month in self.roots()]
        show_backfill(self.flow_run.connection, months, self.date)
