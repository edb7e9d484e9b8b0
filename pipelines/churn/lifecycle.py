"""What the stages of the churn flow do, each as one function of plain arguments: the modules beside it, put to work."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pipelines.churn import cleaning, drift, features, registry, sources, training, weekly
from pipelines.churn.declaration import CATEGORIES, FEATURES, NUMERIC
from pipelines.churn.registry import CHURN_LOGREG, CHURN_MODEL, PRODUCTION
from pipelines.churn.results import (
    CleanTables,
    Conclusion,
    CurrentSnapshot,
    Dataset,
    Decision,
    DriftReport,
    Evaluation,
    NotedDrift,
    TrainedLogreg,
    TrainedModel,
)
from pipelines.core import statements
from pipelines.core.errors import PipelineError
from pipelines.core.statements import query
from pipelines.services import artifacts, tracking
from pipelines.services.artifacts import Place
from pipelines.services.settings import Settings
from pipelines.services.warehouse import Connection

EXPERIMENTS: Mapping[str, str] = {CHURN_MODEL: "churn_retention", CHURN_LOGREG: "churn_logreg"}
LAST_TRAINING = "last_training.json"
REFERENCE_WEEKS = 8  # snapshots before the current one that drift is measured against
KEPT = 3  # generations of clean tables, with what was made of them


# The files --------------------------------------------------------------------------------------------------------


def clean_files(
    tx: Connection, root: Place, seen: Mapping[str, str], store: Place, folder: str, today: date, max_bad_share: float
) -> CleanTables:
    """Leaves the clean tables of files as they were when their hashes were taken; removes those of long ago.

    Args:
        seen: SHA-256 by file.

    Raises:
        BadFile: as ``cleaning.clean``.
        PipelineError: a file changed meanwhile.
    """
    clean = cleaning.clean(root, seen, store, folder, today, max_bad_share)
    if sources.hashes(tx, root, may_read=True) != dict(seen):
        raise PipelineError(f"{root.url}: a file changed while it was read. Run again when the files are whole.")
    store.keep_newest("clean", KEPT)
    return replace(clean, sources=dict(seen))


# churn-model ------------------------------------------------------------------------------------------------------


def build_dataset(store: Place, clean: CleanTables, version: str, snapshot: date, fingerprint: str) -> Dataset:
    """Leaves features before the cutoff with the labels after it, and the features of the weeks before.

    Args:
        version: of the code that computes features.
        fingerprint: names the file.

    Raises:
        NoCohort: nobody paid before the cutoff.
        CannotTrain: too few rows, or all of one label.
    """
    cutoff = snapshot - timedelta(days=features.LABEL_DAYS)
    frame = features.frame(store, clean, version, cutoff)
    customers = features.read(store, frame)
    features.require_cohort(customers.num_rows, cutoff, clean)
    with features.engine(store, clean.folder) as ask:
        active = ask(statements.text("churn/active"), {"cutoff": cutoff, "until": snapshot})
    name = f"{clean.folder}/churn_features-{fingerprint[:12]}.parquet"
    counts = training.dataset(store, name, customers, active)
    weeks = features.weeks_before(cutoff, REFERENCE_WEEKS, clean.first_day)
    reference = tuple(features.frame(store, clean, version, week) for week in weeks)
    return Dataset(counts.rows, counts.active, counts.holdout, snapshot, cutoff, name, frame, reference)


def train(
    store: Place, dataset: Dataset, hashes: Mapping[str, str], fingerprint: str, settings: Settings
) -> TrainedModel:
    """Fits the grid, and leaves the best as a version of churn-model with metrics, plots, explanation and drift.

    A training that was killed after its run had ended in MLflow is not done twice.
    """
    with tracking.errors_explained():
        experiment = tracking.experiment(EXPERIMENTS[CHURN_MODEL])
        run_id = registry.finished_run(experiment, fingerprint)
        if run_id is None:
            run_id = _train_and_log(store, dataset, hashes, fingerprint, settings, experiment)
        version = registry.register(CHURN_MODEL, run_id)
        run = tracking.client().get_run(run_id)
    artifacts = str(run.info.artifact_uri).removeprefix("file://")
    return TrainedModel(run_id, version, dict(run.data.metrics), dict(run.data.params), artifacts)


def _train_and_log(
    store: Place, dataset: Dataset, hashes: Mapping[str, str], fingerprint: str, settings: Settings, experiment: str
) -> str:
    import mlflow

    data = features.read(store, dataset.dataset)
    holdout, seen = (data.filter(part) for part in _held_out(data))
    with ThreadPoolExecutor(1) as aside, tempfile.TemporaryDirectory(prefix="kpi-delivery-") as scratch:
        sample = settings.churn_drift_sample
        later = aside.submit(_drift_of, store, dataset.frame, dataset.reference, sample)  # while Spark works
        learnt = training.fit(
            data, store.at(dataset.dataset), settings.churn_reg_params, settings.churn_elastic_net_params
        )
        values, labels = training.matrix(holdout), holdout["label"].to_numpy()
        probabilities = learnt.probabilities(values)
        found = training.metrics(labels, probabilities)
        folder = Path(scratch)
        training.plot(labels, probabilities, folder / "plots")
        from pipelines.churn import explain

        explain.explain(learnt.as_sum(), _numbers(seen), _numbers(holdout), folder / explain.FOLDER)
        recent = later.result()
        with _run(experiment, f"churn {dataset.snapshot}", fingerprint, hashes) as run_id:
            mlflow.log_params({
                **learnt.params, "snapshot": dataset.snapshot, "cutoff": dataset.cutoff, "features": len(NUMERIC),
                "rows_training": seen.num_rows, "rows_holdout": holdout.num_rows, "seed": training.SEED,
                "master": settings.spark_master_url,
            })  # fmt: skip
            mlflow.log_metrics({
                **found, "recent_drift_share": recent.share, "recent_drift_detected": float(recent.detected),
                "active_share": dataset.active / dataset.rows,
                **{f"validation_auc/{_plain(point)}": auc for point, auc in learnt.validation_auc.items()},
            })  # fmt: skip
            with store.local(dataset.dataset) as path:
                shutil.copyfile(path, folder / "churn_features.parquet")
            mlflow.log_artifact(str(folder / "churn_features.parquet"), "dataset")
            _log_pictures(folder)
            _log_linear_model(learnt, folder)
    return run_id


def let_train_again(run_id: str) -> None:
    """Marks the run of a training as recorded, so that the next training does not take it for one that was killed."""
    if tracking.run_is_there(run_id):
        with tracking.errors_explained():
            registry.note_recorded(run_id)


def _numbers(rows: Any) -> Any:
    return rows.select(list(NUMERIC)).to_pandas()


def _log_pictures(folder: Path) -> None:
    import mlflow

    from pipelines.churn import explain

    for name in (explain.FOLDER, "plots"):
        mlflow.log_artifacts(str(folder / name), name)


def _held_out(data: Any) -> tuple[Any, Any]:
    import pyarrow.compute as pc

    return data["holdout"], pc.invert(data["holdout"])


def _plain(point: str) -> str:
    return point.replace("=", "_")


def _drift_of(store: Place, frame: str, reference: Sequence[str], sample: int, note: str = "") -> drift.Drift:
    """A frame against those of the weeks before it; against itself with light noise where there are none."""
    import pandas as pd

    current, *weeks = (features.read(store, name, [*NUMERIC, *CATEGORIES]).to_pandas() for name in (frame, *reference))
    if not weeks:
        return drift.compare(current, drift.stand_in(current), sample, note)
    return drift.compare(current, pd.concat(weeks, ignore_index=True), sample, note, drift.not_yet_known(weeks))


def _log_linear_model(learnt: training.Learnt, folder: Path) -> None:
    import mlflow
    import numpy as np
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    from pipelines.churn import linear_model

    (folder / "coefficients.json").write_text(learnt.facts(), encoding="utf-8")
    defaults = {feature.name: [float(feature.default)] for feature in FEATURES if not feature.is_category}
    mlflow.pyfunc.log_model(
        name="model",
        python_model=linear_model.__file__,
        artifacts={"coefficients": str(folder / "coefficients.json")},
        signature=ModelSignature(
            Schema([ColSpec("double", name) for name in NUMERIC]), Schema([TensorSpec(np.dtype("float64"), (-1,))])
        ),
        input_example=pd.DataFrame(defaults),
        pip_requirements=_requirements("mlflow", "numpy", "pandas"),
    )


def _requirements(*packages: str) -> list[str]:
    from importlib.metadata import version

    return [f"{package}=={version(package)}" for package in packages]


@contextmanager
def _run(experiment: str, name: str, fingerprint: str, hashes: Mapping[str, str]) -> Iterator[str]:
    """A run of MLflow that knows what it was made from."""
    import mlflow

    tags = {registry.MADE_FROM: fingerprint, **{f"source.{file}": digest for file, digest in hashes.items()}}
    with mlflow.start_run(experiment_id=experiment, run_name=name, tags=tags) as run:
        yield str(run.info.run_id)


def evaluate(store: Place, dataset: Dataset, trained: TrainedModel) -> Evaluation:
    """Evaluates candidate and production on the candidate's holdout."""
    with tracking.errors_explained():
        registry.note_recorded(trained.run_id)
        current = tracking.version_of(CHURN_MODEL, PRODUCTION)
        data = features.read(store, dataset.dataset)
        holdout = data.filter(data["holdout"])
        frame, labels = _numbers(holdout), holdout["label"].to_numpy()

        def auc(model: Any) -> float:
            return training.metrics(labels, model.predict(frame))["roc_auc"]

        candidate_auc = auc(registry.load(CHURN_MODEL, trained.version))
        return _against_production(CHURN_MODEL, trained.version, candidate_auc, current, auc)


