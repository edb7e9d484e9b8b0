"""A Stage is a luigi.Task whose result is current or stale: one idempotent step of a flow.

A stage is current when its materialization is there and its fingerprint is the one computed now: from the code version
of its work, its parameters, the fingerprints of the stages whose results it reads, and the source versions that the run
pinned. Asking reads a few rows, never the data, and changes nothing: no lock, no table, no file. Running takes the
flow's lock, asks again, and then works.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast, get_args

import luigi

from pipelines.core import results
from pipelines.core.errors import PipelineError, Refusal, StaleUpstream, outcome_of
from pipelines.core.parameters import DateParameter
from pipelines.core.results import Address, Materialization
from pipelines.core.run import Environment, Run, Versions

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[dict[str, Any]]

R = TypeVar("R")
Other = TypeVar("Other")
Task = TypeVar("Task", bound="FlowTask")
Each = TypeVar("Each")


def in_order(last: Each, before: Callable[[Each], Iterable[Each]]) -> list[Each]:
    """``last`` and all that comes before it, each once, first to last; of tasks, or of their classes."""
    found: dict[Each, None] = {}
    for each in before(last):
        found |= dict.fromkeys(in_order(each, before))
    return [*found, last]


def digest(facts: object) -> str:
    """SHA-256 of JSON values; the order of keys does not count."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


