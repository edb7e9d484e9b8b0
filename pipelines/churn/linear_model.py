"""The model that MLflow keeps: what Spark has learnt, scored by numpy. MLflow copies this file: it needs nothing of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


def squashed(values: Any) -> Any:
    """Amounts and counts have long tails: what the model sees of them is sign(x) log(1 + |x|)."""
    return np.copysign(np.log1p(np.abs(values)), values)


def probabilities(matrix: Any, weights: Any, intercept: float) -> Any:
    """P(label = 1) per row of ``matrix`` (rows x features, float64, as the features are)."""
    return 1 / (1 + np.exp(-(squashed(matrix) @ weights + intercept)))


class LinearModel(PythonModel):
    """Probability that a customer stays active, per row; a missing value counts as the feature's default."""

    def load_context(self, context: Any) -> None:
        """Read the coefficients that were logged with the model."""
        facts = json.loads(Path(context.artifacts["coefficients"]).read_text(encoding="utf-8"))
        self.names = facts["features"]
        self.defaults = np.array(facts["defaults"], dtype=np.float64)
        self.weights = np.array(facts["weights"], dtype=np.float64)
        self.intercept = float(facts["intercept"])

    # This hint MLflow neither takes for a schema, of which the model has one, nor misses with a warning.
    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:  # noqa: ARG002
        """Probabilities of label 1 (float64, rows) for a DataFrame that has the features by name."""
        matrix = model_input[self.names].to_numpy(dtype=np.float64)
        if np.isnan(matrix).any():
            matrix = np.where(np.isnan(matrix), self.defaults, matrix)
        return probabilities(matrix, self.weights, self.intercept)


set_model(LinearModel())
