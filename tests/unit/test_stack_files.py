"""What can be known of the stack without an engine: its files agree with one another, and its secrets are made well."""

from __future__ import annotations

import gzip
import os
import re
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipelines.core.statements import ROOT
from pipelines.services import project
from pipelines.services.settings import Settings

COMPOSE = (ROOT / "compose.yaml").read_text()
TEMPLATE = (ROOT / ".env.example").read_text()


def make_env(file: Path) -> subprocess.CompletedProcess[str]:
    return script("stack-env", file)


def script(name: str, file: Path, **more: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "COMPOSE_ENV_FILES": str(file), "COMPOSE_PROJECT_NAME": "kpi-none", **more}
    return subprocess.run([ROOT / "scripts" / name], env=env, capture_output=True, text=True, check=False)


def values(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines() if line and line[0] != "#")


def test_compose_takes_nothing_but_what_the_template_names_and_settings() -> None:
    named = set(re.findall(r"^([A-Z_]+)=", TEMPLATE, re.M))
    taken = set(re.findall(r"\$\{([A-Z_]+)[}:]", COMPOSE))
    with_defaults = set(re.findall(r"\$\{([A-Z_]+):-", COMPOSE))
    assert taken - with_defaults <= named
    assert named <= taken
    settings = {name.upper() for name in Settings.model_fields}
    assert with_defaults - named - {"PROJECT_VERSION"} <= settings  # stack-up passes it to the build


def test_every_setting_reaches_the_workers() -> None:
    block = COMPOSE.split("x-servers:")[1].split("\nx-airflow:")[0]
    given = set(re.findall(r"^  ([A-Z_0-9]+):", block, re.M))
    assert {name.upper() for name in Settings.model_fields} - given == {"STATE_DIR"}  # that is the image's


def test_the_image_has_the_version_that_the_ledger_names() -> None:
    assert 'PROJECT_VERSION: "${PROJECT_VERSION:-}"' in COMPOSE.split("\n  init:")[1].split("environment:")[0]
    lines = (ROOT / "docker" / "Dockerfile").read_text().splitlines()
    last_from = max(number for number, line in enumerate(lines) if line.startswith("FROM "))
    assert [line for line in lines[last_from:] if "PROJECT_VERSION" in line] == [
        "ARG PROJECT_VERSION=", "ENV PROJECT_VERSION=${PROJECT_VERSION}",
    ]  # fmt: skip
    assert "!pyproject.toml" in (ROOT / ".dockerignore").read_text().splitlines()  # its version, where no git is


def test_stack_up_builds_the_image_with_the_version_of_the_checkout(tmp_path: Path) -> None:
    file, engine, passed = tmp_path / ".env", tmp_path / "bin" / "docker", tmp_path / "passed"
    engine.parent.mkdir()
    does = f'"compose build") printf %s "$PROJECT_VERSION" >{passed}; exit 1;; volume*) exit 1;;'
    engine.write_text(f'#!/bin/sh\ncase "$1 $2" in {does} esac\n')
    engine.chmod(0o755)
    given = {"PATH": f"{engine.parent}:{os.environ['PATH']}", "DATA_DIR": str(tmp_path)}
    assert script("stack-up", file, **given, PROJECT_VERSION="").returncode == 1
    assert passed.read_text() == project.version()()
    script("stack-up", file, **given, PROJECT_VERSION="1.2.3")
    assert passed.read_text() == "1.2.3"


def test_secrets_are_made_once_for_this_user_alone(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert make_env(file).returncode == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    made = values(file)
    secrets = [made[name] for name, value in values(ROOT / ".env.example").items() if value.startswith("generate")]
    assert len({*secrets}) == len(secrets) >= 12
    assert all(re.fullmatch(r"[0-9a-f]{64}|[\w-]{43}=", secret) for secret in secrets)
    before = file.read_text()
    assert make_env(file).returncode == 0
    assert file.read_text() == before


def test_what_env_says_stays_and_what_is_new_is_added(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("POSTGRES_PORT=5433\nNOTIFY_URLS=json://somewhere/?a=1&b=2\nPGADMIN_PASSWORD=mine")  # no line end
    done = make_env(file)
    assert done.returncode == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = values(file)
    assert (told["POSTGRES_PORT"], told["PGADMIN_PASSWORD"]) == ("5433", "mine")
    assert told["NOTIFY_URLS"] == "json://somewhere/?a=1&b=2"
    assert set(told) == {*values(ROOT / ".env.example"), "NOTIFY_URLS"}
    assert not [name for name, value in told.items() if value in done.stderr and name.endswith("PASSWORD")]


@pytest.mark.parametrize(
    "line",
    [
        "REDIS_PASSWORD=with space", "REDIS_PASSWORD=p@ss", "REDIS_PASSWORD=", "BIND_ADDRESS=",
        "AIRFLOW_FERNET_KEY=abc", 'AIRFLOW_PORT="8090"', "AIRFLOW_PORT=8090 # mine", "DATA_DIR=data",
        "DATA_DIR=$HOME/data", "NOTIFY_URLS=json://a/?b=$c",
    ],
)  # fmt: skip
def test_what_an_address_or_a_service_cannot_take_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / ".env"
    file.write_text(f"# mine\n{line}\n")
    done = make_env(file)
    assert done.returncode == 2
    assert "line 2" in done.stderr
    assert "p@ss" not in done.stderr
    assert file.read_text() == f"# mine\n{line}\n"


def test_two_at_once_make_one_set_of_secrets(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    with ThreadPoolExecutor() as both:
        done = list(both.map(lambda _: make_env(file), range(2)))
    assert {each.returncode for each in done} <= {0, 2}
    assert set(values(file)) == set(values(ROOT / ".env.example"))
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_a_command_waits_for_nobody_who_is_gone(tmp_path: Path) -> None:
    file, lock = tmp_path / ".env", tmp_path / ".env.lock"
    lock.mkdir()
    (lock / "pid").write_text(str(os.getpid()))
    assert "Another command is at work on the stack" in make_env(file).stderr
    assert not file.exists()
    gone = subprocess.Popen(["true"])
    gone.wait()
    (lock / "pid").write_text(str(gone.pid))
    assert make_env(file).returncode == 0


def test_half_a_backup_is_refused_before_anything_is_lost(tmp_path: Path) -> None:
    file, backup = tmp_path / ".env", tmp_path / "backup"
    assert make_env(file).returncode == 0
    before = file.read_text()
    backup.mkdir()
    (backup / "env").write_text("POSTGRES_PORT=5433\n")
    for content in (b"", b"no archive", gzip.compress(b"no archive")):
        for name in ("postgres", "minio", "jupyterlab"):
            (backup / f"{name}.tar.gz").write_bytes(content)
        done = script("stack-restore", file, FROM=str(backup))
        assert (done.returncode, "Nothing was changed" in done.stderr) == (2, True), done.stderr
    assert script("stack-restore", file).returncode == 2
    assert script("stack-backup", file, TO=str(backup)).returncode == 2
    assert file.read_text() == before
