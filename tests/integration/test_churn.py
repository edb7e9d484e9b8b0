"""The churn flow on a Spark cluster, an MLflow server and S3, by settings alone; and when one of them goes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.containers import keys
from tests.integration.conftest import Done, Servers

pytestmark = pytest.mark.timeout(1500)  # the first of them waits for all servers and for the whole life
FILES = ("PAYMENTS.csv", "ACTIVE_USER.csv", "DEMOGRAFICOS.csv", "DINERO_CUENTA.csv", "MARKETPLACE_DATA.csv",
         "EVALUATE.csv")  # fmt: skip
TWO_ENGINES = """
import json
from datetime import date
from pipelines.services import artifacts
from pipelines.churn import features
from pipelines.churn.tasks import CleanRawSources
from pipelines.core.statements import text
clean = CleanRawSources().result()
store, values = artifacts.store(), features.bound(date(2019, 5, 2), clean.known_until)
assert features.runs_on_spark(0)
tables = []
for engine in (features.on_duckdb, features.on_spark):
    with engine(store, clean.folder) as ask:
        tables.append(ask(text("churn/features"), values))
same = [(table.schema.types, table.to_pydict()) for table in tables]
print(json.dumps({"rows": tables[0].num_rows, "equal": same[0] == same[1]}))
"""
SCORE = """
import json
from pipelines.churn import registry
model = registry.load("churn-model", "1")
print(json.dumps({"probability": float(model.predict(model.input_example)[0])}))
"""


def during(
    servers: Servers, started: Callable[[], object], do: Callable[[], None], *argv: str, **settings: str
) -> Done:
    """Run a root task; when something has started, do something to the servers."""
    ended: list[Done] = []
    running = threading.Thread(target=lambda: ended.append(servers.luigi(*argv, **settings)))
    running.start()
    while running.is_alive() and not started():
        time.sleep(0.1)
    assert running.is_alive(), f"it had ended before: {ended}"
    do()
    running.join()
    return ended[0]


def last_json(done: Done) -> Any:
    assert done.code == 0, done.said
    return json.loads(done.said.splitlines()[-1])


def test_s3_gone_while_files_are_written(servers: Servers) -> None:
    s3 = servers.buckets()
    done = during(servers, lambda: keys(s3, "churn-data"), lambda: servers.kill("minio"), "Churn")
    servers.start_again("minio")
    assert done.code == 30, done.said
    assert "S3 refuses or does not answer" in done.said
    assert "Traceback" not in done.said


def test_the_whole_life_ends_in_the_bucket_and_in_the_servers(servers: Servers) -> None:
    done = servers.luigi("Churn")
    assert done.code == 0, done.said
    assert "Traceback" not in done.said
    assert "churn-logreg (version 1)" in done.said
    assert not [secret for secret in servers.stack.secrets() if secret in done.said]
    s3 = servers.buckets()
    assert set(keys(s3, "churn-data", "extract/")) == set(FILES)
    assert keys(s3, "mlflow-artifacts", "drift-reports/") == ["2019-05-26.html"]
    told = json.loads(s3.Object("mlflow-artifacts", "churn/last_training.json").get()["Body"].read())
    assert told["decision"] == "promote"
    assert set(told["inputs"]) == set(FILES)
    assert any(name.endswith("payments.parquet") for name in keys(s3, "mlflow-artifacts", "churn/clean/"))
    logged = keys(s3, "mlflow-artifacts", "mlflow/")
    for artifact in ("dataset/churn_features.parquet", "explainability/shap_summary.png", "coefficients.json"):
        assert any(name.endswith(artifact) for name in logged), artifact
    assert not {"artifacts", "churn_data", "data_docs", "mlflow", "postgres"} & {
        *servers.run("ls", "/state").said.split()
    }
    assert "Nothing to do" in servers.luigi("Churn").said


def test_the_cluster_computes_the_features_that_duckdb_does(servers: Servers) -> None:
    told = last_json(servers.run("python", "-c", TWO_ENGINES))
    assert told["rows"] > 1000
    assert told["equal"]
    assert "Launch command" in servers.log("spark-worker")  # its executors did it


def test_the_model_of_the_server_scores_and_the_watchdog_remembers_in_the_bucket(servers: Servers) -> None:
    assert 0 < last_json(servers.run("python", "-c", SCORE))["probability"] < 1
    assert "production" in servers.run("python", "-m", "pipelines", "models").said
    assert "6 changed" in servers.luigi("ChurnWatchdog").said
    assert "Nothing changed" in servers.luigi("ChurnWatchdog").said
    assert "source_hashes.json" in keys(servers.buckets(), "mlflow-artifacts", "churn/")


def test_mlflow_down_while_training(servers: Servers) -> None:
    another = {"CHURN_REG_PARAMS": "0.02"}
    done = during(servers, lambda: at_work(servers), lambda: servers.kill("mlflow"), "ChurnTraining", **another)
    assert done.code == 30, done.said
    assert "MLflow at http://mlflow:5000 refuses or does not answer" in done.said
    assert "Traceback" not in done.said
    servers.start_again("mlflow")
    done = servers.luigi("ChurnTraining", **another)
    assert done.code == 0, done.said
    assert "AUC of candidate (version 2)" in done.said


def test_a_spark_worker_killed_while_training(servers: Servers) -> None:
    def killed_and_started() -> None:
        servers.kill("spark-worker")
        servers.start_again("spark-worker")

    done = during(servers, lambda: at_work(servers), killed_and_started, "ChurnTraining", CHURN_REG_PARAMS="0.03")
    assert done.code == 0, done.said
    assert "AUC of candidate (version 3)" in done.said


def at_work(servers: Servers) -> bool:
    """Whether Spark has a job, as the master sees it."""
    return (
        '"coresused" : 2'
        in servers.docker("spark-master").exec_run(["curl", "-s", "http://127.0.0.1:8082/json/"]).output.decode()
    )


def test_no_log_shows_a_secret(servers: Servers) -> None:
    for name in servers.running:
        log = servers.log(name)
        assert not [secret for secret in servers.stack.secrets() if secret in log], name
