"""What the app says of a customer is what the registered model says, and why is what SHAP says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.churn import answers, contributions, registry
from pipelines.churn.answers import Answers
from pipelines.churn.declaration import FEATURES, Feature
from tests.churn import World

BASES = {registry.CHURN_MODEL: 1, registry.CHURN_LOGREG: -1}


@pytest.fixture(params=registry.MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def who(inside: World, model: str) -> Answers:
    return answers.of_version(model, inside.aliases(model)["production"])


@pytest.fixture
def customers(inside: World) -> pd.DataFrame:
    return pd.DataFrame(inside.rows("SELECT * FROM features.churn_weekly_features ORDER BY 1, 2 LIMIT 400"))


def test_it_answers_as_the_registered_model_does(model: str, who: Answers, customers: Any) -> None:
    import mlflow.pyfunc

    registered = mlflow.pyfunc.load_model(f"models:/{model}@production")
    said = registered.predict(customers[registered.metadata.get_input_schema().input_names()])
    expected = said if said.ndim == 1 else said[:, 1]
    assert np.abs(who.predict(who.rows(customers)) - expected).max() <= 1e-12
    for place in (0, 7, 399):
        assert who.of_one(customers.iloc[place].to_dict())[0] == pytest.approx(expected[place], abs=1e-12)


def test_why_is_what_shap_says_and_adds_up_to_the_answer(who: Answers, customers: Any) -> None:
    import shap

    rows = who.rows(customers)
    explainer = shap.LinearExplainer((who.sum.weights, who.sum.intercept), who.background[None])
    by_column = explainer.shap_values(who.sum.columns(rows))
    place = {name: [k for k, each in enumerate(who.sum.of) if each == name] for name in who.sum.features}
    for row in (0, 7, 399):
        probability, why = who.of_one(customers.iloc[row].to_dict())
        told = {each.feature.name: each.effect for each in why}
        assert told == pytest.approx({name: by_column[row, columns].sum() for name, columns in place.items()}, abs=1e-9)
        log_odds = np.log(probability / (1 - probability))
        assert sum(told.values()) + who.sum.base(who.background) == pytest.approx(log_odds, abs=1e-9)
        effects = [abs(each.effect) for each in why]
        assert effects == sorted(effects, reverse=True)
        assert [each.value for each in why] == [rows.iloc[row][each.feature.name] for each in why]


def test_the_background_is_the_mean_of_the_rows_that_were_learnt_from(inside: World) -> None:
    import pyarrow.parquet as pq

    who = answers.of_version(registry.CHURN_MODEL, inside.aliases()["production"])
    rows = pq.read_table(inside.artifacts / inside.record("feature_engineering")["dataset"]).to_pandas()
    seen = rows[~rows["holdout"]]
    assert np.abs(who.sum.columns(seen).mean(axis=0) - who.background).max() <= 1e-9


@pytest.mark.parametrize("written", [b"", b"{", b"null", b"[1, 2]", b'{"a": 1}', b'"x"', b"[[1]]"])
def test_a_background_that_is_damaged_is_none(written: bytes) -> None:
    assert answers._background(written, answers.heuristic(registry.CHURN_MODEL).sum) is None


def test_a_word_that_the_model_has_never_seen_is_answered(inside: World) -> None:
    who = answers.of_version(registry.CHURN_LOGREG, inside.aliases(registry.CHURN_LOGREG)["production"])
    probability, why = who.of_one({feature.name: feature.default for feature in FEATURES} | {"estado": "atlantis"})
    assert 0 < probability < 1
    assert {each.feature.name for each in why} == {feature.name for feature in FEATURES}


def test_a_version_that_looks_at_what_is_declared_no_more_is_refused(
    inside: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(answers.DECLARED, "spent_7d")
    with pytest.raises(answers.PipelineError, match="looks at spent_7d, which is declared no more"):
        answers.of_version(registry.CHURN_MODEL, inside.aliases()["production"])


# The rule of thumb ------------------------------------------------------------------------------------------------

facts = st.fixed_dictionaries({name: st.floats(0, 90) for name in answers.RULE})


@given(facts)
def test_the_rule_of_thumb_says_the_same_every_time_and_of_both_models_the_opposite(values: dict[str, float]) -> None:
    stays, churns = (answers.heuristic(model) for model in registry.MODELS)
    probability, why = stays.of_one(values)
    assert answers.heuristic(registry.CHURN_MODEL).of_one(values) == (probability, why)
    assert churns.of_one(values)[0] == pytest.approx(1 - probability, abs=1e-12)
    log_odds = np.log(probability / (1 - probability))
    assert sum(each.effect for each in why) + stays.sum.base(stays.background) == pytest.approx(log_odds, abs=1e-9)


@given(facts, st.sampled_from(sorted(answers.RULE)), st.floats(1, 50))
def test_who_pays_lately_and_often_stays(values: dict[str, float], name: str, more: float) -> None:
    stays = answers.heuristic(registry.CHURN_MODEL)
    moved = stays.of_one({**values, name: values[name] + more})[0] - stays.of_one(values)[0]
    assert (moved < 0) == (name == "days_since_activity")


def test_what_is_missing_counts_as_the_default() -> None:
    stays = answers.heuristic(registry.CHURN_MODEL)
    defaults = {name: float(answers.DECLARED[name].default) for name in answers.RULE}
    assert stays.of_one(dict.fromkeys(answers.RULE)) == stays.of_one(defaults)


# Words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("spent_7d", 1234.5, "1,234.50"), ("payments_7d", 1234.0, "1,234"), ("has_inversion", 1.0, "yes"),
        ("has_inversion", 0.0, "no"), ("estado", "salta", "salta"), ("payments_7d", 1.5, "1.50"),
    ],
)  # fmt: skip
def test_values_are_shown_in_plain_words(name: str, value: float | str, shown: str) -> None:
    assert answers.DECLARED[name].shown(value) == shown


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_declaration_is_whole(feature: Feature) -> None:
    """What the form needs: words, and a default that the field can show."""
    assert feature.label
    assert feature.help
    assert feature.about
    if feature.is_category:
        assert feature.default in feature.choices
        assert len(set(feature.choices)) == len(feature.choices) > 1
        assert all(word == word.strip().lower() for word in feature.choices), "as the files are read"
    else:
        assert feature.low <= float(feature.default) <= feature.high
        assert not feature.choices


def test_a_column_of_a_model_is_of_the_longest_name_that_fits() -> None:
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rows = pd.DataFrame({"spent_7d": [1.0, 2.0, 3.0, 4.0], "gender": ["male", "is_female", "male", "female"]})
    both = ColumnTransformer([("numbers", StandardScaler(), ["spent_7d"]), ("words", OneHotEncoder(), ["gender"])])
    pipeline = Pipeline([("columns", both), ("regression", LogisticRegression())]).fit(rows, [0, 1, 0, 1])
    assert contributions.of_logreg(pipeline).of == ("spent_7d", "gender", "gender", "gender")
