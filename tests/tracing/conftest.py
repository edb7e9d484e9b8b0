"""Both flows, run once and recorded; the sizes of the closures beside what ran, at the end of the session."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from pipelines.churn import features
from pipelines.core.code_version import Code
from pipelines.core.statements import ROOT
from pipelines.services.settings import settings
from pipelines.services.warehouse import Connection
from tests import helpers
from tests.tracing.flows import FRAME, STAGES, change_settings, run_churn, run_crypto
from tests.tracing.recording import Recorder, parts_of

HEAVY = (  # imported before: under a trace it takes twice as long
    "evidently.presets", "matplotlib.pyplot", "mlflow.sklearn", "pyspark.ml.classification", "shap", "sklearn.metrics",
)  # fmt: skip
RECORDER = pytest.StashKey[Recorder]()


@pytest.fixture(scope="session")
def recorder(
    server: Connection, state: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Recorder]:
    """What ran in each stage of both flows."""
    recorder = Recorder()
    request.config.stash[RECORDER] = recorder
    helpers.empty(server)
    for name in HEAVY:
        importlib.import_module(name)
    with pytest.MonkeyPatch.context() as patch:
        for stage in STAGES.values():
            patch.setattr(stage, "work", recorder.recorded(stage.work))
        patch.setattr(features, "frame", recorder.recorded(features.frame, FRAME))
        patch.setenv("SPARK_MASTER_URL", "local[2]")
        run_crypto(server, tmp_path_factory.mktemp("files"), patch)
        run_churn(state, patch)
        change_settings(patch)
    settings.cache_clear()
    yield recorder
    helpers.empty(server)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Shows, per stage, how much of its closure ran."""
    if (recorder := config.stash.get(RECORDER, None)) is None:
        return
    code = Code(ROOT)
    terminalreporter.section("definitions and SQL files of each stage's code version, and those that ran")
    terminalreporter.write_line(f"{'':48} {'version':>10} {'ran':>10}")
    for entry, executed in recorder.executed.items():
        parts = code.version_of(entry).parts
        ran = {part for each in executed for part in parts_of(each)} & parts.keys()
        name = f"{STAGES[entry].flow}.{STAGES[entry].stage}" if entry in STAGES else entry
        terminalreporter.write_line(f"{name:48} {_sizes(parts):>10} {_sizes(ran):>10}")


def _sizes(parts: Iterable[str]) -> str:
    sql = sum(part.startswith("sql/") for part in parts)
    return f"{len([*parts]) - sql:4} {sql:3}"
