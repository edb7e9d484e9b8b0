"""What the pages say, and that it follows what is in the registry and the database."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import pipelines
from pipelines.churn import answers, registry
from pipelines.churn.declaration import FEATURES, Feature
from pipelines.core.errors import PipelineError, WarehouseUnreachable
from pipelines.core.statements import ROOT
from pipelines.services import warehouse
from tests.churn import World
from tests.pages.conftest import click, enter, metrics, opened, ran, words

STAGES = {"tasks", "lifecycle", "stage", "everything", *pipelines.__all__}  # the modules that they are in; the tasks


def registered(model: str, values: dict[str, float | str]) -> float:
    """What the version in production says."""
    import mlflow.pyfunc
    import pandas as pd

    loaded = mlflow.pyfunc.load_model(f"models:/{model}@production")
    names = loaded.metadata.get_input_schema().input_names()
    return float(np.ravel(loaded.predict(pd.DataFrame({name: [values[name]] for name in names})))[-1])


def imported(path: Path) -> set[str]:
    """All names that the modules of a file's imports are made of, and what it takes of them."""
    nodes = [*ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    names = [each.name for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for each in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {part for name in names for part in name.split(".")}


def test_the_app_imports_no_stage() -> None:
    assert imported(ROOT / "pipelines" / "__init__.py") & STAGES
    for path in (ROOT / "app").glob("*.py"):
        assert not imported(path) & STAGES, path


@pytest.mark.usefixtures("nowhere")
def test_the_first_page_needs_no_model_and_none_of_the_heavy_libraries() -> None:
    # What is imported beside the first page comes later.
    heavy = {"mlflow", "shap", "sklearn", "altair", "pyspark"}
    ask = f"import sys, threading; threading.Thread.start = print; import app.main; print(*{heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, text=True, capture_output=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


# Score ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", registry.MODELS)
@pytest.mark.usefixtures("nowhere")
def test_the_form_is_the_declaration(model: str) -> None:
    app = opened()
    app.radio(key="model").set_value(model)
    ran(app)
    asked = [each for each in FEATURES if model == registry.CHURN_LOGREG or not each.is_category]
    for feature in asked:
        if feature.is_category or feature.is_flag:
            field = app.selectbox(key=feature.name)
            assert field.options == list(feature.choices or ("no", "yes"))
        else:
            field = app.number_input(key=feature.name)
            assert (field.min, field.max, field.value) == (feature.low, feature.high, feature.default)
        assert (field.label, field.help) == (feature.label, feature.help)
    assert len(app.number_input) + len(app.selectbox) == len(asked)


@pytest.mark.usefixtures("nowhere")
def test_a_feature_that_is_declared_is_in_the_form(monkeypatch: pytest.MonkeyPatch) -> None:
    added = Feature("refunds_30d", 2.0, "Payments", "Refunds in the last 30 days", "How many.", high=30.0, whole=True)
    monkeypatch.setattr("pipelines.churn.answers.FEATURES", (*FEATURES, added))
    field = opened().number_input(key="refunds_30d")
    assert (field.label, field.value, field.max, field.help) == (added.label, 2, 30, added.help)


@pytest.mark.parametrize("model", registry.MODELS)
def test_a_score_by_hand_is_that_of_the_registered_model(inside: World, model: str) -> None:
    app = opened()
    app.radio(key="model").set_value(model)
    ran(app)
    values = {feature.name: feature.default for feature in FEATURES} | {"payments_30d": 7.0, "days_since_activity": 3.0}
    app.number_input(key="payments_30d").set_value(7)
    app.number_input(key="days_since_activity").set_value(3)
    click(app, "Score")
    probability = registered(model, values)
    meaning = answers.MEANINGS[model]
    assert metrics(app) == {
        meaning.probability: f"{probability:.4f}",
        "Class": meaning.yes if probability >= 0.5 else meaning.no,
        "Threshold": "0.5",
    }
    version = inside.aliases(model)["production"]
    assert f"Answered by {model} version {version} (@production)." in words(app)
    assert re.search(
        rf"{model} version {version} \(@production\) answers, in production since \d{{4}}-.* -03\.", words(app)
    )
    why = app.table[0].value
    assert set(why["What is known"]) == {
        each.label for each in FEATURES if model == registry.CHURN_LOGREG or not each.is_category
    }
    assert "7" in set(why["Value"])


def test_a_customer_of_the_feature_store_is_scored_as_stored(inside: World) -> None:
    stored = inside.rows(
        "SELECT * FROM features.churn_weekly_features ORDER BY snapshot_date DESC, customer_id LIMIT 5"
    )
    app = opened()
    app.radio(key="how").set_value("From the feature store")
    ran(app)
    assert app.selectbox(key="week").value == stored[0]["snapshot_date"]
    assert app.text_input(key="customer").placeholder == f"for example {stored[0]['customer_id']}"
    for row, written in zip(stored, ("{}", " {} ", "{}.0", "{}", "{}"), strict=True):
        app.text_input(key="customer").set_value(written.format(row["customer_id"]))
        click(app, "Look up and score")
        assert metrics(app)["Probability to stay active"] == f"{registered('churn-model', row):.4f}"
    for written in ("9" * 18, "x", "-1", "9" * 30, "9" * 5_000, "", "²"):
        app.text_input(key="customer").set_value(written)
        click(app, "Look up and score")
        assert ("is not among those of" if len(written) == 18 else "is no customer id") in app.error[0].value
        assert not app.metric


def test_after_a_rollback_the_next_score_is_the_other_versions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(monkeypatch, STATE_DIR=str(world.state), POSTGRES_DSN=world.dsn())
    before = world.aliases()
    app = click(opened(), "Score")
    first = metrics(app)["Probability to stay active"]
    assert f"version {before['production']} (@production)" in words(app)
    world.command("models", "rollback", "churn-model")
    click(app, "Score")
    assert metrics(app)["Probability to stay active"] != first
    assert f"version {before['previous']} (@production) answers, in production since 20" in words(app)
    from mlflow import MlflowClient

    MlflowClient(world.tracking, world.tracking).set_registered_model_alias(
        "churn-model", "production", before["production"]
    )
    click(app, "Score")
    assert metrics(app)["Probability to stay active"] == first
    assert (
        f"version {before['production']} (@production) answers, in production since a moment that was not noted"
        in words(app)
    )


def test_without_a_model_a_rule_of_thumb_answers_under_a_banner(nowhere: Path) -> None:
    for model, command in (("churn-model", "make churn"), ("churn-logreg", "ChurnLogregTraining")):
        app = opened()
        app.radio(key="model").set_value(model)
        ran(app)
        assert "Local heuristic" in app.warning[0].value
        assert command in app.warning[0].value
        click(app, "Score")
        values = {feature.name: feature.default for feature in FEATURES}
        probability = answers.heuristic(model).of_one(values)[0]
        assert metrics(app)[answers.MEANINGS[model].probability] == f"{probability:.4f}"
        assert "Answered by the local heuristic." in words(app)
    assert not nowhere.exists(), "who looks makes nothing"


def test_a_file_is_scored_and_one_that_is_wrong_is_told_row_by_row(inside: World) -> None:
    stored = inside.rows(
        "SELECT * FROM features.churn_weekly_features ORDER BY snapshot_date DESC, customer_id LIMIT 3"
    )
    names = [feature.name for feature in FEATURES]
    lines = [",".join(["customer_id", "note", *names])]
    lines += [",".join([str(row["customer_id"]), "x", *(f'"{row[name]}"' for name in names)]) for row in stored]
    app = opened()
    app.radio(key="how").set_value("A file of many")
    ran(app)
    app.file_uploader[0].upload("many.csv", "\n".join(lines).encode(), "text/csv")
    ran(app)
    assert metrics(app)["Rows scored"] == "3"
    shown = app.dataframe[0].value
    expected = [registered("churn-model", row) for row in stored]
    assert shown["probability"].tolist() == pytest.approx(expected, abs=1e-12)
    assert shown["customer_id"].tolist() == [str(row["customer_id"]) for row in stored]
    assert r"ignored: note, gender, rango\_edad, tarjetas, estado." in words(app)
    app.file_uploader[0].upload("wrong.csv", "\n".join([*lines[:2], "1,x,many" + "," * 25]).encode(), "text/csv")
    ran(app)
    assert "wrong.csv: 1 problem. Nothing of it was scored." in app.error[0].value
    assert app.dataframe[0].value.to_dict("records") == [
        {"row": "2", "column": "spent_7d", "problem": "“many” is not a number"}
    ]
    app.query_params["page"] = "Model"
    app.segmented_control(key="page").set_value("Model")
    ran(app)
    for name in ("scored", "uploaded"):
        assert name not in app.session_state, "nothing of a file is kept on another page"


def test_a_file_of_parquet_with_words_is_scored_as_churn_logreg_says(inside: World) -> None:
    stored = inside.rows("SELECT * FROM features.churn_weekly_features ORDER BY snapshot_date, customer_id LIMIT 40")
    frame = pd.DataFrame(stored)
    frame["estado"] = (" " + frame["estado"].str.upper() + " ").astype("category")
    written = io.BytesIO()
    frame.to_parquet(written)
    app = opened()
    app.radio(key="model").set_value("churn-logreg")
    app.radio(key="how").set_value("A file of many")
    ran(app)
    app.file_uploader[0].upload("many.parquet", written.getvalue(), "application/octet-stream")
    ran(app)
    expected = [registered("churn-logreg", row) for row in stored]
    assert app.dataframe[0].value["probability"].tolist() == pytest.approx(expected, abs=1e-12)
    assert r"ignored: snapshot\_date, last\_payment\_date, " in words(app)


@pytest.mark.usefixtures("nowhere")
def test_names_of_somebody_else_stand_as_they_are() -> None:
    app = opened()
    app.radio(key="how").set_value("A file of many")
    ran(app)
    picture = "![x](http://127.0.0.1:9/seen.png)"
    header = [each.name for each in answers.heuristic("churn-model").features]
    names = [picture, *(f"n{each}" for each in range(1_000))]
    line = ",".join("1" for _ in (*header, *names))
    app.file_uploader[0].upload("<b>.csv", f"{','.join([*header, *names])}\n{line}\n".encode(), "text/csv")
    ran(app)
    assert picture not in words(app)
    assert r"ignored: \!\[x\](http://127.0.0.1:9/seen.png), n0, " in words(app)
    assert "n28 and 971 more." in words(app)
    app.file_uploader[0].upload(f"{picture}.csv", b"a", "text/csv")
    ran(app)
    assert picture not in app.error[0].value


# Models and drift -------------------------------------------------------------------------------------------------


def test_the_page_of_a_model_tells_metrics_decision_and_history(inside: World) -> None:
    app = opened("Model")
    versions = {each.version: each for each in registry.versions("churn-model")}
    production, previous = (versions[inside.aliases()[alias]] for alias in ("production", "previous"))
    assert metrics(app) == {
        "AUC": f"{production.metrics['roc_auc']:.4f}",
        "Brier score": f"{production.metrics['brier']:.4f}",
        "Precision of the top 10 %": f"{production.metrics['precision_top_decile']:.4f}",
    }
    compared, means, history = (each.value for each in app.table)
    assert compared.iloc[0].tolist()[-1] == f"{previous.metrics['roc_auc']:.4f}"
    assert len(means) == sum(not feature.is_category for feature in FEATURES)
    assert history["version"].tolist() == sorted(versions, key=int, reverse=True)
    assert history["decision"].tolist() == ["promote", "promote"]
    assert history["because"].tolist()[-1] == "there is no production model yet"
    assert f"**Promoted**: {inside.record('decide_promotion')['reason']}." in words(app)
    assert len(app.image) == 3


@pytest.mark.usefixtures("inside")
def test_the_page_of_the_other_model_has_all_of_it_too() -> None:
    app = opened("Model")
    app.radio(key="model_shown").set_value("churn-logreg")
    ran(app)
    assert "**Promoted**: there is no production model yet." in words(app)
    means, history = (each.value for each in app.table)
    assert len(means) == len(FEATURES)
    assert history["is"].tolist() == ["production"]
    assert len(app.image) == 3


def test_versions_without_a_run_are_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    store = f"sqlite:///{tmp_path}/other.db"
    enter(monkeypatch, STATE_DIR=str(tmp_path / "state"), MLFLOW_TRACKING_URI=store)
    client = MlflowClient(store, store)
    client.create_registered_model("churn-model")
    assert registry.production_since("churn-model", "1") is None
    for tag in ("1", "1 garbage", "", "2 2026-11-22T10:00:00+00:00"):
        client.set_registered_model_tag("churn-model", registry.IN_PRODUCTION, tag)
        assert registry.production_since("churn-model", "1") is None
    for run_id in (None, "0" * 32):  # registered by hand; of a run that was deleted for good
        version = client.create_model_version("churn-model", str(tmp_path), run_id).version
        client.set_registered_model_alias("churn-model", "production", version)
        app = opened("Model")
        assert metrics(app)["AUC"] == "unknown"
        assert app.table[-1].value["is"].tolist()[0] == "production"
    for damaged in ("", "{", "flavors: 1"):
        (tmp_path / "MLmodel").write_text(damaged)
        with pytest.raises(PipelineError, match="models rollback churn-model"):
            answers.of_version("churn-model", version)


@pytest.mark.usefixtures("nowhere")
def test_an_address_with_an_empty_page_is_that_of_the_first() -> None:
    assert opened("").title[0].value == "Score"


def test_drift_is_told_week_by_week(inside: World) -> None:
    row = inside.rows("SELECT * FROM ops.churn_drift ORDER BY snapshot_date DESC")[0]
    app = opened("Drift")
    assert f"**{row['snapshot_date']} has not drifted**: {row['drift_share']:.0%} of the columns." in words(app)
    left_out = app.table[0].value
    assert left_out["because"].tolist() == list(row["left_out"].values())
    app.toggle(key="open_report").set_value(True)
    ran(app)
    assert [each.type for each in app.main if each.type == "iframe"] or app.get("iframe")


# What is away -----------------------------------------------------------------------------------------------------


def test_where_nothing_has_run_each_page_says_what_to_type_and_makes_nothing(nowhere: Path) -> None:
    for page in ("Model", "Drift", "Data quality"):
        app = opened(page)
        assert "make churn" in words(app) or "make crypto" in words(app), page
    assert not nowhere.exists()


def test_without_mlflow_the_pages_say_so_calmly_and_go_on_when_it_is_back(
    inside: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(monkeypatch, STATE_DIR=str(inside.state), POSTGRES_DSN=inside.dsn(), MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    for page in ("Score", "Model"):
        app = opened(page)
        assert "MLflow at http://127.0.0.1:9 refuses or does not answer" in app.warning[0].value
        assert "Local heuristic" not in words(app), "away is not the same as none"
        assert [each.label for each in app.button] == ["Try again"]
    enter(monkeypatch, STATE_DIR=str(inside.state), POSTGRES_DSN=inside.dsn())
    click(app, "Try again")
    assert metrics(app)["AUC"]


def test_without_the_database_the_pages_say_so_and_a_score_by_hand_goes_on(
    inside: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(monkeypatch, STATE_DIR=str(inside.state), POSTGRES_DSN="postgresql://reader:hidden@127.0.0.1:9/kpi")
    for page in ("Drift", "Data quality"):
        app = opened(page)
        assert "PostgreSQL cannot be used" in app.warning[0].value
        assert "hidden" not in words(app)
        assert [each.label for each in app.button] == ["Try again"]
    assert metrics(click(opened(), "Score"))["Class"]


def test_the_app_cannot_write(inside: World) -> None:
    with pytest.raises(WarehouseUnreachable, match="read-only"), warehouse.reading() as connection:
        connection.execute("DELETE FROM ops.churn_drift")
    assert inside.rows("SELECT 1 FROM ops.churn_drift")
