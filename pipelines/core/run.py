"""One execution of a flow: its id, clock, connections, lock, pinned source versions, and its entry in the ledger.

Before a run begins it only reads, through a connection that cannot write. ``open`` migrates the database and adds the
run to the ledger; ``begin`` also takes the flow's lock. The caller makes the run: the Luigi command (by its first
task), Airflow's operator, the command line, a notebook. It is passed to the work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

from pipelines.core import code_version, ledger
from pipelines.core.errors import AlreadyRunning, Interrupted, PipelineError, outcome_of
from pipelines.core.ledger import Engine
from pipelines.core.statements import ROOT, query

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[dict[str, Any]]

Versions = dict[str, Any]
T = TypeVar("T")


class Environment(Protocol):
    """What a run takes from outside; ``services.environment`` has the one that the project uses."""

    def today(self) -> date:
        """The calendar day now, in the project's zone."""

    def day_of(self, moment: datetime) -> date:
        """The calendar day of a moment, in the project's zone."""

    def lock_wait_seconds(self) -> float: ...

    def history_days(self) -> int:
        """How long runs stay in the ledger."""

    def project_version(self) -> Callable[[], str]:
        """Starts to ask which version of the project runs; the function waits for the answer."""

    def connect(self, session_name: str) -> Connection:
        """A connection that may write, to a database whose migrations are applied."""

    def reader(self, session_name: str) -> Connection | None:
        """A connection that cannot write; None where there is no database yet, or its migrations are not applied."""

    def explained(self, what: str) -> AbstractContextManager[None]:
        """Turns failures of the database into errors of ours."""

    def code_cache(self) -> Path:
        """The file that keeps code versions for the next process."""

    def note(self, text: str) -> None:
        """Shows a line about the run."""

    def showing(self, stage: str, key: str, quiet: bool) -> AbstractContextManager[Callable[[dict[str, Any]], None]]:
        """Shows that a stage is at work, and how it ended; the function takes its result."""

    def adopt_luigi_command(self, root_tasks: Sequence[str]) -> None:
        """Lets the command ``luigi`` show our errors in their own words, with their exit codes."""

    def report(self, error: PipelineError) -> None:
        """Shows an error to whoever typed the command ``luigi``, which exits with its code; elsewhere nothing."""


