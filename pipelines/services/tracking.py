"""The one door to MLflow: the server or store that ``MLFLOW_TRACKING_URI`` names, or SQLite in STATE_DIR."""

from __future__ import annotations

import json
import logging
import os
import re
import sqlite3
import textwrap
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import PipelineError
from pipelines.services.settings import settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

TIMEOUT = 10  # seconds to wait for a server that is asked one small thing


class TrackingUnreachable(PipelineError):
    """MLflow does not answer, or not as it should."""

    exit_code = 35


def uri() -> str:
    """The tracking URI; the store of STATE_DIR is made on first use."""
    return settings().mlflow_tracking_uri or f"sqlite:///{_own_store()}"


def is_there() -> bool:
    """Whether there is a store; creates none."""
    return settings().mlflow_tracking_uri is not None or _own_path().exists()


@lru_cache
def client() -> MlflowClient:
    """MLflow, quiet, and without telemetry."""
    _quieten()
    import mlflow

    where = uri()
    mlflow.set_tracking_uri(where)
    mlflow.set_registry_uri(where)
    return mlflow.MlflowClient(where)


@lru_cache
def _quieten() -> None:
    for name, value in {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
        "MLFLOW_LOGGING_LEVEL": "ERROR",
        "GIT_PYTHON_REFRESH": "quiet",
    }.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", "IProgress not found")  # of a progress bar, in notebooks


def _own_path() -> Path:
    return settings().home / "mlflow" / "mlflow.db"


@lru_cache
def _own_store() -> Path:
    """SQLite in STATE_DIR: whole or not there at all, so that a run that is killed meanwhile leaves no half of one."""
    settings().make_home()
    store = _own_path()
    home = store.parent
    if not store.exists():
        home.mkdir(exist_ok=True)
        for left in home.glob("mlflow.db.new-*"):
            left.unlink(missing_ok=True)
        new = home / f"mlflow.db.new-{os.getpid()}"
        _quieten()
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        SqlAlchemyStore(f"sqlite:///{new}", (home / "artifacts").as_uri()).engine.dispose()
        new.replace(store)
    return store


def experiment(name: str) -> str:
    """The id of an experiment, made if it is not there."""
    found = client().get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    where = None if settings().mlflow_tracking_uri else (_own_store().parent / "artifacts" / name).as_uri()
    return str(client().create_experiment(name, artifact_location=where))


# Asked often, and before MLflow is imported: two small questions, without its client ------------------------------


def run_is_there(run_id: str) -> bool:
    """Whether a run exists and was not deleted."""
    return _asked(
        "SELECT 1 FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'", (run_id,),
        "runs/get", {"run_id": run_id}, lambda: client().get_run(run_id).info.lifecycle_stage == "active" or None,
    ) is not None  # fmt: skip


def version_of(model: str, alias: str) -> str | None:
    """The version of a registered model that has an alias; None where there is none."""
    found = _asked(
        "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?", (model, alias),
        "registered-models/alias", {"name": model, "alias": alias},
        lambda: client().get_model_version_by_alias(model, alias).version,
    )  # fmt: skip
    if isinstance(found, dict):
        found = found["model_version"]["version"]
    return None if found is None else str(found)


def tag_of(model: str, key: str) -> str | None:
    """A tag of a registered model; None where there is none."""
    found = _asked(
        "SELECT value FROM registered_model_tags WHERE name = ? AND key = ?", (model, key),
        "registered-models/get", {"name": model}, lambda: client().get_registered_model(model).tags.get(key),
    )  # fmt: skip
    if isinstance(found, dict):
        tags = found["registered_model"].get("tags", ())
        found = next((tag.get("value", "") for tag in tags if tag["key"] == key), None)
    return None if found is None else str(found)


def _asked(statement: str, values: tuple[str, ...], endpoint: str, query: dict[str, str], otherwise: Any) -> Any:
    if not is_there():
        return None
    where = uri()
    if where.startswith("sqlite:///"):
        path = Path(where.removeprefix("sqlite:///"))
        if not path.exists():
            return None
        with errors_explained(), closing(sqlite3.connect(path, timeout=TIMEOUT)) as store:
            row = store.execute(statement, values).fetchone()
        return row and row[0]
    if where.startswith(("http://", "https://")) and "@" not in where and "MLFLOW_TRACKING_TOKEN" not in os.environ:
        ask = f"{where.rstrip('/')}/api/2.0/mlflow/{endpoint}?{urllib.parse.urlencode(query)}"
        with errors_explained():
            try:
                with urllib.request.urlopen(ask, timeout=TIMEOUT) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code in (400, 404) and json.load(error).get("error_code") in MISSING:
                    return None
                raise
    return _or_none(otherwise)


MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # what MLflow says of what is not there


def _or_none(question: Any) -> Any:
    from mlflow.exceptions import MlflowException

    with errors_explained():
        try:
            return question()
        except MlflowException as error:
            if error.error_code in MISSING:
                return None
            raise


@contextmanager
def errors_explained() -> Iterator[None]:
    """Tell in plain words that MLflow failed."""
    try:
        yield
    except PipelineError:
        raise
    except Exception as error:
        if not is_of_tracking(error):
            raise
        said = next(iter(str(error).splitlines()), "") or type(error).__name__
        said = textwrap.shorten(re.sub(r"//[^/@\s]+@", "//", said), 200, placeholder=" …")  # without a password
        raise TrackingUnreachable(
            f"MLflow at {shown()} refuses or does not answer: {said}. "
            "Look at MLFLOW_TRACKING_URI, and run again: what is done is not done twice."
        ) from error


def is_of_tracking(error: Exception) -> bool:
    if isinstance(error, (urllib.error.URLError, sqlite3.Error, TimeoutError, ConnectionError, json.JSONDecodeError)):
        return True
    return type(error).__module__.split(".")[0] in ("mlflow", "requests", "urllib3", "sqlalchemy", "botocore", "boto3")


def shown() -> str:
    """The tracking URI without a password."""
    return _without_password(uri())


def _without_password(where: str) -> str:
    parts = urllib.parse.urlsplit(where)
    if parts.password is None:
        return where
    return parts._replace(netloc=f"{parts.username}@{parts.hostname}:{parts.port or ''}".rstrip(":")).geturl()
