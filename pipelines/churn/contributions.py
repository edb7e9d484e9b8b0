"""What each feature adds to a model's answer: SHAP values, exact and without the library, as our models add up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.churn.declaration import CATEGORIES, NUMERIC


@dataclass(frozen=True)
class Sum:
    """What a model adds up before it answers: log-odds = intercept + columns @ weights.

    Attributes:
        features: what it looks at, in the order of its SHAP values.
        columns: of a DataFrame that has the features and no missing value (rows), float64 (rows x columns).
        of: the feature that each column is made of.
    """

    features: tuple[str, ...]
    columns: Callable[[Any], Any]
    of: tuple[str, ...]
    weights: Any
    intercept: float

    def background(self, rows: Any) -> Any:
        """The mean of the columns: what every explanation is measured from."""
        return self.columns(rows).mean(axis=0)

    def by_feature(self, values: Any) -> Any:
        """Add up the columns of each feature: rows x columns to rows x features."""
        import numpy as np

        return values @ np.array([[each == name for name in self.features] for each in self.of], dtype=float)

    def contributions(self, rows: Any, background: Any) -> Any:
        """SHAP values (log-odds, rows x features): with that of the background they add up to the row's log-odds."""
        return self.by_feature((self.columns(rows) - background) * self.weights)

    def base(self, background: Any) -> float:
        """Log-odds of the background."""
        return float(self.intercept + background @ self.weights)


def of_linear_model(names: Sequence[str], weights: Any, intercept: float) -> Sum:
    """The sum of churn-model."""
    import numpy as np

    from pipelines.churn.linear_model import squashed

    def columns(rows: Any) -> Any:
        return squashed(rows[list(names)].to_numpy(dtype=np.float64))

    return Sum(tuple(names), columns, tuple(names), np.asarray(weights, dtype=np.float64), float(intercept))


def of_logreg(pipeline: Any) -> Sum:
    """The sum of churn-logreg: a word is a column per value of it."""
    from scipy.sparse import issparse

    transformer, regression = pipeline["columns"], pipeline["regression"]
    names = list(transformer.feature_names_in_)

    def columns(rows: Any) -> Any:
        found = transformer.transform(rows[names])
        return found.toarray() if issparse(found) else found

    def feature(column: str) -> str:
        kind, _, name = column.partition("__")
        known = NUMERIC if kind == "numbers" else CATEGORIES
        return max((each for each in known if name == each or name.startswith(f"{each}_")), key=len)

    of = tuple(map(feature, transformer.get_feature_names_out()))
    return Sum(tuple(names), columns, of, regression.coef_[0], float(regression.intercept_[0]))
