"""churn-logreg: a scikit-learn pipeline on the weekly snapshots, numbers and categories; label 1 is churned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.churn.declaration import CATEGORIES, NUMERIC
from pipelines.churn.training import SEED

if TYPE_CHECKING:
    import pandas

COLUMNS = (*NUMERIC, *CATEGORIES)


def fit(rows: pandas.DataFrame) -> Any:
    """A fitted pipeline; ``rows`` as ``weekly.read`` gives them, labelled, and without those held out."""
    import numpy as np
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    # Amounts and counts have long tails; arcsinh is their logarithm, and knows zero and less.
    numbers = make_pipeline(FunctionTransformer(np.arcsinh, feature_names_out="one-to-one"), StandardScaler())
    words = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=0.005)
    pipeline = Pipeline([
        ("columns", ColumnTransformer([("numbers", numbers, list(NUMERIC)), ("words", words, list(CATEGORIES))])),
        ("regression", LogisticRegression(max_iter=1000, random_state=SEED)),
    ])  # fmt: skip
    return pipeline.fit(rows[list(COLUMNS)], labels(rows))


def labels(rows: pandas.DataFrame) -> Any:
    """1 for who churned, as integers."""
    return rows["labeled_churn"].astype(int).to_numpy()


def probabilities(model: Any, rows: pandas.DataFrame) -> Any:
    """P(churned) per row, by a fitted pipeline."""
    return model.predict_proba(rows[list(COLUMNS)])[:, 1]
