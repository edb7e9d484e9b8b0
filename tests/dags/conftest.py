"""A real metadata database for Airflow, beside the warehouse of a world of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from pipelines.services import warehouse
from pipelines.services.settings import settings
from scripts import airflow_home
from tests.churn import World
from tests.dags.running import Dags

# Before anything imports Airflow: it reads its settings once.
os.environ["AIRFLOW_HOME"] = str(settings().home / "airflow")
airflow_home.path().mkdir(parents=True)
airflow_home.write_config(airflow_home.path())


@pytest.fixture(scope="session")
def dags(state: Path) -> Iterator[Dags]:
    """The DAGs, run in this process on PostgreSQL: metadata in a database of its own."""
    with warehouse.connect() as connection:
        connection.execute("CREATE DATABASE airflow")
    parts = conninfo.conninfo_to_dict(warehouse.dsn())
    for way in ("SQL_ALCHEMY_CONN", "SQL_ALCHEMY_CONN_ASYNC"):
        os.environ[f"AIRFLOW__DATABASE__{way}"] = f"postgresql+psycopg://{parts['user']}@/airflow?host={parts['host']}"
    world = World(state / "world", "world", MIN_ROWS_PER_DAY="100", LOCK_WAIT_SECONDS="60")
    before = dict(os.environ)
    os.environ.update(world.env())
    settings.cache_clear()
    from airflow.utils.db import initdb

    initdb()
    yield Dags(world)
    os.environ.clear()
    os.environ.update(before)
    settings.cache_clear()


@pytest.fixture
def history(dags: Dags) -> Iterator[psycopg.Connection[dict[str, object]]]:
    """A connection to the warehouse that the DAGs work on, with no crypto row in it."""
    with dags.world.connect(autocommit=True) as connection:
        yield connection
