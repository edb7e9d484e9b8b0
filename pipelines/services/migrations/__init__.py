"""The schema's migrations: revisions that run the SQL files of ``sql/migrations/``, applied by Alembic.

A run applies the pending revisions when it first connects: all of them in one transaction, under an advisory lock.
``ops.schema_revision`` holds the revision of the database.

To add a revision: write ``sql/migrations/0004_<name>.sql`` (or a folder of files, run in their order), and
``versions/0004_<name>.py``, which names it. The rules of the SQL:

- **Running a revision again on a database that has it changes nothing and loses nothing.** Where a table, a view or a
  counting trigger is missing although the head is applied, all revisions are run again, from the first to the last.
  So write CREATE … IF NOT EXISTS, ADD COLUMN IF NOT EXISTS, DROP … IF EXISTS, INSERT … ON CONFLICT DO NOTHING.
- Everything runs within a transaction: no VACUUM, no CREATE INDEX CONCURRENTLY.
- A new table or view is added to ``sql/is_whole.sql``, and each new object and column has its COMMENT ON.
- A revision that has been released is not edited; the next one corrects it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row, tuple_row

from pipelines.core.errors import MigrationFailed, SchemaMismatch, WarehouseUnreachable
from pipelines.core.statements import SQL_DIR, query, text

if TYPE_CHECKING:
    from alembic.config import Config

Connection = psycopg.Connection[dict[str, Any]]
FOLDER = SQL_DIR / "migrations"
TOKENS = re.compile(r"""--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"[^"]*"|\$(\w*)\$.*?\$\1\$|;|[^-/'"$;]+|.""", re.DOTALL)
RIGHTS = (
    "The user needs CREATE on the database, or on the schemas raw, staging, prod, dqm, features and ops, and must own "
    "the tables that are there. Or a DBA applies what `python -m pipelines migrate --sql` prints."
)


def head() -> str:
    """The newest revision that the code knows."""
    return known()[-1]


@lru_cache
def known() -> tuple[str, ...]:
    """All revisions of ``sql/migrations/``, oldest first."""
    return tuple(sorted(path.name[:4] for path in FOLDER.glob("[0-9]*")))


def revision(connection: Connection) -> str | None:
    """The revision that the database is at; None before the first migration.

    Raises:
        MigrationFailed: the user may not read it.
    """
    try:
        with suppress(psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName), connection.transaction():
            row = _read(connection, "read_revision")
            return row["version_num"] if row else None
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationFailed(
            f"The revision of the database cannot be read: {_words(error)}. The user {connection.info.user} needs "
            "USAGE on the schema ops and SELECT on ops.schema_revision."
        ) from error
    return None


def missing(connection: Connection) -> list[str]:
    """The tables, views and counting triggers that the schema of the head has and the database has not."""
    row = _read(connection, "is_whole")
    assert row is not None
    return list(row["missing"])


def require_current(connection: Connection) -> None:
    """Refuses a database whose schema is not that of the code; one read. For read-only callers.

    Raises:
        SchemaMismatch: the database is newer than the code, or older.
    """
    try:
        current = revision(connection)
    except MigrationFailed:
        return  # a user who may read some tables only
    _refuse_newer(current)
    if current is None and not _has_tables(connection):
        return  # the first statement says that there is nothing
    if current != head():
        raise SchemaMismatch(
            f"This database is at revision {current or '0001, or older'}; this code needs {head()}. "
            "The next run upgrades it; or run `python -m pipelines migrate`."
        )


def bring_up(connection: Connection) -> bool:
    """Applies the pending revisions; all of them where something is missing. Nothing changes where one fails.

    Args:
        connection: autocommitting and outside of a transaction.

    Returns:
        Whether anything was applied.

    Raises:
        MigrationFailed: a statement failed, or the user may not.
        SchemaMismatch: the database is newer than the code.
        WarehouseUnreachable: a lock was not given in time, or the connection is lost.
    """
    if is_current(connection):
        return False
    try:
        with _sqlalchemy(connection) as bind:
            connection.execute(query("lock_schema"))
            if is_current(connection):  # another process was faster
                return False
            from_base = revision(connection) in (None, head())
            _upgrade(bind, from_base)
            if not from_base and missing(connection):
                _upgrade(bind, from_base=True)
            if left := missing(connection):
                raise MigrationFailed(
                    f"The revisions up to {head()} were run, but the database still has no {', no '.join(left)}. "
                    "Nothing was changed. Rename what has taken the name, then run again."
                )
    except psycopg.errors.LockNotAvailable as error:
        raise WarehouseUnreachable(
            "The schema cannot be upgraded: another session holds a lock on a table, or another process upgrades the "
            "schema, for longer than LOCK_WAIT_SECONDS. Nothing was changed; run again."
        ) from error
    except psycopg.OperationalError as error:
        raise WarehouseUnreachable(
            f"The upgrade of the schema was interrupted: {_words(error)}. Nothing was changed; run again."
        ) from error
    except psycopg.Error as error:
        raise MigrationFailed(f"The schema cannot be upgraded: {_words(error)}. {_hint(error)}") from error
    return True


def print_sql(connection: Connection) -> str:
    """The SQL of the pending revisions as one script for psql; empty where nothing is pending. Changes nothing.

    Raises:
        MigrationFailed: the user may not read the revision.
        SchemaMismatch: the database is newer than the code.
    """
    from alembic import command

    if is_current(connection):
        return ""
    current = revision(connection)
    start = None if current == head() else current
    output = io.StringIO()
    config = _config(output)
    config.attributes["from_base"] = start is None
    config.attributes["drops_revisions"] = start is None and "table ops.schema_revision" not in missing(connection)
    command.upgrade(config, f"{start}:{head()}" if start else head(), sql=True)
    return (
        f"-- From revision {start or 'none'} to {head()}. Run it as the owner of the tables:\n"
        f"-- psql -v ON_ERROR_STOP=1 -f this file\n\n{output.getvalue()}"
    )


def run(name: str) -> None:
    """Runs ``sql/migrations/<name>.sql``, or the files of that folder in their order. For the files of ``versions/``.

    Raises:
        MigrationFailed: a statement failed; says which one.
    """
    files = sorted((FOLDER / name).glob("*.sql")) or [FOLDER / f"{name}.sql"]
    for file in files:
        run_file(file.relative_to(SQL_DIR).with_suffix("").as_posix())


def run_file(name: str) -> None:
    """Runs ``sql/<name>.sql`` in the current migration; prints it where Alembic prints.

    Raises:
        MigrationFailed: a statement failed.
    """
    from alembic import context

    migration = context.get_context()
    if migration.as_sql:
        migration.impl.static_output(text(name).strip())
        return
    assert migration.connection is not None
    driver = migration.connection.connection.driver_connection  # no text of ours is parsed for parameters
    assert driver is not None
    for statement in statements(text(name)):
        try:
            driver.execute(statement)
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            raise MigrationFailed(
                f"{_step(name)} failed in sql/{name}.sql at `{_shortened(statement)}`: {_words(error)}. "
                f"Nothing was changed. {_hint(error)}"
            ) from error


def statements(script: str) -> Iterator[str]:
    """The statements of an SQL script, split at the semicolons outside of strings, comments and function bodies."""
    statement = ""
    for token in TOKENS.finditer(script):
        if token[0] == ";":
            yield statement.strip()
            statement = ""
        elif not token[0].startswith(("--", "/*")):
            statement += token[0]
    if statement.strip():
        yield statement.strip()


def is_current(connection: Connection) -> bool:
    """Whether the head is applied, and nothing of it is missing; two reads, in milliseconds.

    Raises:
        MigrationFailed: the user may not read the revision.
        SchemaMismatch: the database is newer than the code.
    """
    current = revision(connection)
    _refuse_newer(current)
    return current == head() and not missing(connection)


def _refuse_newer(current: str | None) -> None:
    if current is not None and current not in known():
        raise SchemaMismatch(
            f"This database is at revision {current}; this code knows up to {head()}. Update the code."
        )


def _has_tables(connection: Connection) -> bool:
    """Whether the schema of a version before the migrations is there."""
    return "table raw.bt_crypto_transaction_history" not in missing(connection)


def _read(connection: Connection, name: str) -> dict[str, Any] | None:
    """The first row of ``sql/<name>.sql``, whatever kind of rows the connection makes."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query(name)).fetchone()