class Run:
    """One execution of a flow.

    Attributes:
        run_date: the date that the run is for.
        today: the calendar day of its start, in the project's zone; it stays the same past midnight.
        has_ended: whether ``finish`` was called in this process.
        pins: source versions by stage and key, as this run saw them: what arrives later belongs to the next run.
    """

    def __init__(
        self,
        environment: Environment,
        flow: str,
        root_task: str,
        run_date: date,
        parameters: Mapping[str, Any],
        engine: Engine | None = None,
    ) -> None:
        self.environment, self.flow, self.root_task = environment, flow, root_task
        self.run_date, self.parameters, self.engine = run_date, parameters, engine or Engine()
        self.id: UUID = ledger.new_run_id()
        self.today = environment.today()
        self.pins: dict[str, Versions] = {}
        self.has_ended = False
        self._sources = code_version.Code(ROOT)
        self._answers: dict[Hashable, Any] | None = None
        self._code: dict[str, code_version.CodeVersion] = {}
        self._sessions: dict[int, _Session] = {}  # by process: `luigi --workers` forks

    # Asking ----------------------------------------------------------------------------------------------------------

    @property
    def has_begun(self) -> bool:
        """Whether this process holds the flow's lock for the run, and may write."""
        return self._session.locked

    def reader(self) -> Connection | None:
        """The connection to ask by: that of the work once it has begun; None where nothing is there to be read."""
        session = self._session
        if session.main is not None:
            return session.main
        if session.reader is None or session.reader.closed:
            session.reader = self.environment.reader(ledger.session_name(self.id))
        return session.reader

    @contextmanager
    def consistent_reader(self) -> Iterator[Connection | None]:
        """The connection to ask by, which sees one state of the database meanwhile: another run may be at work.

        A run that has begun sees it as it is: it holds the flow's lock.
        """
        if self._answers is not None:  # within another question
            yield self.reader()
            return
        connection = self.reader()
        self._answers = {}
        try:
            if connection is None or self.has_begun:
                yield connection
                return
            with connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                yield connection
        finally:
            self._answers = None

    def once(self, question: Hashable, answer: Callable[[], T]) -> T:
        """The answer to a question that a snapshot asks again and again, read once; outside of one, read afresh."""
        if self._answers is None:
            return answer()
        if question not in self._answers:
            self._answers[question] = answer()
        found: T = self._answers[question]
        return found

    def code_of(self, entry: str, entries: Sequence[str]) -> code_version.CodeVersion:
        """The code version of a work function as the files were when this run first asked.

        Args:
            entry: the work function.
            entries: those of the whole flow: they share most of their code.
        """
        if entry not in self._code:
            cache = self.environment.code_cache()
            self._code |= code_version.versions(ROOT, sorted({entry, *entries}), cache, self._sources)
        return self._code[entry]

    # Working ---------------------------------------------------------------------------------------------------------

    @property
    def connection(self) -> Connection:
        """The connection of the work; it holds the flow's lock, so that losing the lock means losing the work."""
        main = self._session.main
        if main is None:
            raise RuntimeError(f"The run of {self.root_task} has not begun: Run.open or Run.begin comes first.")
        return main

    def open(self) -> None:
        """Migrates the database where needed, and adds the run to the ledger; nothing where this process has done so.

        Raises:
            PipelineError: the database is away, refuses, or is newer than the code.
        """
        session = self._session
        if session.main is not None and not session.main.closed:
            return
        version = self.environment.project_version()
        session.main = main = self.environment.connect(ledger.session_name(self.id))
        session.locked = False
        if session.reader is not None:
            session.reader.close()
            session.reader = None
        with self.environment.explained(self.root_task):
            if self.engine.name == "airflow":
                self._resume(main)
            ledger.open_run(
                main, self.id, self.flow, self.root_task, self.parameters, self.run_date, self.engine,
                version(),
            )  # fmt: skip
            ledger.mark_lost(main, self.flow, self.id)
            ledger.prune(main, datetime.now(UTC) - timedelta(days=self.environment.history_days()))

    def begin(self) -> None:
        """Opens the run and takes the flow's lock. Replaces ``pins`` with those that processes of the run have noted in
        the ledger: Airflow's tasks, `luigi --workers`.

        Raises:
            AlreadyRunning: another run still held the lock after ``LOCK_WAIT_SECONDS``.
            PipelineError: as in ``open``.
        """
        session = self._session
        if session.main is not None and not session.main.closed and session.locked:
            return
        self.open()
        with self.environment.explained(self.root_task):
            self._lock()
            session.locked = True
            # The lock may have been that of a killed run, whose session the server had not noticed to be gone.
            ledger.mark_lost(self.connection, self.flow, self.id)
            self.pins = {
                f"{row['stage']} {row['key']}": row["source_versions"]
                for row in ledger.pinned_by(self.connection, self.id, self.engine)
            }

    @contextmanager
    def transaction(self, lock: str | None = None) -> Iterator[Connection]:
        """A transaction that sees one snapshot of the database from its first statement to its last.

        Args:
            lock: the query that locks what is read, before the snapshot is taken: a TRUNCATE that commits after it
                would leave a table that looks empty, though it never was.
        """
        with self.connection.transaction():
            self.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            if lock:
                self.connection.execute(query(lock))
            yield self.connection

    def note_stage(self, stage: str, key: str, outcome: str, **facts: Any) -> None:
        """Adds to the ledger what a stage did, in the transaction that is open, if any: both commit, or neither."""
        ledger.add_stage_run(self.connection, self.id, stage, key, outcome, **facts)

    def note_failure(self, stage: str, key: str, outcome: str, **facts: Any) -> None:
        """Adds to the ledger that a stage failed, by a session of its own where that of the work is gone."""
        if self._session.main is not None:
            self._record(lambda connection: ledger.add_stage_run(connection, self.id, stage, key, outcome, **facts))

    def finish(self, outcome: str = "succeeded", error: BaseException | None = None, exit_code: int = 0) -> None:
        """Notes how the run ended, and frees the lock; an outcome that was noted before stays."""
        if self._session.main is not None:
            text = None if error is None else str(error) or type(error).__name__
            self._record(lambda connection: ledger.finish_run(connection, self.id, outcome, text, exit_code))
        self.has_ended = True
        self.close()

    def fail(self, error: BaseException) -> None:
        """Notes that an error ended the run, with the outcome and the exit code of its kind."""
        known = Interrupted("Interrupted: Ctrl-C.") if isinstance(error, KeyboardInterrupt) else error
        exit_code = known.exit_code if isinstance(known, PipelineError) else PipelineError.exit_code
        self.finish(outcome_of(error), known, exit_code)

    def close(self) -> None:
        """Closes this process's connections, and with them frees the lock; the run may go on in another process.

        Leaves the code versions that it computed in the cache: a first run asks for them only once it is open.
        """
        if (session := self._sessions.pop(os.getpid(), None)) is None:
            return
        for connection in (session.main, session.reader):
            if connection is not None:
                connection.close()
        if session.main is not None and self._code and self._sources.contents:  # some were not in the cache
            code_version.write_cache(ROOT, sorted(self._code), self.environment.code_cache(), self._sources)

    # How -------------------------------------------------------------------------------------------------------------

    @property
    def _session(self) -> _Session:
        return self._sessions.setdefault(os.getpid(), _Session())

    def _resume(self, main: Connection) -> None:
        """Joins the run that an earlier task of this DAG run opened, if any."""
        if found := ledger.open_run_of(main, self.engine):
            self.id, self.today = found["run_id"], self.environment.day_of(found["started_at"])
            main.execute(query("core/name_session"), {"name": ledger.session_name(self.id)})

    def _lock(self) -> None:
        give_up = time.monotonic() + self.environment.lock_wait_seconds()
        is_noted = False
        while not self._take_lock():
            holder = self.connection.execute(query("core/lock_holder"), {"flow": self.flow}).fetchone()
            who = holder["who"] if holder else "another run"
            if holder and holder["since"]:  # another role may not see it
                who += f" since {holder['since']:%H:%M:%S}"
            if time.monotonic() >= give_up:
                raise AlreadyRunning(
                    f"Another run of the {self.flow} flow is at work ({who}). "
                    "Let it end and try again, or raise LOCK_WAIT_SECONDS to wait longer."
                )
            if not is_noted:
                self.environment.note(f"another run of the {self.flow} flow is at work ({who}): waiting for it")
                is_noted = True
            time.sleep(0.2)

    def _take_lock(self) -> bool:
        row = self.connection.execute(query("core/try_lock"), {"flow": self.flow}).fetchone()
        return bool(row and row["locked"])

    def _record(self, add: Callable[[Connection], None]) -> None:
        """Adds to the ledger how the run or a stage ended, outside of any transaction.

        By a session of its own where that of the work is gone. Where that fails too, a run stays without an end, and
        the next run marks it as lost.
        """
        import psycopg

        main = self._session.main
        try:
            if main is None or main.closed or main.broken:
                raise psycopg.OperationalError
            add(main)
        except psycopg.Error:
            with suppress(psycopg.Error, PipelineError), self.environment.connect(f"{ledger.SESSION}ledger") as own:
                add(own)


class _Session:
    """The connections of one process for a run."""

    def __init__(self) -> None:
        self.main: Connection | None = None
        self.reader: Connection | None = None
        self.locked = False
