"""What ``benchmarks.churn`` starts in processes of their own.

``generate FOLDER USERS``: files without a damaged value.
``features WHO ROOT FOLDER CUTOFF``: from CSV to ``FOLDER/WHO.parquet``, the whole process is what is timed.
``warm PIECE ROOT FOLDER REPEATS``: a piece with all imports done and Spark up, contenders in turn; prints seconds.
``equal FRAME FRAME …``: whether the features in these Parquet files are the same.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks import churn_others as others
from pipelines.churn import cleaning, features, synthetic
from pipelines.churn.declaration import CATEGORIES, NUMERIC
from pipelines.churn.results import CleanTables
from pipelines.core import results
from pipelines.core.statements import text
from pipelines.services.artifacts import Place

TODAY = date(2019, 6, 1)  # the first day after the generated payments
SCORED = 1_000_000
SINGLES = 500  # calls for one user, of which the median is taken


def generate(folder: str, users: str) -> None:
    import numpy as np

    with mock.patch.object(synthetic, "_damage", lambda _, rows, at_least: np.zeros(rows, np.int8)):  # noqa: ARG005
        synthetic.generate(Path(folder), int(users))


# Features ---------------------------------------------------------------------------------------------------------


def clean(root: Path, store: Place) -> CleanTables:
    """What the stage ``clean_raw_sources`` does."""
    files = Place(str(root))
    return cleaning.clean(files, files.names(), store, "clean/bench", TODAY, 0.1)


def ours(root: Path, folder: Path, cutoff: date) -> None:
    """Cleaning, with all its accounts, and a frame."""
    store = Place(str(folder))
    name = features.frame(store, clean(root, store), "bench", cutoff)
    Path(store.at(name)).replace(folder / "ours.parquet")


def ours_on_spark(root: Path, folder: Path, cutoff: date) -> None:
    """The same, the SQL of the features by Spark."""
    store = Place(str(folder))
    tables = clean(root, store)
    with features.on_spark(store, tables.folder) as ask:
        ask(text("churn/features"), features.bound(cutoff, tables.known_until), folder / "ours_on_spark.parquet")


def pyspark(root: Path, folder: Path, cutoff: date) -> None:
    """By hand, in a session that is set up as ours is."""
    from pipelines.services import spark

    others.spark_features(root, folder / "pyspark.parquet", cutoff, spark.session())


def duckdb(root: Path, folder: Path, cutoff: date) -> None:
    others.duckdb_features(root, folder / "duckdb.parquet", cutoff)


def pandas(root: Path, folder: Path, cutoff: date) -> None:
    others.pandas_features(root, folder / "pandas.parquet", cutoff)


WHO = {each.__name__: each for each in (ours, duckdb, pandas, ours_on_spark, pyspark)}


def equal(first: str, *rest: str) -> None:
    """
    Raises:
        SystemExit: a column differs; sums of money by more than the order of adding explains.
    """
    import numpy as np
    import pandas as pd

    def table(path: str) -> pd.DataFrame:
        frame = pd.read_parquet(path).sort_values("customer_id", ignore_index=True)
        days = ["last_payment_date", "last_login_date"]
        frame[days] = frame[days].apply(pd.to_datetime)
        return frame

    ours = table(first)
    for path in rest:
        theirs = table(path)
        if sorted(theirs) != sorted(ours) or len(theirs) != len(ours):
            sys.exit(f"{path}: {theirs.shape} against {ours.shape}, columns {set(ours) ^ set(theirs)}")
        for name in ours:
            same = (
                np.allclose(ours[name], theirs[name].astype(float), rtol=1e-9, atol=1e-6)
                if ours[name].dtype == float
                else ((ours[name] == theirs[name]) | (ours[name].isna() & theirs[name].isna())).all()
            )
            if not same:
                sys.exit(f"{path}: {name} is not that of {first}")


# Warm pieces ------------------------------------------------------------------------------------------------------


class Turns:
    """Seconds of contenders, in turn; what each returned the last time."""

    def __init__(self, repeats: int) -> None:
        self.repeats = repeats
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.results: dict[str, Any] = {}

    def take(self, contenders: dict[str, Callable[[], Any]], warm: bool = True) -> None:
        """
        Args:
            warm: run each of them once before.
        """
        for repeat in range(-int(warm), self.repeats):
            for who, call in contenders.items():
                started = time.perf_counter()
                self.results[who] = call()
                if repeat >= 0:
                    self.seconds[who].append(time.perf_counter() - started)


def require_close(what: str, ours: float, theirs: float, tolerance: float) -> None:
    if abs(ours - theirs) > tolerance:
        sys.exit(f"{what}: ours {ours}, theirs {theirs}: more than {tolerance} apart.")


def prepared(root: Path, folder: Path) -> tuple[Place, CleanTables, Path]:
    """The clean tables and the data set of a training, made once for all pieces of a size."""
    from pipelines.churn import training

    store, told = Place(str(folder)), folder / "clean.json"
    if not told.exists():
        made = clean(root, store)
        cutoff = TODAY - timedelta(days=features.LABEL_DAYS)
        frame = features.read(store, features.frame(store, made, "bench", cutoff))
        with features.on_duckdb(store, made.folder) as ask:
            active = ask(text("churn/active"), {"cutoff": cutoff, "until": TODAY})
        training.dataset(store, "dataset.parquet", frame, active)
        told.write_text(json.dumps(results.encode(made)), encoding="utf-8")
    made = results.decode(CleanTables, json.loads(told.read_text(encoding="utf-8")))
    assert made is not None, told
    return store, made, folder / "dataset.parquet"


def grid(root: Path, folder: Path, turns: Turns) -> None:
    """Six points, fitted and chosen from, the best refitted."""
    import pyarrow.parquet

    from pipelines.churn import training
    from pipelines.services import spark
    from pipelines.services.settings import settings

    *_, dataset = prepared(root, folder)
    data = pyarrow.parquet.read_table(dataset)
    rows, names = data.to_pandas(), list(NUMERIC)
    points = [list(each) for each in (settings().churn_reg_params, settings().churn_elastic_net_params)]
    stop = {"maxIter": training.MAX_ITERATIONS, "tol": training.TOLERANCE}
    turns.take({
        "ours": lambda: training.fit(data, str(dataset), *points),
        "TrainValidationSplit": lambda: others.spark_grid(spark.session(), str(dataset), names, *points, **stop),
    })  # fmt: skip
    turns.take({"scikit-learn": lambda: others.sklearn_grid(rows, names, *points)}, warm=len(rows) < 100_000)
    holdout = data.filter(data["holdout"])
    learnt = turns.results["ours"].probabilities(training.matrix(holdout))
    auc = training.metrics(holdout["label"].to_numpy(), learnt)["roc_auc"]
    for who in ("TrainValidationSplit", "scikit-learn"):
        require_close(f"AUC, {who}", auc, turns.results[who], 0.002)


def a_model(data: Any) -> Any:
    """Weights to explain and to score with; scikit-learn finds them sooner than a session starts."""
    from sklearn.linear_model import LogisticRegression

    from pipelines.churn.linear_model import squashed
    from pipelines.churn.training import Learnt, matrix

    found = LogisticRegression(C=0.1, max_iter=1000).fit(squashed(matrix(data)), data["label"].to_numpy())
    return Learnt(tuple(found.coef_[0].tolist()), float(found.intercept_[0]), {}, {})


def shap(root: Path, folder: Path, turns: Turns) -> None:
    """The holdout explained."""
    import numpy as np
    import pyarrow.parquet

    from pipelines.churn import explain
    from pipelines.churn.training import matrix

    *_, dataset = prepared(root, folder)
    data = pyarrow.parquet.read_table(dataset)
    learnt = a_model(data.slice(0, 50_000))
    seen, holdout = (matrix(data.filter(pyarrow.compute.equal(data["holdout"], part))) for part in (False, True))
    model, names = (np.array(learnt.weights), learnt.intercept), list(NUMERIC)
    ours = [
        data.filter(pyarrow.compute.equal(data["holdout"], part)).select(names).to_pandas() for part in (False, True)
    ]
    turns.take({
        "ours": lambda: explain.explain(learnt.as_sum(), *ours, folder / "explained"),
        "shap": lambda: others.shap_picture(model, seen, holdout, names, folder / "shap.png"),
    })  # fmt: skip
    found = turns.results["shap"]
    most = max(found.values())
    for name, value in turns.results["ours"].items():
        require_close(f"mean absolute SHAP of {name}", value, found[name], 0.05 * most)


def drift(root: Path, folder: Path, turns: Turns) -> None:
    """The newest week against the eight before it, as frames in memory, to a page on disk."""
    import pandas as pd

    from pipelines.churn import drift as our_drift
    from pipelines.churn.lifecycle import REFERENCE_WEEKS
    from pipelines.services.settings import settings

    store, made, _ = prepared(root, folder)
    numeric, categories = list(NUMERIC), list(CATEGORIES)
    week = features.sundays(TODAY, 1)[0]
    days = [week, *features.weeks_before(week, REFERENCE_WEEKS, made.first_day)]
    current, *weeks = (
        features.read(store, features.frame(store, made, "bench", day), [*numeric, *categories]).to_pandas()
        for day in days
    )
    reference, unknown = pd.concat(weeks, ignore_index=True), our_drift.not_yet_known(weeks)
    numeric, categories = ([name for name in names if name not in unknown] for names in (numeric, categories))

    def ours() -> float:
        found = our_drift.compare(current, reference, settings().churn_drift_sample, unknown=unknown)
        (folder / "drift-ours.html").write_text(found.html, encoding="utf-8")
        return found.share

    columns = [*numeric, *categories]
    turns.take({
        "ours": ours,
        "Evidently": lambda: others.drift_report(
            current[columns], reference[columns], numeric, categories, folder / "drift.html"
        ),
    }, warm=len(current) < 100_000)  # fmt: skip
    require_close("share of drifted columns", turns.results["ours"], turns.results["Evidently"], 0.1)


def registered(data: Any, folder: Path) -> Any:
    """A version of churn-model out of the registry."""
    import mlflow

    from pipelines.churn import lifecycle, registry
    from pipelines.services import tracking

    folder.mkdir(exist_ok=True)
    tracking.client()
    with mlflow.start_run(experiment_id=tracking.experiment("bench")) as run:
        lifecycle._log_linear_model(a_model(data), folder)
    return registry.load(registry.CHURN_MODEL, registry.register(registry.CHURN_MODEL, run.info.run_id))


def scoring(root: Path, folder: Path, turns: Turns) -> None:
    """One user, and a million: features as Parquet in, scores as Parquet out."""
    import numpy as np
    import pyarrow.parquet

    from pipelines.churn import scoring as our_scoring

    *_, dataset = prepared(root, folder)
    data = pyarrow.parquet.read_table(dataset)
    model, names = registered(data.slice(0, 50_000), folder / "model"), list(NUMERIC)
    source = folder / "million.parquet"
    drawn = np.random.default_rng(1).integers(0, data.num_rows, SCORED)
    pyarrow.parquet.write_table(data.select(names).take(drawn), source, compression="snappy")
    facts = model.unwrap_python_model()
    theirs = others.sklearn_model(facts.weights, facts.intercept, names)

    def ours() -> None:
        table = pyarrow.parquet.read_table(source, columns=names)
        scores = our_scoring.score(model, table)
        pyarrow.parquet.write_table(pyarrow.table({"score": scores}), folder / "scores-ours.parquet")

    turns.take({
        "ours": ours,
        "numpy's dot product": lambda: others.numpy_dot(source, folder / "dots.parquet", names, facts.weights),
        "scikit-learn": lambda: others.sklearn_scores(theirs, source, folder / "scores.parquet", names),
    })  # fmt: skip
    one = data.select(names).slice(0, 1).to_pandas()
    singles = Turns(SINGLES)
    singles.take({
        "ours, one": lambda: model.predict(one),
        "scikit-learn, one": lambda: theirs.predict_proba(one)[:, 1],
    })  # fmt: skip
    turns.seconds |= singles.seconds
    require_close("one score", *(float(each[0]) for each in singles.results.values()), 1e-12)
    found, expected = (pyarrow.parquet.read_table(folder / f"{name}.parquet")["score"].to_numpy()
                       for name in ("scores-ours", "scores"))  # fmt: skip
    require_close("scores", 0, float(np.abs(found - expected).max()), 1e-12)


PIECES = {each.__name__: each for each in (grid, shap, drift, scoring)}


def build(who: str, root: str, folder: str, cutoff: str) -> None:
    WHO[who](Path(root), Path(folder), date.fromisoformat(cutoff))


def warm(piece: str, root: str, folder: str, repeats: str) -> None:
    """What libraries print goes to standard error."""
    turns = Turns(int(repeats))
    with contextlib.redirect_stdout(sys.stderr):
        PIECES[piece](Path(root), Path(folder), turns)
    print(json.dumps(turns.seconds))


VERBS = {"generate": generate, "features": build, "equal": equal, "warm": warm}

if __name__ == "__main__":
    VERBS[sys.argv[1]](*sys.argv[2:])
