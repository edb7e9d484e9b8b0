"""The model that was registered: it answers without Spark as Spark would, and MLflow holds all that explains it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from pipelines.churn import scoring, training
from pipelines.churn.declaration import CATEGORIES, FEATURES, NUMERIC
from pipelines.churn.linear_model import squashed
from tests.churn import World

SAME = 1e-12  # sums may be added in another order
ALONE = """
import json, sys
import pandas as pd
for name in ("pyspark", "py4j"):
    sys.modules[name] = None  # importing it fails
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/churn-model@production")
print(json.dumps(model.predict(pd.read_parquet(sys.argv[2])[model.metadata.get_input_schema().input_names()]).tolist()))
"""


@pytest.fixture(scope="module")
def run(lived: World) -> Any:
    """The run of the model in production, as MLflow tells of it."""
    from mlflow import MlflowClient

    client = MlflowClient(lived.tracking, lived.tracking)
    return client.get_run(client.get_model_version_by_alias("churn-model", "production").run_id)


@pytest.fixture(scope="module")
def artifacts(run: Any) -> Path:
    return Path(run.info.artifact_uri.removeprefix("file://"))


@pytest.fixture(scope="module")
def holdout(artifacts: Path) -> pyarrow.Table:
    """The customers of the logged dataset that the model has not seen."""
    rows = pq.read_table(artifacts / "dataset" / "churn_features.parquet")
    return rows.filter(rows["holdout"])


@pytest.fixture(scope="module")
def model(lived: World) -> Any:
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(str(lived.logged(lived.aliases()["production"])))


@pytest.fixture(scope="module")
def scores(model: Any, holdout: pyarrow.Table) -> Any:
    return model.predict(holdout.select(list(NUMERIC)).to_pandas())


@pytest.fixture
def defaults() -> pd.DataFrame:
    return pd.DataFrame({feature.name: [feature.default] for feature in FEATURES if not feature.is_category})


# Spark's answer, without Spark ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sparks(artifacts: Path) -> Iterator[Any]:
    """What Spark's own model of the same rows and parameters says of the holdout, by customer."""
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import VectorAssembler
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F  # noqa: N812

    from pipelines.services import spark

    rows = spark.session().read.parquet(spark.url(str(artifacts / "dataset" / "churn_features.parquet")))
    seen = rows.select("customer_id", "label", "holdout", *(
        (F.signum(name) * F.log1p(F.abs(name))).alias(name) for name in NUMERIC
    ))  # fmt: skip
    vectors = spark.spread(VectorAssembler(inputCols=list(NUMERIC), outputCol="features").transform(seen))
    regression = LogisticRegression(
        maxIter=training.MAX_ITERATIONS, tol=training.TOLERANCE, regParam=0.01, elasticNetParam=0.0
    )
    told = regression.fit(vectors.where("NOT holdout")).transform(vectors.where("holdout"))
    second = vector_to_array("probability")[1].alias("probability")
    yield told.select("customer_id", second).orderBy("customer_id").toPandas()