class FlowTask(luigi.Task):
    """What every task of a flow has: its date, and the run that it is a part of."""

    flow: ClassVar[str]
    date = DateParameter(
        default=None,  # type: ignore[arg-type] # resolved by default_of
        description="run date, YYYY-MM-DD; default: today in the project's zone",
    )
    quiet = luigi.BoolParameter(significant=False, description="print errors only")

    _run = cast("Run | None", None)  # annotated, it would be a parameter

    @classmethod
    def environment(cls) -> Environment:
        """What the runs of the flow take from outside."""
        raise NotImplementedError

    @classmethod
    def get_param_values(cls, params: Any, args: Any, kwargs: Any) -> Any:
        values = super().get_param_values(params, args, kwargs)  # type: ignore[no-untyped-call]
        return [(name, cls.default_of(name) if value is None else value) for name, value in values]

    @classmethod
    def default_of(cls, name: str) -> Any:
        """The value of a parameter that was not given, where a setting has it."""
        return cls.environment().today() if name == "date" else None

    @property
    def flow_run(self) -> Run:
        """The run that this task is a part of; one that is in no run, or in one that has ended, starts another."""
        if self._run is None or self._run.has_ended:
            self._run = Run(self.environment(), self.flow, type(self).__name__, self.date, self.given())
        return self._run

    def given(self) -> dict[str, str]:
        """Its parameters as the ledger keeps them."""
        return {name: str(value) for name, value in self.param_kwargs.items() if value is not None and name != "quiet"}

    def within(self: Task, run: Run) -> Task:
        """This task as a part of a run."""
        self._run = run
        return self

    def sibling(self, task: type[Task], **changed: Any) -> Task:
        """Another task of the same run, with this one's parameters."""
        return cast(Task, self.clone(task, **changed)).within(self.flow_run)

    def requires(self) -> Any:
        """The tasks that come before this one."""
        return []

    def result_of(self, stage: type[Stage[Other]], **changed: Any) -> Other:
        """The result of a stage of the same run and parameters.

        Raises:
            StaleUpstream: it left none.
        """
        return self.sibling(stage, **changed).result()

    def check(self) -> None:
        """Refuses what is wrong before anything runs; reads settings and file names only.

        Raises:
            PipelineError: it cannot work.
        """

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Shows a foreseen error to whoever typed the command."""
        try:
            yield
        except PipelineError as error:
            self.environment().report(error)
            raise


class Stage(FlowTask, Generic[R]):
    """One step of a flow; ``R`` is the frozen dataclass that its work returns.

    Subclasses name it, say what decides its result, and do its work in a few lines.
    """

    stage: ClassVar[str]  # the task id in Airflow
    after: ClassVar[tuple[type[Stage[Any]], ...]] = ()  # the stages that come before it
    lock: ClassVar[str | None] = None  # the query that locks what is read
    makes: ClassVar[tuple[str, ...]] = ()  # the data sets that are there when it is done, by the names that readers use
    result_type: ClassVar[type[Any]]  # R at run time

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for base in getattr(cls, "__orig_bases__", ()):
            for argument in get_args(base):
                if dataclasses.is_dataclass(argument):
                    cls.result_type = cast(type[Any], argument)

    # What a subclass says ------------------------------------------------------------------------------------------

    @property
    def key(self) -> str:
        """Which of the stage's materializations this is: its date and window, say."""
        raise NotImplementedError

    def requires(self) -> list[Stage[Any]]:
        """The stages of ``after``, with this one's parameters."""
        return [self.sibling(stage) for stage in self.after]

    def inputs(self) -> list[Stage[Any]]:
        """The stages whose results this one reads; the others that it requires only come before it."""
        return self.requires()

    def parameters(self) -> dict[str, Any]:
        """Parameters and settings that decide the result."""
        return {}

    def sources(self, run: Run, connection: Connection) -> Versions:  # noqa: ARG002
        """Versions of what the stage reads from outside of the graph; only a run that has begun may write here."""
        return {}

    def exists(self, connection: Connection) -> bool:  # noqa: ARG002
        """Whether what the materialization describes is still there; for results that may be overwritten."""
        return True

    def should_run(self) -> bool:
        """Whether there is anything to do; False on the way that a branch before it did not take."""
        return True

    def prepare(self, run: Run) -> None:
        """Makes what must be there before the sources are looked at; under the flow's lock."""

    def work(self, run: Run, tx: Connection) -> R | Refusal:
        """Does the work, within the transaction that the materialization commits with."""
        raise NotImplementedError

    def afterwards(self) -> None:
        """Runs once the materialization is committed; again where a run was killed in between."""

    def describe(self, dataset: str) -> dict[str, Any]:  # noqa: ARG002
        """Facts about a data set that this stage makes, besides its result."""
        return {}

    # What it left ----------------------------------------------------------------------------------------------------

    @property
    def address(self) -> Address:
        """Where its materialization is."""
        return Address(self.flow, self.stage, self.key)

    def output(self) -> MaterializationTarget:
        return MaterializationTarget(self)

    def materialization(self) -> Materialization[R] | None:
        """What the stage left; None where there is nothing, or nothing that can be read."""
        run, address = self.flow_run, self.address
        if (connection := run.reader()) is None:
            return None
        return run.once(address, lambda: results.read(connection, address, self.result_type))

    def result(self) -> R:
        """The result that the stage left.

        Raises:
            StaleUpstream: there is none.
        """
        if (found := self.materialization()) is None:
            raise StaleUpstream(
                f"{self.stage} ({self.key}) has no result that can be read. Run {self.flow_run.root_task} again."
            )
        return found.result

    # Asking ----------------------------------------------------------------------------------------------------------

    @classmethod
    def entry(cls) -> str:
        """The work function, from which the code version is computed."""
        return f"{cls.__module__}.{cls.__qualname__}.work"

    def made_from(self) -> dict[str, Any]:
        """What decides the result, as it is now: code, parameters, source versions, upstream fingerprints."""
        return {
            "code": dict(self.flow_run.code_of(self.entry(), [each.entry() for each in stages(self.flow)]).parts),
            "parameters": json.loads(json.dumps(self.parameters(), default=str)),
            "sources": json.loads(json.dumps(self.source_versions(), default=str)),
            "upstream": {f"{each.stage} {each.key}": each.fingerprint() for each in self.inputs()},
        }

    def fingerprint(self) -> str:
        """The fingerprint that the materialization has if the stage ran on what is there now."""
        return self.flow_run.once(("fingerprint", id(self)), lambda: self._fingerprint_of(self.made_from()))

    def _fingerprint_of(self, made_from: Mapping[str, Any]) -> str:
        return digest([self.stage, self.key, made_from])

    def has_current_fingerprints(self) -> bool:
        """Whether this stage and all before it were made from what is there now."""
        if not all(stage.has_current_fingerprints() for stage in self.requires()):
            return False
        if not self.should_run():
            return True
        found = self.materialization()
        return found is not None and found.fingerprint == self.fingerprint()

    def is_current(self) -> bool:
        """Whether there is nothing to do.

        Raises:
            PipelineError: it cannot be known.
        """
        run = self.flow_run
        with run.environment.explained(self.stage), run.consistent_reader() as connection:
            if connection is None or not self.has_current_fingerprints():
                return False
            return not self.should_run() or self.exists(connection)

    def complete(self) -> bool:
        with self.reported():
            self.check()
            return self.is_current()

    def source_versions(self) -> Versions:
        """The versions of its sources as this run saw them first."""
        run = self.flow_run
        if self._pin not in run.pins and (connection := run.reader()) is not None:
            run.pins[self._pin] = self.sources(run, connection)
        return run.pins.get(self._pin, {})

    @property
    def _pin(self) -> str:
        return f"{self.stage} {self.key}"

    # Running ---------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Runs this stage alone; does nothing where it is current.

        Raises:
            PipelineError: the work was refused or failed; evidence is kept, no materialization is left.
        """
        with self.reported(), ending_failed(self.flow_run):
            self.flow_run.begin()
            if self.execute():
                self.afterwards()

    def execute(self) -> bool:
        """Does the work unless the stage is current, within a run that has begun; whether there was work to do."""
        run = self.flow_run
        self.prepare(run)
        run.pins.pop(self._pin, None)  # an earlier stage of this run may have changed what was there when it began
        if self.is_current():
            run.note_stage(self.stage, self.key, "skipped", source_versions=run.pins.get(self._pin))
            return False
        self._restore_upstream()
        self.perform()
        return True

    def perform(self) -> None:
        """Does the work and leaves the materialization, in one transaction."""
        run, started = self.flow_run, time.monotonic()
        refusal: Refusal | None = None
        try:
            with (
                run.environment.showing(self.stage, self.key, self.quiet) as show,
                run.environment.explained(self.stage),
            ):
                with run.transaction(self.lock) as tx:
                    outcome = self.do(tx)
                if isinstance(outcome, Refusal):
                    refusal = outcome
                    raise outcome.error
                show(results.encode(outcome))
        except BaseException as error:
            run.note_failure(
                self.stage, self.key, outcome_of(error),
                seconds=time.monotonic() - started, error=str(error) or type(error).__name__,
                source_versions=run.pins.get(self._pin) if refusal else None,
            )  # fmt: skip
            if isinstance(error, PipelineError):
                error.exit_code = PipelineError.exit_code  # a task that had begun has failed, whatever its cause
            raise

    def do(self, tx: Connection) -> R | Refusal:
        """Does the work within a transaction, and writes the materialization and the ledger there.

        Where the work refuses, its evidence commits and an earlier materialization is removed.
        """
        run, started = self.flow_run, time.monotonic()
        run.pins[self._pin] = self.sources(run, tx)
        outcome = self.work(run, tx)
        if isinstance(outcome, Refusal):
            results.forget(tx, self.address)  # of an earlier attempt under another policy, say
            return outcome
        seconds = time.monotonic() - started
        fingerprint = self.materialize(tx, outcome, seconds)
        run.note_stage(
            self.stage, self.key, "ran", seconds=seconds, fingerprint=fingerprint, result=results.encode(outcome),
            source_versions=run.pins[self._pin],
        )  # fmt: skip
        return outcome

    def materialize(self, tx: Connection, result: R, seconds: float) -> str:
        """Writes the materialization of a result; returns its fingerprint."""
        made_from = self.made_from()
        fingerprint = self._fingerprint_of(made_from)
        results.write(tx, self.address, self.flow_run.id, fingerprint, made_from, result, seconds)
        return fingerprint

    def execute_within(self, tx: Connection) -> None:
        """Does it as a part of another stage, in its transaction; nothing where it is current."""
        self.flow_run.pins.pop(self._pin, None)
        if not self.is_current():
            self.do(tx)

    def forget(self, connection: Connection) -> None:
        """Lets what was done be done again."""
        results.forget(connection, self.address)

    def line(self) -> list[Stage[Any]]:
        """All that comes before it, and the stage itself, first to last."""
        return in_order(self, lambda stage: stage.requires())

    def _restore_upstream(self) -> None:
        """Makes again what another run has overwritten since, the rows in staging, say.

        Raises:
            StaleUpstream: a stage before this one was never done, or of other inputs.
        """
        for before in self.requires():
            if before.is_current():
                continue
            if not before.has_current_fingerprints():
                raise StaleUpstream(
                    f"{before.stage} is not current for {before.key}, as this run saw its inputs: it has failed, was "
                    f"forgotten, or another run has done it since. Run {before.stage} and what follows again."
                )
            self.flow_run.environment.note(
                f"another run has overwritten what {before.stage} made for {before.key}: it is made again first"
            )
            for each in before.line():
                if not each.is_current():
                    each.perform()


class MaterializationTarget(luigi.Target):
    """A stage's materialization, as Luigi's output."""

    def __init__(self, stage: Stage[Any]) -> None:
        self.of = stage

    def __str__(self) -> str:
        return f"materialization of {self.of.stage} for {self.of.key}"

    def exists(self) -> bool:
        return self.of.materialization() is not None


class Root(FlowTask):
    """What a user types: runs the stages that it requires, then reports. It leaves no materialization of its own."""

    _reported = False

    @classmethod
    def get_params(cls) -> Any:
        """Luigi's command asks for them once it has loaded our tasks: from here on, its errors are shown as ours."""
        if "luigi.cmdline" in sys.modules and cls in (typed := list(_typed(Root))):
            cls.environment().adopt_luigi_command(sorted(each.__name__ for each in typed))
        return super().get_params()  # type: ignore[no-untyped-call]

    def complete(self) -> bool:
        with self.reported():
            self.check()
        return self._reported

    def stages(self) -> list[Stage[Any]]:
        """The stages of this run, first to last."""
        raise NotImplementedError

    def roots(self) -> Sequence[Goal]:
        """The roots that this one runs one after the other, where what follows is known only then."""
        return []

    def run(self) -> Any:
        run = self.flow_run
        with self.reported(), ending_failed(run):
            for root in self.roots():
                run_stale(root.requires())
            run.open()
            noted = {(row["stage"], row["key"]) for row in ledger_of(run)}
            with run.connection.transaction():
                for stage in self.stages():
                    if stage.should_run() and (stage.stage, stage.key) not in noted:
                        noted.add((stage.stage, stage.key))  # two roots may lead through one stage
                        run.note_stage(stage.stage, stage.key, "skipped")
            if not self.quiet:
                self.report()
            run.finish()
        self._reported = True

    def report(self) -> None:
        """Shows what the run did: a short table, and where to look."""
        raise NotImplementedError