def _against_production(
    model: str, candidate: str, candidate_auc: float, production: str | None, evaluate: Callable[[Any], float]
) -> Evaluation:
    if production is None:
        return Evaluation(candidate, candidate_auc, None, None, None)
    loaded = registry.load(model, production)  # a version that cannot be read just now must not be replaced for it
    try:
        return Evaluation(candidate, candidate_auc, production, evaluate(loaded), None)
    except Exception as error:  # an old model may fail on today's features in any way
        said = next(iter(str(error).splitlines()), "")[:200] or type(error).__name__
        reason = f"version {production} cannot score today's features ({said})"
        return Evaluation(candidate, candidate_auc, production, None, reason)


def decide(model: str, evaluation: Evaluation, min_delta: float) -> Decision:
    """Decides whether the candidate is promoted; the decision is a tag of the version, too."""
    decision = registry.decide(evaluation.candidate_auc, evaluation.production_auc, evaluation.incomparable, min_delta)
    with tracking.errors_explained():
        registry.note_decision(model, evaluation.candidate_version, decision.promote, decision.reason)
    return decision


def promote(evaluation: Evaluation) -> None:
    """Makes the candidate of churn-model production.

    Raises:
        PipelineError: another version has become production since the evaluation.
    """
    with tracking.errors_explained():
        registry.promote(CHURN_MODEL, evaluation.candidate_version, evaluation.production_version)


