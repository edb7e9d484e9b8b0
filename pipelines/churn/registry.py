"""Models and who is in production: versions, the rule of promotion, the way back."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.churn.results import Decision
from pipelines.core.errors import MissingInput, PipelineError, UsageError
from pipelines.services import tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

PRODUCTION, PREVIOUS = "production", "previous"
CHURN_MODEL, CHURN_LOGREG = "churn-model", "churn-logreg"
MODELS = (CHURN_MODEL, CHURN_LOGREG)
MADE_FROM = "kpi.fingerprint"  # tag of a run: the inputs and the code that it was made from
RECORDED = "kpi.recorded"  # tag of a run that a materialization names
DECISION, REASON = "kpi.decision", "kpi.reason"  # tags of a version: what was decided of it, and why
IN_PRODUCTION = "kpi.in_production"  # tag of a model: which version became production last, and when


def decide(candidate: float, production: float | None, incomparable: str | None, min_delta: float) -> Decision:
    """The rule of promotion, for both models.

    Args:
        candidate: AUC of the candidate on the holdout.
        production: AUC of the production model on the same rows; None where there is none.
        incomparable: why the production model cannot score them.
        min_delta: the gain that is asked for.
    """
    if incomparable:
        return Decision(True, f"production cannot be compared: {incomparable}", min_delta)
    if production is None:
        return Decision(True, "there is no production model yet", min_delta)
    gain = candidate - production
    words = f"AUC {candidate:.4f} against {production:.4f} of production: {gain:+.4f}"
    if gain >= min_delta:
        return Decision(True, f"{words}, at least {min_delta:g}", min_delta)
    return Decision(False, f"{words}, less than {min_delta:g}", min_delta)


# Runs and versions ------------------------------------------------------------------------------------------------


def finished_run(experiment: str, fingerprint: str) -> str | None:
    """The id of a run that was made from these inputs by a training that was killed before it left its materialization.

    Removes what other trainings left unfinished. A run whose training has left its materialization is not taken again:
    where that is gone, somebody wants the training to run again.
    """
    client = tracking.client()
    made = client.search_runs([experiment], f"tags.`{MADE_FROM}` = '{fingerprint}'", order_by=["attributes.start_time"])
    found = [run for run in made if RECORDED not in run.data.tags]
    whole = [run.info.run_id for run in found if run.info.status == "FINISHED"]
    for run in found:
        if run.info.run_id not in whole[:1]:
            client.delete_run(run.info.run_id)
    return whole[0] if whole else None


def note_recorded(run_id: str) -> None:
    """Tags a run whose training has left its materialization."""
    tracking.client().set_tag(run_id, RECORDED, "true")


def register(model: str, run_id: str) -> str:
    """The version of a model that a run made; the same one however often it is asked for."""
    from mlflow.exceptions import MlflowException

    client = tracking.client()
    for known in client.search_model_versions(f"run_id = '{run_id}'"):
        if known.name == model:
            return str(known.version)
    try:
        client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = next(logged for logged in client.search_logged_models([client.get_run(run_id).info.experiment_id])
                  if logged.source_run_id == run_id)  # fmt: skip
    return str(client.create_model_version(model, source.model_uri, run_id, model_id=source.model_id).version)


def load(model: str, version: str) -> Any:
    """A registered version, ready to score (``mlflow.pyfunc``)."""
    tracking.client()
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(f"models:/{model}/{version}")


# Production -------------------------------------------------------------------------------------------------------


def to_score_with() -> str:
    """The version of churn-logreg that is production.

    Raises:
        MissingInput: there is none.
    """
    version = tracking.version_of(CHURN_LOGREG, PRODUCTION)
    if version is None:
        raise MissingInput(f"{CHURN_LOGREG} has no production version to score with: run ChurnLogregTraining first.")
    return version


def promote(model: str, version: str, instead_of: str | None) -> None:
    """Make a version production; the one that was becomes the previous.

    Args:
        instead_of: the version that it was compared with.

    Raises:
        PipelineError: another version has become production since.
    """
    client, current = tracking.client(), tracking.version_of(model, PRODUCTION)
    if current == version:
        return
    if current != instead_of:
        raise PipelineError(
            f"{model}: version {current or 'none'} is production now; version {version} was compared with "
            f"{instead_of or 'none'}. Nothing was promoted. To compare it with what is production now, run "
            "`python -m pipelines forget --date` with the day of its snapshot, and the training again."
        )
    if current:
        client.set_registered_model_alias(model, PREVIOUS, current)
    _produce(client, model, version)


def _produce(client: MlflowClient, model: str, version: str) -> None:
    """Make a version production, and leave a note of when: an alias has no time."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    client.set_registered_model_tag(model, IN_PRODUCTION, f"{version} {since}")
    client.set_registered_model_alias(model, PRODUCTION, version)


