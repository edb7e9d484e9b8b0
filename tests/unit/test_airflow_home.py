"""Airflow's home: found by AIRFLOW_HOME alone, made once, and never by the start of an interpreter."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from pipelines.core.errors import UsageError
from pipelines.core.statements import ROOT
from scripts import airflow_home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that AIRFLOW_HOME names, whose database needs no Airflow."""
    folder = tmp_path / "home"
    monkeypatch.setenv("AIRFLOW_HOME", str(folder))
    monkeypatch.setattr(airflow_home, "_make_database", lambda _: None)
    return folder


def read(home: Path) -> ConfigParser:
    config = ConfigParser()
    config.read(home / "airflow.cfg")
    return config


def test_the_environment_adds_a_path_and_runs_no_code(tmp_path: Path) -> None:
    (code,) = re.findall(r"\$\(BIN\)/python -c '(.+kpi-delivery\.pth.+)'", (ROOT / "Makefile").read_text())
    script = f"import site; site.getsitepackages = lambda: [{str(tmp_path)!r}]; {code}"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
    assert (tmp_path / "kpi-delivery.pth").read_text() == f"{ROOT}\n"


def test_a_fresh_interpreter_has_no_module_of_ours(tmp_path: Path) -> None:
    ours = "{'airflow_dags', 'app', 'pipelines', 'scripts'}"
    ask = (
        f"import os, sys; print([name for name in sys.modules if name.split('.')[0] in {ours}], "
        "'AIRFLOW_HOME' in os.environ)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "AIRFLOW_HOME"}
    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=tmp_path, env=environment, text=True, capture_output=True, check=True
    )
    assert done.stdout == "[] False\n"


def test_it_lies_in_the_state_dir_unless_airflow_home_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    monkeypatch.delenv("AIRFLOW_HOME", raising=False)
    assert airflow_home.path() == tmp_path / "airflow"
    monkeypatch.setenv("AIRFLOW_HOME", "")
    assert airflow_home.path() == tmp_path / "airflow"
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "mine"))
    assert airflow_home.path() == tmp_path / "mine"


def test_only_the_path_is_printed_for_the_shell(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert airflow_home.main() == 0
    printed = capsys.readouterr()
    assert printed.out == f"{home}\n"
    assert "making Airflow's home" in printed.err
    assert airflow_home.main() == 0
    assert capsys.readouterr() == (f"{home}\n", "")


def test_a_home_that_cannot_be_made_is_an_error_and_its_path_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "file" / "home"))
    assert airflow_home.main() == UsageError.exit_code
    printed = capsys.readouterr()
    assert printed.out == f"{tmp_path / 'file' / 'home'}\n"
    assert "cannot be made: Not a directory. Set AIRFLOW_HOME" in printed.err


def test_the_settings_are_in_the_home_and_its_secrets_stay(home: Path) -> None:
    airflow_home.make(home)
    first = read(home)
    assert first["core"]["dags_folder"] == str(ROOT / "airflow_dags")
    assert first["database"]["sql_alchemy_conn"] == f"sqlite:///{home}/airflow.db?timeout=60"
    private = [home / "airflow.cfg", home / "passwords.json", home]
    assert [stat.S_IMODE(file.stat().st_mode) & 0o077 for file in private] == [0, 0, 0]
    older = (home / "airflow.cfg").read_text().replace("parallelism = 2", "parallelism = 3")
    (home / "airflow.cfg").write_text(older)
    airflow_home.make(home)
    assert read(home) == first


def test_a_percent_sign_in_the_path_is_no_interpolation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_home, "_make_database", lambda _: None)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "100%"))
    airflow_home.make(airflow_home.path())
    assert read(tmp_path / "100%")["logging"]["base_log_folder"] == f"{tmp_path}/100%/logs"


def test_the_settings_of_another_airflow_are_not_overwritten(home: Path) -> None:
    home.mkdir()
    (home / "airflow.cfg").write_text("[core]\nexecutor = CeleryExecutor\n")
    with pytest.raises(UsageError, match=r"airflow\.cfg is not one of ours"):
        airflow_home.make(home)
    assert (home / "airflow.cfg").read_text() == "[core]\nexecutor = CeleryExecutor\n"


def test_settings_that_airflow_wrote_itself_into_the_state_dir_are_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    monkeypatch.delenv("AIRFLOW_HOME", raising=False)
    monkeypatch.setattr(airflow_home, "_make_database", lambda _: None)
    (tmp_path / "airflow").mkdir()
    (tmp_path / "airflow" / "airflow.cfg").write_text("[core]\nfernet_key = kept\nload_examples = True\n")
    airflow_home.make(airflow_home.path())
    config = read(tmp_path / "airflow")
    assert (config["core"]["fernet_key"], config["core"]["load_examples"]) == ("kept", "False")
