"""The shipped compose file, brought up as a user does it, on ports and with secrets of its own."""

from __future__ import annotations

import json
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from pipelines.core.statements import ROOT
from tests.containers import SMALL, Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="kpi-stack-") as folder:
        yield Stack(Path(folder), "kpi-stack-test", **SMALL)


# What pytest-docker asks for --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def docker_compose_file() -> str:
    return str(ROOT / "compose.yaml")


@pytest.fixture(scope="session")
def docker_compose_project_name(stack: Stack) -> str:
    return stack.project


@pytest.fixture(scope="session")
def docker_setup() -> list[str]:
    return ["build --quiet", "up --detach --wait --wait-timeout 600"]


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    return ["down --volumes --timeout 5"]


# What the tests ask for -------------------------------------------------------------------------------------------


class Airflow:
    """The stack's Airflow: by the commands that a user types, and by REST to look closer."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.url = stack, f"http://127.0.0.1:{stack.env['AIRFLOW_PORT']}"
        login = {"username": "admin", "password": stack.env["AIRFLOW_ADMIN_PASSWORD"]}
        self.token = ""
        self.token = self.ask("/auth/token", login)["access_token"]

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers), timeout=60) as answer:
            return dict(json.load(answer))

    def trigger(self, dag: str, **conf: Any) -> str:
        return str(self.ask(f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"])

    def last(self, dag: str) -> dict[str, Any]:
        """The newest run."""
        return dict(self.ask(f"/api/v2/dags/{dag}/dagRuns?order_by=-run_after&limit=1")["dag_runs"][0])

    def state(self, dag: str, run: str) -> str:
        return str(self.ask(f"/api/v2/dags/{dag}/dagRuns/{run}")["state"])

    def tasks(self, dag: str, run: str) -> dict[str, dict[str, Any]]:
        found = self.ask(f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
        return {task["task_id"]: task for task in found}

    def wait(self, dag: str, run: str, within: float = 600) -> str:
        """The state in which a run has ended."""
        give_up = time.monotonic() + within
        while (state := self.state(dag, run)) not in ("success", "failed") and time.monotonic() < give_up:
            time.sleep(1)
        return state


@pytest.fixture(scope="session")
def airflow(stack: Stack, docker_services: object) -> Airflow:  # noqa: ARG001 - it is up
    return Airflow(stack)


@pytest.fixture
def warehouse(stack: Stack, docker_services: object) -> Iterator[psycopg.Connection[dict[str, Any]]]:  # noqa: ARG001
    with psycopg.connect(
        host="127.0.0.1", port=stack.env["POSTGRES_PORT"], user="pipeline", dbname="kpi",
        password=stack.env["PIPELINE_DB_PASSWORD"], autocommit=True, row_factory=dict_row,
    ) as connection:  # fmt: skip
        yield connection