def conclude(
    store: Place,
    hashes: Mapping[str, str],
    dataset: Dataset,
    trained: TrainedModel,
    evaluation: Evaluation,
    decision: Decision,
) -> Conclusion:
    """Leaves ``last_training.json``: run, metrics, decision, reason, and the hashes of the files."""
    facts = {
        "model": CHURN_MODEL, "version": trained.version, "run_id": trained.run_id, "snapshot": str(dataset.snapshot),
        "cutoff": str(dataset.cutoff), "rows": dataset.rows, "metrics": trained.metrics, "params": trained.params,
        "decision": "promote" if decision.promote else "skip", "reason": decision.reason,
        "candidate_auc": evaluation.candidate_auc, "production_version": evaluation.production_version,
        "production_auc": evaluation.production_auc, "inputs": dict(hashes),
    }  # fmt: skip
    return Conclusion(store.write(LAST_TRAINING, json.dumps(facts, indent=1).encode()))


# churn-logreg -----------------------------------------------------------------------------------------------------


def train_logreg(tx: Connection, snapshots: Sequence[date], weeks: int, fingerprint: str) -> TrainedLogreg:
    """Fit the pipeline on the last weekly snapshots that have labels, and judge it, and production, on who is held out.

    Args:
        snapshots: those that may be learnt from, oldest first.
        weeks: how many to learn from.

    Raises:
        CannotTrain: no labels that differ.
    """
    import mlflow
    from mlflow.models import infer_signature

    from pipelines.churn import explain, logreg, scoring
    from pipelines.churn.contributions import of_logreg

    rows = weekly.read(tx, snapshots)
    rows = rows[rows["labeled_churn"].notna()]
    days = rows["snapshot_date"].astype(str)
    labelled = sorted(days.unique())[-weeks:]
    rows = rows[days.isin(labelled)]
    seen, holdout = rows[~rows["holdout"]], rows[rows["holdout"]]
    with tracking.errors_explained():
        experiment = tracking.experiment(EXPERIMENTS[CHURN_LOGREG])
        run_id = registry.finished_run(experiment, fingerprint)
        if run_id is None:
            labels = logreg.labels(holdout)
            training.require_enough(logreg.labels(seen), labels)
            model = logreg.fit(seen)
            probabilities = logreg.probabilities(model, holdout)
            found = training.metrics(labels, probabilities)
            with (
                tempfile.TemporaryDirectory(prefix="kpi-delivery-") as scratch,
                _run(experiment, f"churn-logreg {labelled[-1]}", fingerprint, {}) as run_id,
            ):
                folder = Path(scratch)
                training.plot(labels, probabilities, folder / "plots")
                explain.explain(of_logreg(model), seen, holdout, folder / explain.FOLDER)
                _log_pictures(folder)
                mlflow.log_params({
                    "first_snapshot": labelled[0], "last_snapshot": labelled[-1], "weeks": len(labelled),
                    "rows_training": len(seen), "rows_holdout": len(holdout),
                })  # fmt: skip
                mlflow.log_metrics({**found, "churned_share": float(rows["labeled_churn"].mean())})
                example = holdout[list(logreg.COLUMNS)].head(2)
                mlflow.sklearn.log_model(
                    model, name="model", signature=infer_signature(example, model.predict_proba(example)),
                    input_example=example, pyfunc_predict_fn="predict_proba",
                    pip_requirements=_requirements("mlflow", "scikit-learn", "numpy", "pandas"),
                )  # fmt: skip
        version = registry.register(CHURN_LOGREG, run_id)
        current = tracking.version_of(CHURN_LOGREG, PRODUCTION)
        metrics = tracking.client().get_run(run_id).data.metrics

        def auc(model: Any) -> float:
            scores = scoring.churn_of(model, holdout[list(logreg.COLUMNS)])
            return training.metrics(logreg.labels(holdout), scores)["roc_auc"]

        evaluation = _against_production(
            CHURN_LOGREG, version, metrics["roc_auc"], None if current == version else current, auc
        )
        learnt_from = tuple(date.fromisoformat(day) for day in labelled)
        return TrainedLogreg(run_id, version, dict(metrics), len(rows), learnt_from, evaluation)


