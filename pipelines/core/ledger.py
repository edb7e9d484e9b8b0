"""The ledger: every run (``ops.runs``) and what each of its stages did (``ops.stage_runs``).

The end of a run is written once; nothing else of it changes.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pipelines.core.statements import query

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[dict[str, Any]]
    Row = dict[str, Any]

SESSION = "kpi-delivery run "  # what precedes a run's id in the application_name of its sessions
IDLE_HOURS = 2  # a run of Airflow has no session between its tasks: so long without one is the end of it


@dataclass(frozen=True)
class Engine:
    """Who started a run: ``luigi``, ``airflow`` (with its DAG and run id), or ``python``."""

    name: str = "luigi"
    dag_id: str | None = None
    dag_run_id: str | None = None


def new_run_id() -> UUID:
    """A UUIDv7: ids sort by the time that they were made at."""
    value = (time.time_ns() // 1_000_000) << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    return UUID(int=value)


def session_name(run_id: UUID) -> str:
    """The application_name of a run's sessions: while one of them is there, the run is alive."""
    return f"{SESSION}{run_id}"


def open_run(
    connection: Connection,
    run_id: UUID,
    flow: str,
    root_task: str,
    parameters: Mapping[str, Any],
    run_date: date,
    engine: Engine,
    project_version: str,
) -> None:
    """Add a run; nothing where it is there, since several processes may share one."""
    import socket

    from psycopg.types.json import Jsonb

    connection.execute(query("core/open_run"), {
        "run_id": run_id, "flow": flow, "root_task": root_task, "parameters": Jsonb(dict(parameters)),
        "run_date": run_date, "engine": engine.name, "dag_id": engine.dag_id, "dag_run_id": engine.dag_run_id,
        "host": socket.gethostname(), "process_id": os.getpid(), "project_version": project_version,
    })  # fmt: skip


def finish_run(connection: Connection, run_id: UUID, outcome: str, error: str | None, exit_code: int) -> None:
    """Note how a run ended; a run that has ended stays as it is."""
    connection.execute(
        query("core/finish_run"), {"run_id": run_id, "outcome": outcome, "error": error, "exit_code": exit_code}
    )


def add_stage_run(
    connection: Connection,
    run_id: UUID,
    stage: str,
    key: str,
    outcome: str,
    seconds: float = 0.0,
    fingerprint: str | None = None,
    result: Mapping[str, Any] | None = None,
    source_versions: Mapping[str, Any] | None = None,
    error: str | None = None,
) -> None:
    """Add what a stage did: ``ran``, ``skipped`` (it was current), ``refused`` or ``failed``."""
    from psycopg.types.json import Jsonb

    connection.execute(query("core/add_stage_run"), {
        "run_id": run_id, "stage": stage, "key": key, "outcome": outcome, "seconds": seconds,
        "fingerprint": fingerprint, "result": None if result is None else Jsonb(dict(result)),
        "source_versions": None if source_versions is None else Jsonb(dict(source_versions)), "error": error,
    })  # fmt: skip


def mark_lost(connection: Connection, flow: str, but: UUID) -> list[UUID]:
    """Mark the runs of a flow that neither ended nor have a session any more; return their ids."""
    bound = {"flow": flow, "run_id": but, "session": SESSION, "idle_hours": IDLE_HOURS}
    return [row["run_id"] for row in connection.execute(query("core/mark_lost"), bound)]


def prune(connection: Connection, before: datetime) -> int:
    """Remove the runs that started before a moment, with their stages; return how many there were."""
    return connection.execute(query("core/prune_runs"), {"before": before}).rowcount


def open_run_of(connection: Connection, engine: Engine) -> Row | None:
    """The run of an Airflow DAG run that has not ended: ``run_id`` and ``started_at``."""
    return connection.execute(
        query("core/open_run_of_dag_run"), {"dag_id": engine.dag_id, "dag_run_id": engine.dag_run_id}
    ).fetchone()


def pinned_by(connection: Connection, run_id: UUID, engine: Engine) -> list[Row]:
    """The newest source versions of each stage of a run, or of its DAG run: ``stage``, ``key``, ``source_versions``."""
    bound = {"run_id": run_id, "dag_id": engine.dag_id, "dag_run_id": engine.dag_run_id}
    return connection.execute(query("core/pinned_by_run"), bound).fetchall()


def done_by(connection: Connection, run_id: UUID) -> list[Row]:
    """What the stages of a run did so far, in order: ``stage``, ``key``, ``outcome``, ``seconds``."""
    return connection.execute(query("core/done_by_run"), {"run_id": run_id}).fetchall()


def stages_of(connection: Connection, run_id: UUID) -> list[Row]:
    """What the stages of a run did, in order, each beside the median seconds of its last ten."""
    return connection.execute(query("core/stages_of_run"), {"run_id": run_id}).fetchall()


def runs(connection: Connection, flow: str | None, failed: bool, limit: int) -> list[Row]:
    """The newest runs, each beside the median seconds of the last ten that succeeded of its root task."""
    return connection.execute(query("core/runs"), {"flow": flow, "failed": failed, "limit": limit}).fetchall()


def find_run(connection: Connection, prefix: str) -> Sequence[Row]:
    """The runs whose id begins or ends with some characters; two at most."""
    return connection.execute(query("core/find_run"), {"part": prefix.lower()}).fetchall()
