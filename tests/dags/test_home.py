"""``airflow`` in a shell: by the one export that the README names, and refused without it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.core.statements import ROOT
from pipelines.services.settings import Settings
from tests.dags.running import FOLDER

(EXPORT,) = re.findall(
    r'^(export AIRFLOW_HOME="[^"]+")', (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """That of a shell in a fresh clone whose ``.venv`` is active."""
    ours = {name.upper() for name in Settings.model_fields}
    theirs = {name: value for name, value in os.environ.items() if name not in ours and "AIRFLOW" not in name}
    folder = tmp_path_factory.mktemp("clone")
    return {
        **theirs, "HOME": str(folder / "home"), "STATE_DIR": str(folder / "state"), "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "MIN_ROWS_PER_DAY": "20",
    }  # fmt: skip


def shell(environment: dict[str, str], *commands: str) -> subprocess.CompletedProcess[str]:
    script = "\n".join(["set -e", *commands])
    return subprocess.run(["sh", "-c", script], cwd=ROOT, env=environment, text=True, capture_output=True, check=False)


def test_the_one_export_is_enough(environment: dict[str, str]) -> None:
    listed = shell(environment, EXPORT, "airflow dags list")
    assert listed.returncode == 0, listed.stderr
    files = {file.stem for file in FOLDER.glob("*.py")} - {"__init__", "luigi_bridge"}
    assert {line.split()[0] for line in listed.stdout.splitlines() if "airflow_dags" in line} == files
    tested = shell(environment, EXPORT, "airflow dags test crypto_events_dag 2023-02-01")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "Crypto events of 2023-02-01 are in production" in tested.stdout + tested.stderr
    assert not (Path(environment["HOME"]) / "airflow").exists()


def test_without_a_home_a_dag_refuses_and_names_the_export(environment: dict[str, str]) -> None:
    refused = shell(environment, "python airflow_dags/crypto_events_dag.py")
    assert refused.returncode == 1
    assert "UsageError: AIRFLOW_HOME is not set" in refused.stderr
    assert f"Type: {EXPORT}\n" in refused.stderr


def test_another_airflow_that_names_the_dags_folder_is_not_refused(environment: dict[str, str]) -> None:
    configured = {**environment, "AIRFLOW__CORE__DAGS_FOLDER": str(FOLDER)}
    loaded = shell(configured, "python airflow_dags/crypto_events_dag.py")
    assert loaded.returncode == 0, loaded.stderr
    homed = {**environment, "AIRFLOW_HOME": str(Path(environment["HOME"]) / "elsewhere")}
    loaded = shell(homed, "python airflow_dags/crypto_events_dag.py")
    assert loaded.returncode == 0, loaded.stderr
