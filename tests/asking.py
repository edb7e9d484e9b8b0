"""What the tests of asking share: all that can be asked, and what is there before and after."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from luigi.task import flatten
from psycopg import sql

import pipelines
from pipelines.core.errors import MissingInput
from pipelines.core.stage import FlowTask, stages
from pipelines.services.warehouse import Connection, Row

COMMANDS = ("status", "runs", "runs show 0", "rejects", "models", "why merge_to_prod", "why notify_success")
# All that can be asked about a date, in one process; each line of output is a question and its answer.
QUESTIONS = f"""
import datetime, sys
from tests.asking import answer, asked, everything
for task in everything(datetime.date.fromisoformat(sys.argv[1])):
    print(task.task_family, [each.task_family for each in asked(task) if answer(each)])
from pipelines import __main__
for command in {COMMANDS!r}:
    sys.argv = ["pipelines", *command.split()]
    print(command, __main__.main())
"""


def everything(day: date) -> list[FlowTask]:
    """Every root task and every stage of both flows."""
    kinds: list[Any] = [getattr(pipelines, name) for name in pipelines.__all__]
    return [kind(date=day) for kind in [*kinds, *stages()]]


def asked(task: FlowTask) -> Iterator[FlowTask]:
    """The tasks that Luigi asks before it runs one: itself, and all that come before it."""
    yield task
    for before in flatten(task.requires()):
        yield from asked(before)


def answer(task: FlowTask) -> bool:
    """Whether a task is complete; False where it refuses to be asked before others have run."""
    try:
        return bool(task.complete())
    except MissingInput:
        return False


def files(*folders: Path) -> dict[str, int]:
    """Every file and folder with the time of its last change; what the embedded server writes itself is left out."""
    found = [path for folder in folders for path in [folder, *folder.rglob("*")] if path.exists()]
    return {str(path): path.lstat().st_mtime_ns for path in found if "postgres" not in path.parts}


def objects(connection: Connection) -> list[Row]:
    """Schemas, tables, indexes, sequences, functions and triggers, as the catalog has them."""
    return connection.execute(
        "SELECT 'schema' AS kind, nspname::text AS name, xmin::text FROM pg_namespace WHERE nspname !~ '^pg_.*temp'"
        " UNION ALL SELECT 'relation', concat_ws(' ', oid::regclass, relkind, relfilenode), oid::text FROM pg_class"
        " UNION ALL SELECT 'function', oid::regprocedure::text, xmin::text FROM pg_proc"
        " UNION ALL SELECT 'trigger', concat_ws(' ', tgname, tgrelid::regclass), xmin::text FROM pg_trigger"
        " ORDER BY 1, 2, 3"
    ).fetchall()


def contents(connection: Connection) -> dict[str, list[str]]:
    """Every row of our schemas, with the transaction that wrote it."""
    tables = connection.execute(
        "SELECT schemaname, tablename FROM pg_tables"
        " WHERE schemaname IN ('raw', 'staging', 'prod', 'dqm', 'features', 'ops') ORDER BY 1, 2"
    ).fetchall()
    found = {}
    for table in tables:
        name = sql.Identifier(table["schemaname"], table["tablename"])
        rows = connection.execute(sql.SQL("SELECT xmin::text || t::text AS row FROM {} AS t").format(name))
        found[f"{table['schemaname']}.{table['tablename']}"] = sorted(row["row"] for row in rows)
    return found