class Goal(Root):
    """A root that is one stage, and all before it."""

    last: ClassVar[type[Stage[Any]]]

    def requires(self) -> Stage[Any]:
        return self.sibling(self.last)

    def stages(self) -> list[Stage[Any]]:
        return self.requires().line()


def run_stale(stage: Stage[Any]) -> None:
    """Runs a stage and what comes before it, where they are stale, in this process and as parts of its run.

    Luigi does the same with tasks that ``run`` yields. But with ``--workers`` it makes them anew, in another process
    than the one that knows the run: they would be parts of another run.
    """
    if not stage.complete():
        for before in stage.requires():
            run_stale(before)
        stage.run()


def ledger_of(run: Run) -> list[dict[str, Any]]:
    """What the stages of a run did so far, as the ledger has it."""
    from pipelines.core import ledger

    connection = run.reader()
    return [] if connection is None else ledger.done_by(connection, run.id)


def seconds_by_stage(run: Run) -> dict[tuple[str, str], float]:
    """Seconds that each stage (name, key) worked in a run; those that had nothing to do are not there."""
    return {(row["stage"], row["key"]): row["seconds"] for row in ledger_of(run) if row["outcome"] == "ran"}


@contextmanager
def ending_failed(run: Run) -> Iterator[None]:
    """Notes in the ledger that an error ended the run, and frees its lock."""
    try:
        yield
    except BaseException as error:
        run.fail(error)
        raise


def _subclasses(kind: type[Each]) -> dict[type[Each], None]:
    """All classes below one, each once: some have two bases."""
    found: dict[type[Each], None] = {}
    for each in kind.__subclasses__():
        found |= {each: None, **_subclasses(each)}
    return found


def stages(flow: str | None = None) -> list[type[Stage[Any]]]:
    """The classes of the project's stages, or of a flow's: those that have a name."""
    return [
        each for each in _subclasses(Stage)
        if "stage" in vars(each) and each.__module__.startswith("pipelines.") and flow in (None, each.flow)
    ]  # fmt: skip


def _typed(kind: type[Each]) -> Iterator[type[Each]]:
    """The root tasks that can be typed: those that say where they lead."""
    return (each for each in _subclasses(kind) if not issubclass(each, Goal) or hasattr(each, "last"))
