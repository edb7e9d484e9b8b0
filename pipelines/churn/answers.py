"""What a model answers of customers, and why: the one in production, or a rule of thumb where there is none."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipelines.churn import explain, registry
from pipelines.churn.contributions import Sum, of_linear_model, of_logreg
from pipelines.churn.declaration import DECLARED, FEATURES, Feature
from pipelines.core.errors import PipelineError
from pipelines.services import tracking

THRESHOLD = 0.5


@dataclass(frozen=True)
class Meaning:
    """What the number of a model is, in plain words: its two classes, and what moves it up or down."""

    probability: str
    explained: str
    yes: str
    no: str
    up: str
    down: str


MEANINGS: Mapping[str, Meaning] = {
    registry.CHURN_MODEL: Meaning(
        "Probability to stay active", "that the customer pays again within 30 days", "stays", "leaves",
        "towards staying", "towards leaving",
    ),
    registry.CHURN_LOGREG: Meaning(
        "Probability to churn", "that the customer pays nothing for 60 days", "churns", "stays",
        "towards churning", "towards staying",
    ),
}  # fmt: skip


def label(name: str) -> str:
    """A feature in plain words; of what is declared no more, its name."""
    return DECLARED[name].label if name in DECLARED else name


def asked_of(model: str) -> list[Feature]:
    """The features that a model looks at: words are for churn-logreg only."""
    return [each for each in FEATURES if model == registry.CHURN_LOGREG or not each.is_category]


@dataclass(frozen=True)
class Contribution:
    """What one feature of a customer adds to the answer (log-odds)."""

    feature: Feature
    value: float | str
    effect: float


@dataclass(frozen=True)
class Answers:
    """A model that is ready to answer; ``version`` is None for the rule of thumb.

    Attributes:
        predict: probabilities (float64, rows) for a DataFrame with the features of ``sum``, none missing.
        background: that of ``sum``; None where the training left none to explain from.
    """

    model: str
    version: str | None
    predict: Callable[[Any], Any]
    sum: Sum
    background: Any

    @property
    def meaning(self) -> Meaning:
        return MEANINGS[self.model]

    @property
    def features(self) -> list[Feature]:
        """What it asks for, in the order of the declaration."""
        return [feature for feature in FEATURES if feature.name in self.sum.features]

    def rows(self, values: Mapping[str, Any]) -> Any:
        """A DataFrame that it can answer: what is missing has its default.

        Args:
            values: by feature, a list of values (rows) with None or NaN for what is missing.
        """
        import pandas as pd

        frame = pd.DataFrame({feature.name: values[feature.name] for feature in self.features})
        frame = frame.astype({feature.name: object if feature.is_category else float for feature in self.features})
        return frame.fillna({feature.name: feature.default for feature in self.features})

    def of_class(self, probability: float) -> str:
        """The class of a probability, in words."""
        return self.meaning.yes if probability >= THRESHOLD else self.meaning.no

    def of_one(self, values: Mapping[str, float | str | None]) -> tuple[float, list[Contribution]]:
        """The probability of one customer, and what made it, the largest effect first; nothing where it cannot tell."""
        row = self.rows({name: [value] for name, value in values.items()})
        probability = float(self.predict(row)[0])
        if self.background is None:
            return probability, []
        effects = dict(zip(self.sum.features, self.sum.contributions(row, self.background)[0], strict=True))
        found = [Contribution(each, row[each.name].iloc[0], float(effects[each.name])) for each in self.features]
        return probability, sorted(found, key=lambda each: -abs(each.effect))


def of_version(model: str, version: str) -> Answers:
    """A registered version, loaded.

    Raises:
        PipelineError: MLflow is away, the version is damaged, or looks at features that are declared no more.
    """
    with tracking.errors_explained():
        loaded = _loaded(model, version)
        run_id = tracking.client().get_model_version(model, version).run_id or ""
        background = registry.logged_file(run_id, f"{explain.FOLDER}/{explain.BACKGROUND}")
    if model == registry.CHURN_MODEL:
        inner = loaded.unwrap_python_model()
        added, predict = of_linear_model(inner.names, inner.weights, inner.intercept), loaded.predict
    else:
        from pipelines.churn.scoring import churn_of

        added, predict = of_logreg(loaded.get_raw_model()), lambda rows: churn_of(loaded, rows)
    if unknown := [name for name in added.features if name not in DECLARED]:
        raise PipelineError(
            f"{model} version {version} looks at {', '.join(unknown)}, which is declared no more. Train it anew."
        )
    return Answers(model, version, predict, added, _background(background, added))


def _loaded(model: str, version: str) -> Any:
    try:
        return registry.load(model, version)
    except Exception as damaged:
        if isinstance(damaged, PipelineError) or tracking.is_of_tracking(damaged):
            raise
        raise PipelineError(
            f"{model} version {version} cannot be loaded ({type(damaged).__name__}): its files are damaged. "
            f"Train it anew, or go back: `python -m pipelines models rollback {model}`."
        ) from damaged


def _background(written: bytes | None, added: Sum) -> Any:
    """The mean customer as it was left; None where there is none, or it is damaged."""
    import numpy as np

    try:
        found = np.array(json.loads(written or b"null"), dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return found if found.shape == (len(added.of),) else None


# The rule of thumb ------------------------------------------------------------------------------------------------

# Who paid lately, often and on many days, stays: log-odds per unit of log(1 + value). Of customers in the middle, three
# in four stay.
RULE: Mapping[str, float] = {"days_since_activity": -0.6, "active_days_60d": 0.7, "payments_30d": 0.3}
MIDDLE: Mapping[str, float] = {"days_since_activity": 10.0, "active_days_60d": 6.0, "payments_30d": 3.0}
MIDDLE_LOG_ODDS = 1.1


def heuristic(model: str) -> Answers:
    """The rule of thumb, in the words of a model: the same answer every time, from nothing that was learnt."""
    import numpy as np
    import pandas as pd

    sign = 1 if model == registry.CHURN_MODEL else -1
    added = of_linear_model(list(RULE), [sign * weight for weight in RULE.values()], 0.0)
    background = added.background(pd.DataFrame({name: [value] for name, value in MIDDLE.items()}))
    rule = replace(added, intercept=sign * MIDDLE_LOG_ODDS - added.base(background))

    def predict(rows: Any) -> Any:
        return 1 / (1 + np.exp(-(rule.columns(rows) @ rule.weights + rule.intercept)))

    return Answers(model, None, predict, rule, background)
