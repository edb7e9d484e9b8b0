"""What the stages of the churn flow do, each as one function of plain arguments: the modules beside it, put to work."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.churn import drift, features, registry, synthetic, training, weekly
from pipelines.churn.declaration import CATEGORIES, FEATURES, NUMERIC
from pipelines.churn.registry import CHURN_LOGREG, CHURN_MODEL, PRODUCTION
from pipelines.core.errors import MissingInput
from pipelines.core.statements import query
from pipelines.core.targets import Details, Record, RecordTarget
from pipelines.services import artifacts, console, tracking, warehouse
from pipelines.services.artifacts import Place
from pipelines.services.settings import Settings
from pipelines.services.warehouse import Connection

EXPERIMENTS = {CHURN_MODEL: "churn_retention", CHURN_LOGREG: "churn_logreg"}
LAST_TRAINING = "last_training.json"


# Files that are not there -----------------------------------------------------------------------------------------


def generate_if_empty(root: Place, settings: Settings, cleaning: str) -> None:
    """Generate the files where there is none of them.

    Args:
        cleaning: the stage whose record tells that there once were files that we had not generated.

    Raises:
        MissingInput: the folder that was named is not there, or files that were there are gone.
    """
    ours = RecordTarget("churn", "generate_churn_files", root.url)
    if root.on_s3 and (begun := ours.read()) and not begun.details:
        _generate_on_s3(root, int(begun.fingerprint), ours)  # a run was interrupted while it wrote them
        return
    if any(root.exists(file) for file in synthetic.FILES):
        return
    named = settings.churn_data_root is not None
    if named and not root.on_s3 and not Path(root.url).is_dir():
        raise MissingInput(
            f"CHURN_DATA_ROOT={root.url}: there is no such folder. Make it, and files are generated in it."
        )
    if named and RecordTarget("churn", cleaning, root.url).exists() and not ours.exists():
        raise MissingInput(
            f"CHURN_DATA_ROOT={root.url}: the files that were here are gone. None are generated in their place: "
            "a model would learn from what nobody did."
        )
    if root.names():
        raise MissingInput(
            f"{root.url} holds none of {', '.join(synthetic.FILES)}, but other files. Put the files there; in an empty "
            "folder they are generated."
        )
    console.note(f"{root.url} is empty: generating files of {settings.churn_users:,} users")
    if root.on_s3:
        _generate_on_s3(root, settings.churn_users, ours)
        return
    started = time.monotonic()
    rows = synthetic.generate(Path(root.url), settings.churn_users)
    ours.write(warehouse.connection(), str(settings.churn_users), rows, time.monotonic() - started)


def _generate_on_s3(root: Place, users: int, ours: RecordTarget) -> None:
    """Upload the files that are missing; a record without counts tells that a run has begun with it.

    Files that are there and are not those that this would write are somebody's own: then nothing is written.
    """
    started = time.monotonic()
    ours.write(warehouse.connection(), str(users), {}, 0.0)
    with tempfile.TemporaryDirectory(prefix="kpi-delivery-") as scratch:
        rows = synthetic.generate(folder := Path(scratch) / "files", users)
        there = [file for file in synthetic.FILES if root.exists(file)]
        if any(root.size(file) != (folder / file).stat().st_size for file in there):
            ours.forget()
            return
        for file in synthetic.FILES:
            if file not in there:
                with root.writing(file) as path:
                    shutil.copyfile(folder / file, path)
    ours.write(warehouse.connection(), str(users), rows, time.monotonic() - started)


# churn-model ------------------------------------------------------------------------------------------------------


def train(store: Place, made: Details, sources: Mapping[str, str], fingerprint: str, settings: Settings) -> Details:
    """Fit the grid, and leave the best as a version of churn-model with metrics, plots, explanation and drift.

    A training that was killed after its run had ended in MLflow is not done twice.

    Returns:
        ``run_id``, ``version``, metrics and params as MLflow has them, and where its ``artifacts`` are.
    """
    with tracking.plainly():
        experiment = tracking.experiment(EXPERIMENTS[CHURN_MODEL])
        run_id = registry.finished_run(experiment, fingerprint)
        if run_id is None:
            run_id = _train_and_log(store, made, sources, fingerprint, settings, experiment)
        version = registry.register(CHURN_MODEL, run_id)
        run = tracking.client().get_run(run_id)
    return {
        "run_id": run_id, "version": version, "metrics": run.data.metrics, "params": run.data.params,
        "artifacts": str(run.info.artifact_uri).removeprefix("file://"),
    }  # fmt: skip


def _train_and_log(
    store: Place, made: Details, sources: Mapping[str, str], fingerprint: str, settings: Settings, experiment: str
) -> str:
    import mlflow

    data = features.read(store, made["dataset"])
    holdout, seen = (data.filter(part) for part in _held_out(data))
    with ThreadPoolExecutor(1) as aside, tempfile.TemporaryDirectory(prefix="kpi-delivery-") as scratch:
        later = aside.submit(_drift_of, store, made, settings.churn_drift_sample)  # while Spark works
        learnt = training.fit(
            data, store.at(made["dataset"]), settings.churn_reg_params, settings.churn_elastic_net_params
        )
        values, labels = training.matrix(holdout), holdout["label"].to_numpy()
        probabilities = learnt.probabilities(values)
        found = training.metrics(labels, probabilities)
        folder = Path(scratch)
        training.plot(labels, probabilities, folder / "plots")
        from pipelines.churn import explain

        explain.explain(learnt.sum(), _numbers(seen), _numbers(holdout), folder / explain.FOLDER)
        recent = later.result()
        with _run(experiment, f"churn {made['snapshot']}", fingerprint, sources) as run_id:
            mlflow.log_params({
                **learnt.params, "snapshot": made["snapshot"], "cutoff": made["cutoff"], "features": len(NUMERIC),
                "rows_training": seen.num_rows, "rows_holdout": holdout.num_rows, "seed": training.SEED,
                "master": settings.spark_master_url,
            })  # fmt: skip
            mlflow.log_metrics({
                **found, "recent_drift_share": recent.share, "recent_drift_detected": float(recent.detected),
                "active_share": made["active"] / made["rows"],
                **{f"validation_auc/{_plain(point)}": auc for point, auc in learnt.validation_auc.items()},
            })  # fmt: skip
            with store.local(made["dataset"]) as dataset:
                shutil.copyfile(dataset, folder / "churn_features.parquet")
            mlflow.log_artifact(str(folder / "churn_features.parquet"), "dataset")
            _log_pictures(folder)
            _log_linear_model(learnt, folder)
    return run_id


def let_train_again(record: Record | None) -> None:
    """See that a training that was recorded is done anew: its run is none that was killed before its record."""
    if record and tracking.run_is_there(run_id := record.details["run_id"]):
        with tracking.plainly():
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


def _drift_of(store: Place, made: Details, sample: int, note: str = "") -> drift.Drift:
    """A frame against those of the weeks before it; against itself with light noise where there are none."""
    import pandas as pd

    current, *weeks = (
        features.read(store, name, [*NUMERIC, *CATEGORIES]).to_pandas() for name in (made["frame"], *made["reference"])
    )
    if not weeks:
        return drift.compare(current, drift.stand_in(current), sample, note)
    return drift.compare(current, pd.concat(weeks, ignore_index=True), sample, note, drift.not_yet_known(weeks))


def _log_linear_model(learnt: training.Learnt, folder: Path) -> None:
    import mlflow
    import numpy as np
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    (folder / "coefficients.json").write_text(learnt.facts(), encoding="utf-8")
    defaults = {feature.name: [float(feature.default)] for feature in FEATURES if not feature.is_category}
    mlflow.pyfunc.log_model(
        name="model",
        python_model=str(Path(__file__).with_name("linear_model.py")),
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
def _run(experiment: str, name: str, fingerprint: str, sources: Mapping[str, str]) -> Iterator[str]:
    """A run of MLflow that knows what it was made from."""
    import mlflow

    tags = {registry.MADE_FROM: fingerprint, **{f"source.{file}": digest for file, digest in sources.items()}}
    with mlflow.start_run(experiment_id=experiment, run_name=name, tags=tags) as run:
        yield str(run.info.run_id)


def evaluate(store: Place, made: Details, trained: Details) -> Details:
    """Candidate and production on the candidate's holdout.

    Returns:
        Both versions and AUCs; those of production are None where there is none, or where it cannot score
        (``incomparable`` tells why).
    """
    with tracking.plainly():
        registry.note_recorded(trained["run_id"])
        candidate, current = trained["version"], tracking.version_of(CHURN_MODEL, PRODUCTION)
        data = features.read(store, made["dataset"])
        holdout = data.filter(data["holdout"])
        frame, labels = _numbers(holdout), holdout["label"].to_numpy()

        def auc(model: Any) -> float:
            return training.metrics(labels, model.predict(frame))["roc_auc"]

        return {
            "candidate_version": candidate,
            "candidate_auc": auc(registry.load(CHURN_MODEL, candidate)),
            **_of_production(CHURN_MODEL, current, auc),
        }


def _of_production(model: str, version: str | None, judge: Callable[[Any], float]) -> Details:
    told: Details = {"production_version": version, "production_auc": None, "incomparable": None}
    if version is None:
        return told
    production = registry.load(model, version)  # that it cannot be read just now is no reason to replace it
    try:
        return {**told, "production_auc": judge(production)}
    except Exception as error:  # whatever a model of old says to data of today
        said = next(iter(str(error).splitlines()), "")[:200] or type(error).__name__
        return {**told, "incomparable": f"version {version} cannot score today's features ({said})"}


def decide(model: str, version: str, judged: Details, min_delta: float) -> Details:
    """Promote or skip a version of a model, and why; the registry tells it, too."""
    decision = registry.decide(judged["candidate_auc"], judged["production_auc"], judged["incomparable"], min_delta)
    with tracking.plainly():
        registry.note_decision(model, version, decision.promote, decision.reason)
    return {"promote": decision.promote, "reason": decision.reason, "min_delta": min_delta}


def conclude(
    store: Place, sources: Mapping[str, str], made: Details, trained: Details, evaluated: Details, decided: Details
) -> Details:
    """Leave ``last_training.json``: run, metrics, decision, reason, and the fingerprints of the inputs."""
    told = {
        "model": CHURN_MODEL, "version": trained["version"], "run_id": trained["run_id"], "snapshot": made["snapshot"],
        "cutoff": made["cutoff"], "rows": made["rows"], "metrics": trained["metrics"], "params": trained["params"],
        "decision": "promote" if decided["promote"] else "skip", "reason": decided["reason"],
        **{name: evaluated[name] for name in ("candidate_auc", "production_version", "production_auc")},
        "inputs": dict(sources),
    }  # fmt: skip
    return {"last_training": store.write(LAST_TRAINING, json.dumps(told, indent=1).encode())}


# churn-logreg -----------------------------------------------------------------------------------------------------


def train_logreg(tx: Connection, snapshots: Sequence[str], weeks: int, fingerprint: str) -> Details:
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

    rows = weekly.read(tx, [date.fromisoformat(day) for day in snapshots])
    rows = rows[rows["labeled_churn"].notna()]
    days = rows["snapshot_date"].astype(str)
    labelled = sorted(days.unique())[-weeks:]
    rows = rows[days.isin(labelled)]
    seen, holdout = rows[~rows["holdout"]], rows[rows["holdout"]]
    with tracking.plainly():
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

        return {
            "rows": len(rows), "snapshots": labelled, "run_id": run_id, "version": version, "metrics": metrics,
            "candidate_auc": metrics["roc_auc"],
            **_of_production(CHURN_LOGREG, None if current == version else current, auc),
        }  # fmt: skip


def promote_logreg(trained: Details, min_delta: float) -> Details:
    """Decide by the same rule as churn-model, and do it."""
    decided = decide(CHURN_LOGREG, trained["version"], trained, min_delta)
    with tracking.plainly():
        registry.note_recorded(trained["run_id"])
        if decided["promote"]:
            registry.promote(CHURN_LOGREG, trained["version"], trained["production_version"])
    return decided


# Drift ------------------------------------------------------------------------------------------------------------


def report_drift(store: Place, made: Details, settings: Settings) -> Details:
    """Compare the current snapshot with the weeks before it; leave the report on disk, and in the bucket, if any.

    Returns:
        ``drift_detected``, ``path`` and ``key`` of the report (None without a bucket), and what was found.
    """
    if made["weeks"]:
        note = f"Snapshot {made['snapshot']} against those of the weeks before it: {', '.join(made['weeks'])}."
    else:
        note = (
            f"Snapshot {made['snapshot']} has no snapshot to be compared with yet: it is compared with itself and "
            "light noise, which stands in for one. Its result says nothing of customers."
        )
    found = _drift_of(store, made, settings.churn_drift_sample, note)
    name, page = drift.report_name(date.fromisoformat(made["snapshot"])), found.html.encode()
    path = Place(str(settings.make_home() / "drift_reports")).write(name, page)
    key = None
    if store.on_s3:
        key = f"drift-reports/{name}"
        artifacts.bucket().write(key, page)
    return {**found.facts(), "stand_in": not made["weeks"], "path": path, "key": key}


def note_drift(tx: Connection, snapshot: date, found: Details) -> Details:
    """Leave the result in ``ops.churn_drift``."""
    from psycopg.types.json import Jsonb

    tx.execute(query("churn/note_drift"), {**found, "snapshot": snapshot, "left_out": Jsonb(found["left_out"])})
    return {name: found[name] for name in ("drift_detected", "drift_share", "drifted", "path", "key")}
