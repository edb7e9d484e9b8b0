"""PostgreSQL, MinIO, MLflow and Spark in containers, each as compose.yaml has it, and one more that types commands."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # its image is in a registry; the fixtures clean up

import psycopg
import pytest
from docker.models.containers import ExecResult
from psycopg.rows import dict_row
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from tests.containers import SMALL, Stack, healthy

READY_WITHIN = 180  # seconds
COLUMNS = "site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units"


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    said: str


@dataclass
class Servers:
    """The containers by the names of their services."""

    stack: Stack
    network: Network
    settings: dict[str, str]
    running: dict[str, DockerContainer] = field(default_factory=dict)

    def start(self, name: str, **more: Any) -> DockerContainer:
        """A service of compose.yaml; ready when its health check says so."""
        told = self.stack.services()[name]
        container = (
            DockerContainer(told["image"], command=told.get("command"), shm_size=told.get("shm_size"), **more)
            .with_envs(**told.get("environment", {}))
            .with_network(self.network)
            .with_network_aliases(name)
            .with_exposed_ports(*(port["target"] for port in told.get("ports", [])))
        )
        self.running[name] = container.start()
        self.wait_for(name)
        return container

    def wait_for(self, name: str) -> None:
        check = healthy(self.stack.services()[name]["healthcheck"]["test"])
        give_up = time.monotonic() + READY_WITHIN
        while self.docker(name).exec_run(check).exit_code:
            if time.monotonic() > give_up:
                pytest.fail(f"{name} is not ready:\n{self.log(name)[-3000:]}", pytrace=False)
            time.sleep(0.3)

    def docker(self, name: str) -> Any:
        """The container as Docker's own library has it: to kill, pause and start it."""
        return self.running[name].get_wrapped_container()

    def log(self, name: str) -> str:
        return str(self.docker(name).logs().decode(errors="replace"))

    def kill(self, name: str) -> None:
        self.docker(name).kill()
        self.docker(name).wait()

    def start_again(self, name: str) -> None:
        self.docker(name).start()
        self.wait_for(name)

    def run(self, *command: str, **settings: str) -> Done:
        """A command of ours, in a container of the stack's image."""
        done: ExecResult = self.docker("client").exec_run(list(command), environment=settings)
        return Done(int(done.exit_code or 0), done.output.decode(errors="replace"))

    def luigi(self, *argv: str, **settings: str) -> Done:
        return self.run("luigi", "--module", "pipelines", *argv, **settings)

    def port(self, name: str, inside: int) -> int:
        return int(self.running[name].get_exposed_port(inside))

    def warehouse(self, user: str = "pipeline", database: str = "kpi") -> psycopg.Connection[dict[str, Any]]:
        """A connection from outside, as one of the users."""
        name = "POSTGRES_PASSWORD" if user == "postgres" else f"{user.upper()}_DB_PASSWORD"
        return psycopg.connect(
            host="127.0.0.1", port=self.port("postgres", 5432), user=user, dbname=database,
            password=self.stack.env[name], autocommit=True, row_factory=dict_row,
        )  # fmt: skip

    def buckets(self) -> Any:
        return self.stack.s3(self.port("minio", 9000))


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """All of them, with the databases, users and buckets that the stack's init makes."""
    with tempfile.TemporaryDirectory(prefix="kpi-integration-") as folder, ExitStack() as ending:
        stack = Stack(Path(folder), "kpi-integration", LOCK_WAIT_SECONDS="20", MIN_ROWS_PER_DAY="0", **SMALL)
        stack.build()
        network = ending.enter_context(Network())
        told = stack.services()
        servers = Servers(stack, network, told["airflow-worker"]["environment"])
        ending.callback(lambda: [container.stop() for container in servers.running.values()])
        servers.start("postgres")
        servers.start("minio")
        servers.running["client"] = (
            DockerContainer(told["init"]["image"], command=["sleep", "infinity"])
            .with_envs(**servers.settings)
            .with_network(network)
            .start()
        )
        made = servers.run("python", "-m", "scripts.stack_init", **told["init"]["environment"])
        assert made.code == 0, made.said
        for name in ("mlflow", "spark-master", "spark-worker"):
            servers.start(name)
        yield servers


@pytest.fixture
def warehouse(servers: Servers) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    with servers.warehouse() as connection:
        yield connection
