"""What the tests of the churn flow share: worlds of their own, lived in by the commands that users type."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo, sql
from psycopg.rows import dict_row

from pipelines.core.statements import ROOT
from pipelines.services import warehouse
from pipelines.services.artifacts import Place
from pipelines.services.settings import Settings

DATE = "2019-06-01"  # the day after the last payment of generated files
CRUDE = {"CHURN_REG_PARAMS": "0.2", "CHURN_ELASTIC_NET_PARAMS": "1"}  # a model of one feature or two
GOOD = {"CHURN_REG_PARAMS": "0.01", "CHURN_ELASTIC_NET_PARAMS": "0"}
SMALL = {"CHURN_USERS": "1500", "LOCK_WAIT_SECONDS": "600", **GOOD}
DECISION = ["decide_promotion", "promote_model", "notify_success"]
LEARNING = ["train_spark_model", "evaluate_candidate", *DECISION]
TRAINING = ["clean_raw_sources", "feature_engineering", *LEARNING]
LINE = re.compile(r"\d\d:\d\d:\d\d ")  # how each of our lines on standard error begins


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def stages(self) -> list[str]:
        """Those that did something."""
        return re.findall(r"(\w+) done in", self.err)


class World:
    """A database, files, models and artifacts of their own."""

    at_once: list[Done]  # what two trainings said that were started together
    crude: dict[str, Any]  # the record of what they trained
    life: Done  # what the run of everything after them said

    def __init__(self, folder: Path, name: str, **settings: str) -> None:
        self.folder, self.name, self.settings, self.code = folder, name, {**SMALL, **settings}, ROOT
        self.state = folder / "state"
        self.files, self.artifacts = self.state / "churn_data", self.state / "artifacts"
        folder.mkdir(parents=True, exist_ok=True)
        self._recreate("template1")

    # Commands ------------------------------------------------------------------------------------------------------

    def env(self, **settings: str) -> dict[str, str]:
        ours = {name.upper() for name in Settings.model_fields}
        theirs = {name: value for name, value in os.environ.items() if name not in ours}
        return {**theirs, "PYTHONPATH": str(self.code), "STATE_DIR": str(self.state), "POSTGRES_DSN": self.dsn(),
                **self.settings, **settings}  # fmt: skip

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """Begin a command in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, *arguments], cwd=self.code, env=self.env(**settings), text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str, **settings: str) -> Done:
        return ended(self.start(*arguments, **settings))

    def luigi(self, *arguments: str, code: int = 0, **settings: str) -> Done:
        """Run a root task of the flow to its end, and look at its exit code."""
        done = self.run("-m", "luigi", "--module", "pipelines", *arguments, **settings)
        assert done.code == code, done.err + done.out
        return done

    def train(self, *arguments: str, **settings: str) -> Done:
        return self.luigi("ChurnTraining", "--date", DATE, *arguments, **settings)

    def ran(self, root: str, *arguments: str, **settings: str) -> list[str]:
        """The stages that did something; where there are none, the run has told so."""
        done = self.luigi(root, *arguments, **settings)
        assert done.stages or "Nothing to do" in done.out, done.out
        return done.stages

    def command(self, *arguments: str, code: int = 0, **settings: str) -> Done:
        """``python -m pipelines …``"""
        done = self.run("-m", "pipelines", *arguments, **settings)
        assert done.code == code, done.err + done.out
        return done

    # What is there -------------------------------------------------------------------------------------------------

    def dsn(self) -> str:
        return conninfo.make_conninfo(warehouse.dsn(), dbname=self.name)

    def connect(self, **options: Any) -> psycopg.Connection[dict[str, Any]]:
        return psycopg.connect(self.dsn(), row_factory=dict_row, **options)

    def rows(self, statement: str) -> list[dict[str, Any]]:
        with self.connect() as connection:
            return connection.execute(statement).fetchall()

    def execute(self, *statements: str) -> None:
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement)

    def record(self, stage: str) -> dict[str, Any]:
        """The result in the newest materialization of a stage."""
        newest = (
            f"SELECT result FROM ops.materializations WHERE flow = 'churn' AND stage = '{stage}'"
            " ORDER BY finished_at DESC LIMIT 1"
        )
        return self.rows(newest)[0]["result"]

    @property
    def tracking(self) -> str:
        return f"sqlite:///{self.state}/mlflow/mlflow.db"

    def mlflow(self, statement: str) -> list[tuple[Any, ...]]:
        """A question to the store of MLflow."""
        with closing(sqlite3.connect(self.state / "mlflow" / "mlflow.db", timeout=10)) as store:
            return store.execute(statement).fetchall()

    def aliases(self, model: str = "churn-model") -> dict[str, str]:
        asked = f"SELECT alias, version FROM registered_model_aliases WHERE name = '{model}'"
        return {alias: str(version) for alias, version in self.mlflow(asked)}

    def versions(self, model: str = "churn-model") -> list[str]:
        asked = f"SELECT version FROM model_versions WHERE name = '{model}' ORDER BY version"
        return [str(version) for (version,) in self.mlflow(asked)]

    def runs(self) -> list[tuple[str, str]]:
        """Fingerprint and status of the runs of churn-model that were not deleted."""
        return self.mlflow(
            "SELECT tags.value, runs.status FROM runs JOIN tags USING (run_uuid) JOIN experiments USING (experiment_id)"
            " WHERE tags.key = 'kpi.fingerprint' AND runs.lifecycle_stage = 'active'"
            " AND experiments.name = 'churn_retention'"
        )

    def logged(self, version: str, model: str = "churn-model") -> Path:
        """The folder of a registered model."""
        asked = f"SELECT storage_location FROM model_versions WHERE name = '{model}' AND version = {version}"
        return Path(self.mlflow(asked)[0][0].removeprefix("file://"))

    def edit(self, file: str, change: Callable[[str], str]) -> None:
        """Write a file of the sources again, changed."""
        path = self.files / file
        before = path.read_text(encoding="utf-8")
        after = change(before)
        assert after != before
        path.write_text(after, encoding="utf-8")

    # Keeping and restoring -----------------------------------------------------------------------------------------

    def keep(self) -> None:
        """Let ``restore`` bring back what is there now."""
        shutil.copytree(self.state, self.folder / "kept", symlinks=True)
        with _admin() as admin:
            admin.execute(_of("CREATE DATABASE {} TEMPLATE {}", f"{self.name}_kept", self.name))

    def restore(self) -> None:
        self.code = ROOT
        shutil.rmtree(self.state)
        shutil.copytree(self.folder / "kept", self.state, symlinks=True)
        _reopen_stores()
        self._recreate(f"{self.name}_kept")
        place = Place(str(self.files))  # the copies have other times: asking alone would not know their content
        with self.connect() as connection:
            for file in place.names():
                values = (place.version(file), place.at(file))
                connection.execute("UPDATE ops.source_hashes SET version = %s WHERE path = %s", values)

    def _recreate(self, template: str) -> None:
        with _admin() as admin:
            admin.execute(_of("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name))
            admin.execute(_of("CREATE DATABASE {} TEMPLATE {}", self.name, template))


def _reopen_stores() -> None:
    """MLflow keeps its files open, in this process: those that were put in their place are others."""
    for kind in ("tracking", "model_registry"):
        if module := sys.modules.get(f"mlflow.store.{kind}.sqlalchemy_store"):
            for engine in module.SqlAlchemyStore._engine_map.values():
                engine.dispose()


def _of(statement: str, *names: str) -> sql.Composed:
    return sql.SQL(statement).format(*map(sql.Identifier, names))


def _admin() -> psycopg.Connection[Any]:
    """A connection that may make and drop databases."""
    return psycopg.connect(conninfo.make_conninfo(warehouse.dsn(), dbname="postgres"), autocommit=True)


# Processes --------------------------------------------------------------------------------------------------------


def ended(process: subprocess.Popen[str]) -> Done:
    out, err = process.communicate(timeout=400)
    assert "Traceback" not in err, err
    return Done(process.returncode, out, err)


def kill(process: subprocess.Popen[str]) -> None:
    """``kill -9`` of the whole group: Spark's Java too."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@contextmanager
def unrecorded(world: World, stage: str, key: str) -> Iterator[Callable[[], bool]]:
    """While it lasts, a stage that has done its work waits before its materialization; the function says whether."""
    with world.connect() as holder, world.connect(autocommit=True) as looker:
        holder.execute(
            "INSERT INTO ops.materializations (flow, stage, key, fingerprint, result, seconds)"
            " VALUES ('churn', %s, %s, '', '{}', 0)",
            (stage, key),
        )
        waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        yield lambda: looker.execute(waits).rowcount > 0
        holder.rollback()


def wait_for(event: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Until the event has happened; an error where the process ends before it."""
    while not event():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
