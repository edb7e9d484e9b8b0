"""A Stage is a luigi.Task that knows the versions of its inputs and leaves a record of them with its rows.

A stage is complete when its record exists and was made from its inputs *as they are now*. The record's fingerprint
covers the stage's parameters and settings, the text of the SQL and Python files that decide its result, and the
fingerprints of its inputs, down to the versions of the sources. Asking reads a few rows, never the data.

A run sees its sources once: their versions are pinned when a stage reads them, so that rows which arrive meanwhile
belong to the next run and a run under constant ingestion still ends.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import luigi

from pipelines.core.errors import PipelineError, UsageError
from pipelines.core.targets import Details, Record, RecordTarget
from pipelines.services import console

if TYPE_CHECKING:
    from pipelines.services.warehouse import Connection

Versions = dict[str, Any]
Task = TypeVar("Task", bound="FlowTask")
Each = TypeVar("Each")
_pinned: dict[str, Versions] = {}
_began: dict[str, datetime] = {}  # by flow: when this run took its lock, by the clock of the database


# Under the command alone, and only where it was not typed in our root.
if "luigi.cmdline" in sys.modules and not luigi.configuration.get_config().has_option("core", "local_scheduler"):
    luigi.configuration.add_config_path(str(Path(__file__).resolve().parents[2] / "luigi.cfg"))


class Refusal:
    """What a stage's work returns to keep the evidence it wrote, leave no record, and fail."""

    def __init__(self, error: PipelineError) -> None:
        self.error = error


@lru_cache
def text_version(files: tuple[str, ...]) -> str:
    """A hash of the text of these files, named from the root of the repository."""
    from pipelines.core.statements import ROOT

    return hashlib.sha256(b"\0".join((ROOT / name).read_bytes() for name in files)).hexdigest()


def in_order(last: Each, before: Callable[[Each], Iterable[Each]]) -> list[Each]:
    """``last`` and all that comes before it, each once, first to last; of tasks, or of their classes."""
    found: dict[Each, None] = {}
    for each in before(last):
        found |= dict.fromkeys(in_order(each, before))
    return [*found, last]


