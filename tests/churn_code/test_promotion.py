"""The rule of promotion: a candidate must be better by so much; and why is said."""

from __future__ import annotations

import pytest

from pipelines.churn.registry import decide


@pytest.mark.parametrize(
    ("candidate", "production", "min_delta", "promote"),
    [
        (0.8, 0.7, 0.005, True),
        (0.75, 0.5, 0.25, True),  # exactly what is asked for
        (0.7549, 0.75, 0.005, False),
        (0.75, 0.75, 0.005, False),
        (0.7, 0.8, 0.005, False),
        (0.7, 0.8, 0.0, False),
        (0.75, 0.75, 0.0, True),
    ],
)
def test_a_candidate_is_promoted_for_its_gain(
    candidate: float, production: float, min_delta: float, promote: bool
) -> None:
    decision = decide(candidate, production, None, min_delta)
    assert decision.promote is promote
    for words in (f"{candidate:.4f}", f"{production:.4f}", f"{candidate - production:+.4f}", f"{min_delta:g}"):
        assert words in decision.reason
    assert ("at least" in decision.reason) is promote


def test_the_first_model_is_promoted_however_good_it_is() -> None:
    decision = decide(0.4, None, None, 0.5)
    assert decision.promote
    assert decision.reason == "there is no production model yet"


@pytest.mark.parametrize("production", [None, 0.99])
def test_a_production_that_cannot_be_compared_is_replaced(production: float | None) -> None:
    """It scores nobody with the features of today."""
    decision = decide(0.6, production, "it lacks spent_7d", 0.005)
    assert decision.promote
    assert decision.reason == "production cannot be compared: it lacks spent_7d"