def production_since(model: str, version: str) -> datetime | None:
    """When a version that is production became it; None where nobody noted it: somebody moved the alias by hand."""
    noted, _, since = (tracking.tag_of(model, IN_PRODUCTION) or "").partition(" ")
    try:
        return datetime.fromisoformat(since) if noted == version else None
    except ValueError:  # written by somebody else
        return None


def note_decision(model: str, version: str, promote: bool, reason: str) -> None:
    """Let the registry tell what was decided of a version."""
    client = tracking.client()
    client.set_model_version_tag(model, version, DECISION, "promote" if promote else "skip")
    client.set_model_version_tag(model, version, REASON, reason)


def require_known(model: str) -> None:
    """
    Raises:
        UsageError: there is no such model.
    """
    if model not in MODELS:
        raise UsageError(f"{model} is no model of ours: choose {' or '.join(MODELS)}.")


def rollback(model: str, production: str | None) -> tuple[str, str]:
    """Make the previous version production again, and production the previous.

    Args:
        production: the version that was production when this was asked for.

    Returns:
        The version that is production now, and the one that was.

    Raises:
        UsageError: there is no such model.
        MissingInput: it has no previous version.
        PipelineError: another version has become production since.
    """
    require_known(model)
    current, previous = tracking.version_of(model, PRODUCTION), tracking.version_of(model, PREVIOUS)
    if current is None or previous is None or previous == current:
        raise MissingInput(f"{model}: there is no previous version to go back to.")
    if current != production:
        raise PipelineError(
            f"{model}: version {current} has become production meanwhile; it was {production or 'none'}. Nothing was "
            "changed: look at `python -m pipelines models`, and type it again."
        )
    client = tracking.client()
    _produce(client, model, previous)
    client.set_registered_model_alias(model, PREVIOUS, current)
    return previous, current


@dataclass(frozen=True)
class Version:
    """A registered version, its run's metrics, and what it is."""

    model: str
    version: str
    run_id: str
    created: float  # seconds since 1970
    metrics: Mapping[str, float]
    aliases: tuple[str, ...]
    decision: str | None
    reason: str | None


def versions(model: str) -> list[Version]:
    """All versions of a model, newest first."""
    if not tracking.is_there():
        return []
    client = tracking.client()
    aliases = {alias: tracking.version_of(model, alias) for alias in (PRODUCTION, PREVIOUS)}
    found: list[ModelVersion] = sorted(
        client.search_model_versions(f"name = '{model}'"), key=lambda each: -int(each.version)
    )
    metrics = _metrics(client, [each.run_id for each in found if each.run_id])
    return [
        Version(
            model, str(each.version), each.run_id or "", each.creation_timestamp / 1000,
            metrics.get(each.run_id, {}),
            tuple(alias for alias, version in aliases.items() if version == str(each.version)),
            each.tags.get(DECISION), each.tags.get(REASON),
        )
        for each in found
    ]  # fmt: skip


def _metrics(client: MlflowClient, runs: list[str]) -> dict[str | None, Mapping[str, float]]:
    """Of runs that are there still, by one question: a run may have been deleted for good."""
    from mlflow.entities import ViewType

    if not runs:
        return {}
    everywhere = [each.experiment_id for each in client.search_experiments(view_type=ViewType.ALL)]
    named = ", ".join(f"'{run_id}'" for run_id in runs)
    found = client.search_runs(everywhere, f"attributes.run_id IN ({named})", ViewType.ALL, max_results=50_000)
    return {run.info.run_id: run.data.metrics for run in found}


def logged_file(run_id: str, path: str) -> bytes | None:
    """A small file that a run has logged; None where it has none of this path, or is not there any more."""
    from mlflow.exceptions import MlflowException

    client = tracking.client()
    try:
        there = run_id and client.list_artifacts(run_id, path.rpartition("/")[0])
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        there = None
    if path not in [each.path for each in there or ()]:
        return None
    with tempfile.TemporaryDirectory(prefix="kpi-delivery-") as folder:
        return Path(client.download_artifacts(run_id, path, folder)).read_bytes()
