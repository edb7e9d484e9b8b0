"""The crypto flow as a list: seven stages in their order, and the tasks that a user types. Wiring only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import luigi

from pipelines.core.errors import MissingInput, UsageError
from pipelines.core.stage import FlowTask, Goal, OneOf, Refusal, Root, Stage, Versions, WholeNumber
from pipelines.core.targets import Details
from pipelines.services import console

if TYPE_CHECKING:
    from pipelines.crypto.gates import Known, Policy
    from pipelines.crypto.window import Window
    from pipelines.services.artifacts import Place
    from pipelines.services.settings import Settings
    from pipelines.services.warehouse import Connection


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
    def default_of(cls, name: str) -> Any:
        if name not in ("window_days", "on_invalid"):
            return super().default_of(name)
        with console.refusing():
            return _settings().crypto_window_days if name == "window_days" else _settings().on_invalid

    def check(self) -> None:
        if self.date.toordinal() <= 3660:
            raise UsageError(f"--date {self.date}: the window would start before the calendar does.")
        if self.source == "":
            raise UsageError("--source is empty: name a file, or leave the option out to generate history.")
        _settings().make_home()
        if self.source and not self.source.isprintable():
            raise UsageError(f"--source {self.source!r}: rename the file, its name holds bytes that are no text.")
        if self.source and not Path(self.source).is_file():
            what = "is no file" if Path(self.source).exists() else "there is no such file"
            raise MissingInput(f"--source {self.source}: {what}.")

    def window(self) -> Window:
        from pipelines.crypto.window import Window

        return Window(self.date, self.window_days, _settings().today())

    def policy(self) -> Policy:
        from pipelines.crypto.gates import Policy

        return Policy(self.on_invalid, _settings().max_reject_share)

    def known(self) -> Known:
        from pipelines.crypto.gates import Known

        return Known(_settings().crypto_sites, _settings().crypto_types)


class CryptoStage(CryptoTask, Stage):
    """A stage of the flow; its key is its date and window."""

    @property
    def key(self) -> str:
        return f"{self.date}, {self.window_days} days"

    def of_snapshot_in_staging(self) -> bool:
        """Whether staging still holds the snapshot that the record speaks of: another date may have taken its place."""
        from pipelines.crypto.candidate import snapshot_in_staging
        from pipelines.services import warehouse

        record, snapshot = self.record(), snapshot_in_staging(warehouse.connection())
        return record is not None and snapshot is not None and record.details["snapshot_id"] == snapshot["snapshot_id"]


class RawHistory(CryptoStage):
    """Raw history has rows: those of a file, or generated ones."""

    stage = "generate_fake_history_last_5_days"
    lock = "crypto/lock_raw"
    code = (
        "pipelines/crypto/history.py", "sql/crypto/rows_per_day.sql", "sql/crypto/make_generated.sql",
        "sql/crypto/insert_generated.sql", "sql/crypto/make_source_lines.sql", "sql/crypto/copy_source_lines.sql",
        "sql/crypto/read_source_lines.sql", "sql/crypto/count_source_rows.sql", "sql/crypto/insert_source_rows.sql",
        "sql/crypto/reject_source_rows.sql", "sql/crypto/count_outside.sql",
    )  # fmt: skip

    @property
    def key(self) -> str:
        return f"file {Path(self.source).resolve()}" if self.source else super().key

    def decided_by(self) -> dict[str, Any]:
        if self.source:
            return {}
        known = self.known()
        come = min(self.date, _settings().today())  # days to come are generated once they have come
        return {"min_rows": _settings().min_rows_per_day, "sites": known.sites, "types": known.types, "come": come}

    def sources(self, tx: Connection) -> Versions:  # noqa: ARG002
        if not self.source:
            return {}
        from pipelines.crypto.history import sha256_of

        return {"sha256": sha256_of(Path(self.source))}

    def work(self, tx: Connection) -> Details | Refusal:
        from pipelines.crypto import history
        from pipelines.crypto.candidate import require_columns

        require_columns(tx)
        policy, known = self.policy(), self.known()
        if self.source:
            sha256 = self._source_versions()["sha256"]
            return history.load_file(
                tx, Path(self.source), sha256, self.window(), policy.on_invalid, policy.max_reject_share
            )
        return {
            "generated": history.generate(tx, self.window(), _settings().min_rows_per_day, known.sites, known.types)
        }


class BuildEventsCandidate(CryptoStage):
    """One snapshot of the rows to judge is in staging, typed."""

    stage = "build_events_candidate"
    after = (RawHistory,)
    lock = "crypto/lock_raw"
    code = (
        "pipelines/crypto/candidate.py", "sql/crypto/copy_window.sql", "sql/crypto/find_repeats.sql",
        "sql/crypto/mark_repeats.sql", "sql/crypto/window_version.sql", "pipelines/crypto/window.py",
        "sql/schema/04_staging.sql",
    )  # fmt: skip

    def requires(self) -> list[Stage]:
        return super().requires() if self.source or not self.no_top_up else []

    def inputs(self) -> list[Stage]:
        return []  # whatever fills raw history: its version tells what is there

    def sources(self, tx: Connection) -> Versions:
        from pipelines.crypto.candidate import window_version

        return window_version(tx, self.window())

    def still_there(self) -> bool:
        return self.of_snapshot_in_staging()

    def work(self, tx: Connection) -> Details:
        from pipelines.crypto.candidate import build_candidate

        return build_candidate(tx, self.window())


class Gate(CryptoStage):
    """What both gates have in common."""

    code = (
        "pipelines/crypto/rules.py", "pipelines/crypto/gates.py",
        "pipelines/services/expectations/__init__.py", "pipelines/services/expectations/data_docs.py",
        "sql/crypto/reject_rows.sql", "sql/crypto/set_aside.sql", "sql/crypto/bring_back.sql",
        "sql/crypto/leave_out_astray.sql",
        "sql/crypto/halt_rejects.sql", "sql/crypto/count_judged.sql", "sql/crypto/count_reasons.sql",
    )  # fmt: skip
    suite: ClassVar[str]

    def decided_by(self) -> dict[str, Any]:
        known = self.known()
        share = _settings().max_reject_share if self.on_invalid == "quarantine" else None
        return {"sites": known.sites, "types": known.types, "on_invalid": self.on_invalid, "max_reject_share": share}

    def still_there(self) -> bool:
        return self.of_snapshot_in_staging()

    def url(self) -> str:
        """Where Great Expectations finds the tables; its import, which imports SQLAlchemy, must have ended."""
        from pipelines.services import expectations, warehouse

        expectations.loaded()
        return warehouse.sqlalchemy_url()

    def docs(self) -> Place:
        """The folder of this gate's Data Docs, beside the other gate's of the same snapshot and policy."""
        from pipelines.services.artifacts import Place, data_docs

        record = self.sibling(BuildEventsCandidate).record()
        assert record is not None
        return Place(data_docs().at(f"{record.details['snapshot_id']}/{self.on_invalid}/{self.suite}"))


class ValidateRaw(Gate):
    """Great Expectations judged raw history; bad rows are in rejects."""

    stage = "ge_validate_raw"
    after = (BuildEventsCandidate,)
    suite = "suite_raw_history"

    def work(self, tx: Connection) -> Details | Refusal:
        from pipelines.crypto.gates import validate_raw

        return validate_raw(tx, self.url(), self.window(), self.known(), self.policy(), self.docs())


class ValidateCandidate(Gate):
    """Great Expectations judged exactly the rows that the merge will load."""

    stage = "ge_validate_candidate"
    after = (ValidateRaw,)
    suite = "suite_staging_candidate"

    def work(self, tx: Connection) -> Details | Refusal:
        from pipelines.crypto.gates import validate_candidate

        return validate_candidate(tx, self.url(), self.window(), self.known(), self.policy(), self.docs())


class MergeToProd(CryptoStage):
    """Production is what was proven."""

    stage = "merge_to_prod"
    after = (ValidateCandidate,)
    makes = ("prod.BT_CRYPTO_EVENTS",)
    code = (
        "pipelines/crypto/merge.py", "sql/crypto/find_changes.sql", "sql/crypto/deactivate.sql",
        "sql/crypto/upsert.sql", "sql/crypto/insert_new.sql", "sql/crypto/count_changes.sql",
        "sql/crypto/count_active.sql", "sql/crypto/is_new_window.sql", "sql/crypto/insert_window.sql",
    )  # fmt: skip

    def still_there(self) -> bool:
        from pipelines.crypto.merge import production_version
        from pipelines.services import warehouse

        record = self.record()
        return record is not None and production_version(warehouse.connection()).items() <= record.details.items()

    def work(self, tx: Connection) -> Details:
        from pipelines.crypto.merge import merge, production_version

        proven = self.sibling(ValidateCandidate).record()
        assert proven is not None
        share = _settings().max_deactivation_share
        counts = merge(tx, self.window(), proven.details["judged"], share, self.allow_mass_deactivation)
        return {**counts, **production_version(tx)}


class VacuumAnalyzeProd(CryptoStage):
    """Production has no dead rows, and statistics."""

    stage = "vacuum_analyze_prod"
    after = (MergeToProd,)
    code = ("sql/crypto/vacuum_prod.sql",)

    def work(self, tx: Connection) -> Details:  # noqa: ARG002
        from pipelines.crypto.merge import vacuum
        from pipelines.services import warehouse

        with warehouse.connect() as connection:
            vacuum(connection)
        return {}


class NotifySuccess(CryptoStage):
    """People know."""

    stage = "notify_success"
    after = (VacuumAnalyzeProd,)

    def work(self, tx: Connection) -> Details:  # noqa: ARG002
        from pipelines.services import notifications

        merged = self.sibling(MergeToProd).record()
        assert merged is not None
        return {
            "told": notifications.send(
                f"Crypto events of {self.date} are in production", console.in_words(merged.details)
            )
        }


class CryptoMerge(CryptoTask, Goal):
    """The main job: production holds the window's trusted events. Ends with a table of what happened."""

    last: ClassVar[type[Stage]] = MergeToProd

    def report(self) -> None:
        from pipelines.crypto.report import show_run

        show_run(self.stages())


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

    def requires(self) -> list[Stage]:
        return [self.sibling(RawHistory, window_days=1)] if self.source else []

    def months(self) -> list[CryptoMerge]:
        """One step per month of raw history."""
        from pipelines.crypto.window import months
        from pipelines.services import warehouse

        return [
            self.sibling(CryptoMerge, date=last, window_days=last.day, source=None, no_top_up=True)
            for last in months(warehouse.connection(), self.date)
        ]

    def run(self) -> Any:
        for month in self.months():
            yield month.requires()
        super().run()

    def report(self) -> None:
        from pipelines.crypto.report import show_backfill

        show_backfill([month.stages() for month in self.months()], self.date)
