"""Score by a registered model: a cohort at once, by Arrow and numpy, never row by row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.churn import registry, weekly
from pipelines.churn.results import Scores
from pipelines.churn.training import matrix
from pipelines.core.errors import MissingInput
from pipelines.core.statements import query
from pipelines.services.warehouse import Connection, one

if TYPE_CHECKING:
    import pyarrow

THRESHOLD = 0.5


def score(model: Any, table: pyarrow.Table) -> Any:
    """Probabilities (float64, rows) by churn-model for a table that has its features and no missing value."""
    from pipelines.churn.linear_model import probabilities

    unwrapped = model.unwrap_python_model()
    return probabilities(matrix(table, unwrapped.names), unwrapped.weights, unwrapped.intercept)


def churn_of(model: Any, rows: Any) -> Any:
    """P(churned) per row by churn-logreg (``mlflow.pyfunc``), for a DataFrame that has its features."""
    return model.predict(rows)[:, 1]


def are_there(connection: Connection, snapshots: Sequence[date], version: str) -> bool:
    """Whether each of these snapshots has scores by this version."""
    return all(
        one(connection, "churn/scores_there", {"snapshot": snapshot, "version": version})["there"]
        for snapshot in snapshots
    )


def score_cohort(tx: Connection, snapshot: date, version: str) -> Scores:
    """Replace the scores of a snapshot's cohort by a version of churn-logreg in ``ops.churn_scoring``.

    Raises:
        MissingInput: the snapshot is not in the feature store.
    """
    import numpy as np
    import pyarrow

    rows = weekly.read(tx, [snapshot])
    if rows.empty:
        raise MissingInput(
            f"Snapshot {snapshot} is not in features.churn_weekly_features: run ChurnFeatureStore for it."
        )
    scores = churn_of(registry.load(registry.CHURN_LOGREG, version), rows)
    churns = (scores >= THRESHOLD).astype(np.int32)
    table = pyarrow.table({
        "customer_id": rows["customer_id"].to_numpy(),
        "snapshot_date": pyarrow.array([snapshot] * len(rows), pyarrow.date32()),
        "score": scores,
        "prediction": churns,
        "model_version": pyarrow.array([version] * len(rows)),
    })  # fmt: skip
    tx.execute(query("churn/forget_scores"), {"snapshot": snapshot, "version": version})
    weekly.copy(tx, "churn/copy_scores", table)
    return Scores((snapshot,), len(rows), int(churns.sum()), version)
