"""Promotion is a decision with a reason, and there is a way back."""

from __future__ import annotations

import json
from typing import Any

from tests.churn import DATE, DECISION, LEARNING, World

SKIPPED = ["decide_promotion", "skip_promotion", "notify_success"]


def told(world: World) -> dict[str, Any]:
    """``last_training.json``"""
    return json.loads((world.artifacts / "last_training.json").read_text())


def test_the_better_model_is_production_and_the_one_before_is_kept(lived: World) -> None:
    """The first model is promoted for want of another; the second one for what it gains."""
    assert lived.aliases() == {"production": "2", "previous": "1"}
    last = told(lived)
    assert (last["model"], last["version"], last["decision"]) == ("churn-model", "2", "promote")
    assert last["production_version"] == "1"
    assert last["candidate_auc"] - last["production_auc"] >= 0.005
    assert last["reason"].endswith("at least 0.005")
    assert last["metrics"]["roc_auc"] == last["candidate_auc"]
    assert set(last["inputs"]) == {path.name for path in lived.files.iterdir()}
    assert last["run_id"] == lived.record("train_spark_model")["run_id"]


def test_the_threshold_is_asked_again_of_the_same_comparison(world: World) -> None:
    """Nothing is trained, nor scored, to decide again."""
    assert world.ran("ChurnTraining", "--date", DATE, CHURN_PROMOTION_MIN_DELTA="1") == SKIPPED
    assert told(world)["decision"] == "skip"
    assert told(world)["reason"].endswith("less than 1")
    assert world.aliases() == {"production": "2", "previous": "1"}, "what was promoted stays"
    assert world.ran("ChurnTraining", "--date", DATE) == DECISION
    assert told(world)["decision"] == "promote"


def test_a_small_gain_is_skipped_and_promoted_where_a_small_gain_is_enough(world: World) -> None:
    done = world.train(CHURN_REG_PARAMS="0.02")
    assert done.stages == [*LEARNING[:2], *SKIPPED]
    last = told(world)
    gain = last["candidate_auc"] - last["production_auc"]
    assert 0 <= gain < 0.005, "another regularisation that is hardly better"
    assert (last["decision"], last["version"], last["production_version"]) == ("skip", "3", "2")
    assert f"{gain:+.4f}, less than 0.005" in last["reason"]
    assert last["reason"] in done.out
    assert world.aliases() == {"production": "2", "previous": "1"}

    # Production has changed since the comparison: it is not promoted over what it was never compared with.
    world.command("models", "rollback", "churn-model")
    enough = {"CHURN_REG_PARAMS": "0.02", "CHURN_PROMOTION_MIN_DELTA": "0"}
    refused = world.luigi("ChurnTraining", "--date", DATE, code=30, **enough)
    assert "version 1 is production now; version 3 was compared with 2" in refused.err
    assert world.aliases() == {"production": "1", "previous": "2"}
    world.command("forget", "--date", DATE)  # as the message says
    assert world.train(**enough).stages == ["feature_engineering", *LEARNING]
    assert told(world)["production_version"] == "1"
    assert world.aliases() == {"production": "4", "previous": "1"}
    assert world.versions() == ["1", "2", "3", "4"], "what was forgotten is done again"


def test_a_production_that_cannot_be_read_just_now_is_not_replaced(world: World) -> None:
    """A share that is away for a minute is no reason to promote what is worse."""
    model, aside = world.logged("2"), world.folder / "aside"
    model.rename(aside)
    refused = world.luigi("ChurnTraining", "--date", DATE, code=30, CHURN_REG_PARAMS="0.02")
    assert refused.stages == LEARNING[:1]
    assert world.aliases() == {"production": "2", "previous": "1"}
    aside.rename(model)
    assert world.train(CHURN_REG_PARAMS="0.02").stages == [LEARNING[1], *SKIPPED]


def test_a_production_that_cannot_score_todays_features_is_replaced(world: World) -> None:
    facts = world.logged("2") / "artifacts" / "coefficients.json"
    facts.write_text(facts.read_text().replace("spent_90d", "spent_of_old"))
    world.train(CHURN_REG_PARAMS="0.02")
    assert "production cannot be compared: version 2 cannot score today's features (" in told(world)["reason"]
    assert world.aliases() == {"production": "3", "previous": "2"}


def test_a_rollback_changes_places_and_the_next_run_does_not_undo_it(world: World) -> None:
    first = world.command("models", "rollback", "churn-model")
    assert "churn-model: version 1 is production again" in first.out
    assert world.aliases() == {"production": "1", "previous": "2"}
    assert world.ran("ChurnTraining", "--date", DATE) == []
    assert world.aliases() == {"production": "1", "previous": "2"}
    second = world.command("models", "rollback", "churn-model")
    assert "version 2 is production again" in second.out
    assert world.aliases() == {"production": "2", "previous": "1"}


def test_a_rollback_that_waited_for_a_training_does_not_undo_what_it_promoted(world: World) -> None:
    """It was typed to leave the version that was production then."""
    typed = "from pipelines.churn import registry; registry.rollback('churn-model', '1')"
    refused = world.start("-c", typed)
    assert "version 2 has become production meanwhile; it was 1. Nothing was changed" in refused.communicate()[1]
    assert world.aliases() == {"production": "2", "previous": "1"}


def test_models_lists_the_versions_with_their_metrics_and_who_is_production(lived: World) -> None:
    lines = [line.split() for line in lived.command("models").out.splitlines() if line.strip().startswith("churn-")]
    assert [line[:3] for line in lines] == [
        ["churn-model", "2", "production"], ["churn-model", "1", "previous"], ["churn-logreg", "1", "production"],
    ]  # fmt: skip
    assert f"{lived.record('train_spark_model')['metrics']['roc_auc']:.4f}" in lines[0]
    assert f"{lived.crude['metrics']['roc_auc']:.4f}" in lines[1]


def test_without_a_previous_version_there_is_no_way_back(lived: World) -> None:
    refused = lived.command("models", "rollback", "churn-logreg", code=20)
    assert "churn-logreg: there is no previous version to go back to." in refused.err
    unknown = lived.command("models", "rollback", "churn-forest", code=2)
    assert "churn-forest is no model of ours: choose churn-model or churn-logreg." in unknown.err