@contextmanager
def _sqlalchemy(connection: Connection) -> Iterator[Any]:
    """A connection of SQLAlchemy, which Alembic needs, on that of psycopg; in a transaction, committed at the end.

    That of psycopg is given back as it was: it autocommits, and its rows are dicts.

    Raises:
        psycopg.Error: for errors of both.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import StaticPool

    engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
    connection.autocommit = False
    connection.row_factory = tuple_row  # type: ignore[assignment]
    try:
        with engine.begin() as bind:
            yield bind
    except DBAPIError as error:
        raise (error.orig or error) from None
    finally:
        connection.row_factory = dict_row
        if not connection.closed:
            connection.autocommit = True


def _upgrade(bind: Any, from_base: bool) -> None:
    from alembic import command

    config = _config()
    config.attributes |= {"connection": bind, "from_base": from_base}
    command.upgrade(config, head())


def _config(output: io.StringIO | None = None) -> Config:
    from alembic.config import Config

    config = Config(output_buffer=output or io.StringIO())
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def _step(name: str) -> str:
    number = name.removeprefix("migrations/")[:4]
    return f"Revision {number}" if number.isdigit() else "The upgrade"


def _shortened(statement: str) -> str:
    words = " ".join(statement.split())
    return words if len(words) <= 120 else f"{words[:119]}…"


def _words(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).strip().rstrip(".")


def _hint(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return RIGHTS
    return "Remove what is in the way, then run again."