def digest(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


class DateParameter(luigi.DateParameter):
    """YYYY-MM-DD; today in the project's zone when it is not given."""

    def parse(self, value: str) -> date:
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise console.refused(UsageError(f"--date {value!r} is not a date: write YYYY-MM-DD.")) from None

    def serialize(self, dt: date | None) -> str:
        return str(dt)  # the year in four digits, before 1000 too


class WholeNumber(luigi.IntParameter):
    """A number from 1 to ``most``; ``option`` is what a user types."""

    def __init__(self, option: str, most: int, **others: Any) -> None:
        super().__init__(**others)
        self.option, self.most = option, most

    def parse(self, value: str) -> int:
        if not (value.isascii() and value.isdigit() and 1 <= int(value) <= self.most):
            raise console.refused(UsageError(f"{self.option} {value!r}: write a whole number from 1 to {self.most}."))
        return int(value)


class OneOf(luigi.Parameter[str]):
    """One of some words; ``option`` is what a user types."""

    def __init__(self, option: str, words: tuple[str, ...], **others: Any) -> None:
        super().__init__(**others)
        self.option, self.words = option, words

    def parse(self, value: str) -> str:
        if value not in self.words:
            raise console.refused(UsageError(f"{self.option} {value!r}: write {' or '.join(self.words)}."))
        return value


class FlowTask(luigi.Task):
    """What every task of a flow has: its date, and a flow whose lock a run holds."""

    flow: ClassVar[str]
    date = DateParameter(
        default=None,  # type: ignore[arg-type] # resolved by default_of
        description="run date, YYYY-MM-DD; default: today in the project's zone",
    )
    quiet = luigi.BoolParameter(significant=False, description="print errors only")

    @classmethod
    def get_param_values(cls, params: Any, args: Any, kwargs: Any) -> Any:
        values = super().get_param_values(params, args, kwargs)  # type: ignore[no-untyped-call]
        return [(name, cls.default_of(name) if value is None else value) for name, value in values]

    @classmethod
    def default_of(cls, name: str) -> Any:
        """The value of a parameter that was not given, where a setting tells it."""
        from pipelines.services.settings import settings

        with console.refusing():
            return settings().today() if name == "date" else None

    def sibling(self, task: type[Task], **changed: Any) -> Task:
        """Another task of the flow with this one's parameters."""
        return cast(Task, self.clone(task, **changed))

    def requires(self) -> Any:
        """The tasks that come before this one."""
        return []

    def check(self) -> None:
        """Refuse what can be seen to be wrong before anything runs.

        Raises:
            PipelineError: it cannot work; the process ends with its exit code.
        """


class Stage(FlowTask):
    """One step of a flow. Subclasses name it, say what decides its result, and do its work in a few lines."""

    stage: ClassVar[str]  # the task id in Airflow
    after: ClassVar[tuple[type[Stage], ...]] = ()  # the stages that come before it
    code: ClassVar[tuple[str, ...]] = ()  # files whose text decides the result
    lock: ClassVar[str | None] = None  # the query that locks what is read
    makes: ClassVar[tuple[str, ...]] = ()  # the data sets that others find when it is done, by the names they know

    # What a subclass says ------------------------------------------------------------------------------------------

    @property
    def key(self) -> str:
        """Which of the stage's runs this is."""
        raise NotImplementedError

    def requires(self) -> list[Stage]:
        """The stages of ``after``, with this one's parameters."""
        return [self.sibling(stage) for stage in self.after]

    def decided_by(self) -> dict[str, Any]:
        """Parameters and settings that decide the result."""
        return {}

    def sources(self, tx: Connection) -> Versions:  # noqa: ARG002
        """Versions of what the stage reads from outside of the graph, as this transaction sees it."""
        return {}

    def inputs(self) -> list[Stage]:
        """The stages whose results this one reads; the others that it requires only come before it."""
        return self.requires()

    def still_there(self) -> bool:
        """Whether what the record speaks of still exists; only for results that may be overwritten."""
        return True

    def wanted(self) -> bool:
        """Whether there is anything to do; False on the way that a branch before it did not take."""
        return True

    def work(self, tx: Connection) -> Details | Refusal:
        """Do it, within the transaction that the record commits with; return what the record should tell."""
        raise NotImplementedError

    def afterwards(self) -> None:
        """What is done once the record is there and others have been told; again where that was killed in between."""

    def told_of(self, dataset: str) -> Details:  # noqa: ARG002
        """What others are told of a data set that this stage makes; besides what its record tells."""
        return {}

    # What every stage does -----------------------------------------------------------------------------------------

    def output(self) -> RecordTarget:
        return RecordTarget(self.stage, self.key)

    def record(self) -> Record | None:
        return self.output().read()

    def details(self) -> Details:
        """What the record of a stage that was done tells."""
        record = self.record()
        assert record is not None, self
        return record.details

    def fingerprint(self) -> str:
        """What the record must say if the stage ran on its inputs as they are now."""
        return digest([self.stage, self.key, text_version(self.code), self.decided_by(), self._source_versions(),
                       [stage.fingerprint() for stage in self.inputs()]])  # fmt: skip

    def fresh(self) -> bool:
        """Whether this stage and all before it were done on their inputs as they are now."""
        if not all(stage.fresh() for stage in self.requires()):
            return False
        if not self.wanted():
            return True
        record = self.record()
        return record is not None and record.fingerprint == self.fingerprint()

    def is_done(self) -> bool:
        """Whether there is nothing left to do.

        Raises:
            PipelineError: it cannot be told.
        """
        from pipelines.services import warehouse

        with warehouse.plainly(self.stage):
            return self.fresh() and (not self.wanted() or self.still_there())

    def complete(self) -> bool:
        with console.refusing():
            begin_run(self)
            return self.is_done()

    def run(self) -> None:
        """Run this stage alone; do nothing where it is complete.

        Raises:
            PipelineError: the work was refused; its evidence is kept, no record is left.
        """
        _pinned.pop(self.task_id, None)  # an earlier stage of this run may have changed what was there when it began
        if not self.complete():
            self.perform()
            self.afterwards()

    def perform(self) -> None:
        """Do the work and leave the record, in one transaction.

        Raises:
            PipelineError: as in ``run``.
        """
        from pipelines.services import warehouse

        with console.stage(self.stage, self.key, self.quiet) as say:
            with warehouse.plainly(self.stage), warehouse.transaction(self.lock) as tx:
                outcome = self._do(tx)
            if isinstance(outcome, Refusal):
                raise outcome.error
            say(outcome)

    def line(self) -> list[Stage]:
        """All that comes before it, and the stage itself, first to last."""
        return in_order(self, lambda stage: stage.requires())

    def perform_within(self, tx: Connection) -> None:
        """Do it as a part of another stage, in its transaction; nothing where it is done."""
        _pinned.pop(self.task_id, None)
        if not self.is_done():
            self._do(tx)

    def _do(self, tx: Connection) -> Details | Refusal:
        started = time.monotonic()
        _pinned[self.task_id] = self.sources(tx)
        outcome = self.work(tx)
        if isinstance(outcome, Refusal):
            self.output().forget()  # of an earlier attempt under another policy, say
        else:
            self.output().write(tx, self.fingerprint(), outcome, time.monotonic() - started)
        return outcome

    def forget(self) -> None:
        """Let what was done be done again."""
        self.output().forget()

    def ran_for(self) -> float | None:
        """Seconds that the stage took in this run; None where it had nothing to do."""
        record = self.record()
        began = _began.get(self.flow)
        return record.seconds if record and began and record.finished_at >= began and self.wanted() else None

    def _source_versions(self) -> Versions:
        from pipelines.services import warehouse

        if self.task_id not in _pinned:
            _pinned[self.task_id] = self.sources(warehouse.connection())
        return _pinned[self.task_id]


class Root(FlowTask):
    """What a user types: runs the stages that it requires, then reports. It leaves no record of its own."""

    _reported = False

    def complete(self) -> bool:
        with console.refusing():
            begin_run(self)
        return self._reported

    def run(self) -> None:
        if not self.quiet:
            self.report()
        self._reported = True

    def report(self) -> None:
        raise NotImplementedError


class Goal(Root):
    """A root that is one stage, and all before it."""

    last: ClassVar[type[Stage]]

    def requires(self) -> Stage:
        return self.sibling(self.last)

    def stages(self) -> list[Stage]:
        """The stages of this run, first to last."""
        return self.requires().line()


def begin_run(task: FlowTask) -> None:
    """The first question of a run takes the flow's lock; what is asked and done after that is one run.

    Raises:
        PipelineError: the run cannot begin.
    """
    from pipelines.services import warehouse

    with warehouse.plainly(f"The {task.flow} flow"):
        if warehouse.lock(task.flow, console.note):
            _began[task.flow] = warehouse.one(warehouse.connection(), "clock", {})["now"]
            task.check()


@contextmanager
def part_of_run(seen: Mapping[str, Versions]) -> Iterator[dict[str, Versions]]:
    """A part of a run that other processes share: it sees the sources in the versions that they saw.

    Yields:
        What has been seen so far, for the parts that follow. At the end the lock of the flow is free.
    """
    from pipelines.services import warehouse

    _forget_run()
    _pinned.update(seen)
    try:
        yield _pinned
    finally:
        _forget_run()
        warehouse.close()


def _forget_run() -> None:
    _pinned.clear()
    luigi.task_register.Register.clear_instance_cache()