def promote_logreg(trained: TrainedLogreg, min_delta: float) -> Decision:
    """Decides by the same rule as churn-model, and promotes where it says so."""
    decision = decide(CHURN_LOGREG, trained.evaluation, min_delta)
    with tracking.errors_explained():
        registry.note_recorded(trained.run_id)
        if decision.promote:
            registry.promote(CHURN_LOGREG, trained.version, trained.evaluation.production_version)
    return decision


# Drift ------------------------------------------------------------------------------------------------------------


def build_current_snapshot(store: Place, clean: CleanTables, version: str, week: date) -> CurrentSnapshot:
    """Leaves the features of a weekly snapshot, and of the weeks before it.

    Args:
        version: of the code that computes features.

    Raises:
        NoCohort: nobody paid before it.
    """
    weeks = features.weeks_before(week, REFERENCE_WEEKS, clean.first_day)
    frame, *reference = (features.frame(store, clean, version, day) for day in (week, *weeks))
    features.require_cohort(features.read(store, frame, ["customer_id"]).num_rows, week, clean)
    return CurrentSnapshot(week, tuple(weeks), frame, tuple(reference))


def report_drift(store: Place, current: CurrentSnapshot, settings: Settings) -> DriftReport:
    """Compares a snapshot with the weeks before it; leaves the report on disk, and in the bucket, if any."""
    if current.weeks:
        weeks = ", ".join(map(str, current.weeks))
        note = f"Snapshot {current.snapshot} against those of the weeks before it: {weeks}."
    else:
        note = (
            f"Snapshot {current.snapshot} has no snapshot to be compared with yet: it is compared with itself and "
            "light noise, which stands in for one. Its result says nothing of customers."
        )
    found = _drift_of(store, current.frame, current.reference, settings.churn_drift_sample, note)
    name, page = drift.report_name(current.snapshot), found.html.encode()
    path = Place(str(settings.make_home() / "drift_reports")).write(name, page)
    key = None
    if store.on_s3:
        key = f"drift-reports/{name}"
        artifacts.bucket().write(key, page)
    return DriftReport(
        found.detected, found.share, found.drifted, path, key, found.left_out, found.compared, not current.weeks
    )


def note_drift(tx: Connection, snapshot: date, found: DriftReport) -> NotedDrift:
    """Leaves the result in ``ops.churn_drift``."""
    from psycopg.types.json import Jsonb

    tx.execute(query("churn/note_drift"), {
        "snapshot": snapshot, "drift_detected": found.drift_detected, "drift_share": found.drift_share,
        "drifted": list(found.drifted), "left_out": Jsonb(found.left_out), "stand_in": found.stand_in,
        "path": found.path, "key": found.key,
    })  # fmt: skip
    return NotedDrift(found.drift_detected, found.drift_share, found.drifted, found.path, found.key)