def test_it_answers_without_java_as_sparks_own_model_does(lived: World, holdout, sparks, tmp_path: Path) -> None:
    pq.write_table(holdout, tmp_path / "holdout.parquet")
    bare = {name: value for name, value in os.environ.items() if name not in ("JAVA_HOME", "PYTHONPATH", "PATH")}
    done = subprocess.run(
        [sys.executable, "-c", ALONE, lived.tracking, str(tmp_path / "holdout.parquet")],
        cwd=tmp_path, env={**bare, "PATH": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert holdout["customer_id"].to_pylist() == sparks["customer_id"].tolist()
    assert np.abs(np.array(json.loads(done.stdout)) - sparks["probability"].to_numpy()).max() <= 1e-9


# Whatever comes to be scored --------------------------------------------------------------------------------------


def test_a_missing_value_counts_as_the_default(model: Any, defaults: pd.DataFrame) -> None:
    expected = model.predict(defaults)
    for name in NUMERIC:
        assert model.predict(defaults.assign(**{name: [np.nan]})) == expected, name
    assert model.predict(defaults * np.nan) == expected


def test_a_row_is_scored_alone_as_among_others(model: Any, holdout: pyarrow.Table, scores: Any) -> None:
    frame = holdout.select(list(NUMERIC)).to_pandas()
    assert scores.shape == (len(frame),)
    assert scores.dtype == np.float64
    assert ((scores > 0) & (scores < 1)).all()
    for position in (0, len(frame) // 2, len(frame) - 1):
        assert model.predict(frame.iloc[[position]]) == pytest.approx(scores[position], abs=SAME)


def test_the_order_of_columns_and_other_columns_do_not_matter(model: Any, holdout: pyarrow.Table, scores: Any) -> None:
    turned = holdout.select([*reversed(NUMERIC), "customer_id", "gender"]).to_pandas()
    assert np.abs(model.predict(turned) - scores).max() <= SAME


def test_a_missing_column_is_refused_by_its_name(model: Any, defaults: pd.DataFrame) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="spent_30d"):
        model.predict(defaults.drop(columns="spent_30d"))


def test_a_table_is_scored_by_arrow_as_by_pyfunc(model: Any, holdout: pyarrow.Table, scores: Any) -> None:
    assert np.abs(scoring.score(model, holdout) - scores).max() <= SAME


# What MLflow holds ------------------------------------------------------------------------------------------------


def test_the_signature_names_the_features_and_the_example_can_be_scored(model: Any, lived: World) -> None:
    assert model.metadata.get_input_schema().input_names() == list(NUMERIC)
    assert model.metadata.get_output_schema() is not None
    example = model.metadata.load_input_example(str(lived.logged(lived.aliases()["production"])))
    assert list(example.columns) == list(NUMERIC)
    assert model.predict(example).shape == (1,)


def test_a_run_is_in_the_experiment_with_metrics_plots_dataset_and_explanation(
    lived: World, run: Any, artifacts: Path
) -> None:
    named = lived.mlflow(f"SELECT name FROM experiments WHERE experiment_id = {run.info.experiment_id}")
    assert named == [("churn_retention",)]
    assert run.info.status == "FINISHED"
    assert {"roc_auc", "brier", "precision_top_decile", "recent_drift_share", "recent_drift_detected"} <= {
        *run.data.metrics
    }
    assert 0 <= run.data.metrics["recent_drift_share"] <= 1
    assert run.data.metrics["recent_drift_detected"] in (0, 1)
    assert (run.data.params["regParam"], run.data.params["elasticNetParam"]) == ("0.01", "0.0")
    for name in ("explainability/shap_summary.png", "plots/roc.png", "plots/calibration.png"):
        assert (artifacts / name).read_bytes().startswith(b"\x89PNG"), name
    columns = set(pq.read_schema(artifacts / "dataset" / "churn_features.parquet").names)
    assert {"customer_id", "label", "holdout", *NUMERIC, *CATEGORIES} <= columns


def test_the_logged_metrics_are_those_of_the_logged_dataset_and_the_registered_model(
    run: Any, holdout: pyarrow.Table, scores: Any
) -> None:
    labels = holdout["label"].to_numpy()
    assert run.data.metrics["roc_auc"] == pytest.approx(roc_auc_score(labels, scores), abs=SAME)
    assert run.data.metrics["brier"] == pytest.approx(brier_score_loss(labels, scores), abs=SAME)
    top = labels[np.argsort(-scores)[: round(0.1 * len(labels))]]
    assert run.data.metrics["precision_top_decile"] == pytest.approx(top.mean(), abs=SAME)
    assert run.data.params["rows_holdout"] == str(len(labels))


def test_a_run_knows_the_files_that_it_was_made_from(lived: World, run: Any) -> None:
    known = {row["path"]: row["sha256"] for row in lived.rows("SELECT path, sha256 FROM ops.source_hashes")}
    assert len(known) == 6
    for path, sha256 in known.items():
        assert run.data.tags[f"source.{Path(path).name}"] == sha256


# Why it says so ---------------------------------------------------------------------------------------------------


def test_shap_values_add_up_to_the_log_odds(artifacts: Path, model: Any, holdout: pyarrow.Table, scores: Any) -> None:
    """And their means are those that were logged, so the picture explains this model and no other."""
    import shap

    inner = model.unwrap_python_model()
    data = pq.read_table(artifacts / "dataset" / "churn_features.parquet")
    seen = data.filter(pyarrow.compute.invert(data["holdout"]))
    base = squashed(training.matrix(seen)).mean(axis=0, keepdims=True)
    explainer = shap.LinearExplainer((inner.weights, inner.intercept), base)
    values = explainer.shap_values(squashed(training.matrix(holdout)))
    log_odds = np.log(scores / (1 - scores))
    assert np.abs(values.sum(axis=1) + explainer.expected_value - log_odds).max() <= 1e-9
    logged = json.loads((artifacts / "explainability" / "mean_abs_shap.json").read_text())
    assert list(logged.values()) == sorted(logged.values(), reverse=True)
    assert logged == pytest.approx(dict(zip(NUMERIC, np.abs(values).mean(axis=0), strict=True)), abs=SAME)


# churn-logreg -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def logreg(lived: World) -> Any:
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(str(lived.logged("1", "churn-logreg")))


@pytest.fixture(scope="module")
def cohort(lived: World) -> pd.DataFrame:
    """The scored week's rows of the feature store, as any reader finds them, with their scores."""
    return pd.DataFrame(lived.rows(
        "SELECT * FROM features.churn_weekly_features JOIN ops.churn_scoring USING (snapshot_date, customer_id)"
    ))  # fmt: skip


def test_the_scores_of_a_cohort_are_those_of_the_registered_model(
    lived: World, logreg: Any, cohort: pd.DataFrame
) -> None:
    told = lived.record("score_cohort")
    assert len(cohort) == told["scored"] > 500
    assert set(cohort["model_version"]) == {told["version"]} == {lived.aliases("churn-logreg")["production"]}
    again = logreg.predict(cohort[[*NUMERIC, *CATEGORIES]])[:, 1]
    assert np.abs(again - cohort["score"]).max() <= SAME
    assert (cohort["prediction"] == (cohort["score"] >= 0.5)).all()


def test_a_category_that_was_never_seen_is_scored(logreg: Any, cohort: pd.DataFrame) -> None:
    rows = cohort[[*NUMERIC, *CATEGORIES]].head(3).assign(**dict.fromkeys(CATEGORIES, "never seen"))
    scores = logreg.predict(rows)
    assert scores.shape == (3, 2)
    assert np.isfinite(scores).all()
    assert np.abs(scores.sum(axis=1) - 1).max() <= SAME


def test_churn_logreg_knows_more_than_chance_of_who_it_has_not_seen(lived: World) -> None:
    assert lived.record("train_logreg")["metrics"]["roc_auc"] > 0.55
