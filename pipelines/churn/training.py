"""Train churn-model: a grid of logistic regressions on Spark, judged on customers that none of them has seen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.churn.declaration import FEATURES, NUMERIC
from pipelines.churn.results import Labelled
from pipelines.core import statements
from pipelines.core.errors import PipelineError
from pipelines.services.artifacts import Place

if TYPE_CHECKING:
    import numpy
    import pyarrow

    from pipelines.churn.contributions import Sum

SEED = 2019
TOP_SHARE = 0.1  # of the customers, those whose precision is logged
MAX_ITERATIONS, TOLERANCE = 100, 1e-5  # of the optimiser; a finer one changes no AUC in its fifth digit
MIN_ROWS = 50  # on each side of the holdout, and of each label


class CannotTrain(PipelineError):
    """The data have too little in them to learn from."""

    is_retryable = False


# The data ---------------------------------------------------------------------------------------------------------


def dataset(store: Place, name: str, frame: pyarrow.Table, active: pyarrow.Table) -> Labelled:
    """Join features and labels, and leave them as Parquet: ``label`` 1 for who was active, ``holdout`` by customer.

    Raises:
        CannotTrain: too few rows, or all of one label.
    """
    import duckdb

    connection = duckdb.connect()
    connection.register("frame", frame)
    connection.register("active", active)
    labelled = connection.sql(statements.text("churn/label_training")).to_arrow_table()
    held_out = labelled["holdout"].to_numpy()
    labels = labelled["label"].to_numpy()
    require_enough(labels[~held_out], labels[held_out])
    import pyarrow.parquet

    with store.writing(name) as path:
        pyarrow.parquet.write_table(labelled, path, compression="snappy")
    return Labelled(len(labels), int(labels.sum()), int(held_out.sum()))


def require_enough(seen: Any, held_out: Any) -> None:
    """
    Args:
        seen, held_out: labels (0 or 1) of the rows to train on, and of those to judge on.

    Raises:
        CannotTrain: too few rows on a side, or all of one label.
    """
    for labels, what in ((seen, "to train on"), (held_out, "to judge on")):
        rows, ones = len(labels), int(sum(labels))
        if rows < MIN_ROWS:
            raise CannotTrain(
                f"{rows:,} rows {what}: at least {MIN_ROWS} are needed. Look whether the files are whole, whether "
                "--date is right, and whether labels can be known by then."
            )
        if ones in (0, rows):
            raise CannotTrain(
                f"All {rows:,} rows {what} have label {int(ones > 0)}: there is nothing to tell apart. Look whether "
                "the payments reach up to --date."
            )


def matrix(table: pyarrow.Table, names: Sequence[str] = NUMERIC) -> numpy.ndarray[Any, Any]:
    """The features as float64, rows x features."""
    import numpy as np

    return np.column_stack([table.column(name).to_numpy() for name in names])


# The model --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Learnt:
    """What Spark has learnt: a weight per feature of ``NUMERIC``, as ``linear_model`` applies them."""

    weights: tuple[float, ...]
    intercept: float
    params: dict[str, float]  # the best of the grid
    validation_auc: dict[str, float]  # by grid point

    def probabilities(self, values: Any) -> Any:
        """P(label = 1) per row of a matrix of features."""
        import numpy as np

        from pipelines.churn.linear_model import probabilities

        return probabilities(values, np.array(self.weights), self.intercept)

    def as_sum(self) -> Sum:
        """What it adds up."""
        from pipelines.churn.contributions import of_linear_model

        return of_linear_model(NUMERIC, self.weights, self.intercept)

    def facts(self) -> str:
        """The artifact that ``linear_model`` loads."""
        defaults = [feature.default for feature in FEATURES if not feature.is_category]
        return json.dumps({
            "features": NUMERIC, "defaults": defaults, "weights": self.weights, "intercept": self.intercept,
        }, indent=1)  # fmt: skip


def fit(data: pyarrow.Table, dataset: str, reg_params: Sequence[float], elastic_net_params: Sequence[float]) -> Learnt:
    """Fit the grid on the rows that are not held out: read and cached once, the points of the grid in parallel.

    Args:
        data: the rows that ``dataset`` left.
        dataset: the path or URL of their Parquet, for Spark to read.
        reg_params, elastic_net_params: the grid.

    Returns:
        The best point by AUC on the validation rows, fitted on those too.
    """
    from concurrent.futures import ThreadPoolExecutor
    from itertools import product

    import pyarrow.compute as pc
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import VectorAssembler
    from pyspark.sql import functions as F  # noqa: N812
    from sklearn.metrics import roc_auc_score

    from pipelines.services import spark

    rows = spark.session().read.parquet(spark.url(dataset)).where("NOT holdout")
    seen = rows.select(
        "label", "validation", *((F.signum(name) * F.log1p(F.abs(name))).alias(name) for name in NUMERIC)
    )
    assembler = VectorAssembler(inputCols=list(NUMERIC), outputCol="features")
    vectors = spark.spread(assembler.transform(seen).select("features", "label", "validation"))
    training = vectors.where("NOT validation").cache()
    training.count()  # once, not by each thread
    chosen_by = data.filter(pc.and_(pc.invert(data["holdout"]), data["validation"]))
    values, labels = matrix(chosen_by), chosen_by["label"].to_numpy()

    def learn(vectors: Any, point: tuple[float, float]) -> Learnt:
        regression = LogisticRegression(
            maxIter=MAX_ITERATIONS, tol=TOLERANCE, regParam=point[0], elasticNetParam=point[1]
        )
        model = regression.fit(vectors)
        weights = tuple(float(weight) for weight in model.coefficients)
        return Learnt(weights, float(model.intercept), {"regParam": point[0], "elasticNetParam": point[1]}, {})

    points = list(product(reg_params, elastic_net_params))
    try:
        with ThreadPoolExecutor(spark.cores() + 1) as threads:  # a driver waits more than it works
            try:
                grid = list(threads.map(lambda point: learn(training, point), points))
            except BaseException:
                spark.session().sparkContext.cancelAllJobs()  # threads are waited for
                raise
    finally:
        training.unpersist()
    two = 0 < labels.sum() < len(labels)  # among few customers the validation rows may be all alike
    found = [float(roc_auc_score(labels, learnt.probabilities(values))) if two else 0.5 for learnt in grid]
    best = learn(vectors, points[found.index(max(found))])
    names = [f"regParam={reg:g} elasticNetParam={net:g}" for reg, net in points]
    return replace(best, validation_auc=dict(zip(names, found, strict=True)))


# How good it is ---------------------------------------------------------------------------------------------------


def metrics(labels: Any, probabilities: Any) -> dict[str, float]:
    """``roc_auc``, ``brier``, ``log_loss``, and ``precision_top_decile``: of the tenth with the highest probability."""
    import numpy as np
    from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

    top = np.argsort(-probabilities, kind="stable")[: max(1, round(TOP_SHARE * len(labels)))]
    return {
        "roc_auc": float(roc_auc_score(labels, probabilities)),
        "brier": float(brier_score_loss(labels, probabilities)),
        "log_loss": float(log_loss(labels, probabilities)),
        "precision_top_decile": float(np.mean(np.asarray(labels)[top])),
    }


def plot(labels: Any, probabilities: Any, folder: Path) -> None:
    """``roc.png`` and ``calibration.png``."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from sklearn.calibration import CalibrationDisplay
    from sklearn.metrics import RocCurveDisplay

    folder.mkdir(parents=True, exist_ok=True)
    for name, display, options in (
        ("roc", RocCurveDisplay, {"plot_chance_level": True}),
        ("calibration", CalibrationDisplay, {"n_bins": 10, "strategy": "quantile"}),
    ):
        figure, axes = plt.subplots(figsize=(6, 6))
        display.from_predictions(labels, probabilities, ax=axes, name="holdout", **options)
        figure.savefig(folder / f"{name}.png", dpi=120, bbox_inches="tight")
        plt.close(figure)
