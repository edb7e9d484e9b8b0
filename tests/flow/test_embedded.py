"""The embedded server starts, whatever an earlier start left behind, and leaves other servers alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipelines.core.statements import ROOT
from tests.helpers import python


def start(state: Path) -> None:
    done = python("-m", "pipelines", "migrate", env={"STATE_DIR": str(state), "POSTGRES_DSN": ""})
    assert (done.returncode, done.stderr) == (0, "")


def test_half_a_cluster_is_made_anew_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "postgres.new-1" / "base").mkdir(parents=True)
    start(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["postgres"]
    (theirs := tmp_path / "theirs" / "postgres" / "notes").mkdir(parents=True)
    refused = python("-m", "pipelines", "migrate", env={"STATE_DIR": str(tmp_path / "theirs"), "POSTGRES_DSN": ""})
    assert refused.returncode == 2
    assert "is no PostgreSQL cluster, and not empty" in refused.stderr
    assert theirs.is_dir()


@pytest.mark.parametrize("after", [0.3, 0.5, 0.7, 0.9, 1.1])
def test_a_first_start_may_be_killed_at_any_moment(tmp_path: Path, after: float) -> None:
    env = {**os.environ, "STATE_DIR": str(tmp_path), "POSTGRES_DSN": "", "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "pipelines", "migrate"]
    with subprocess.Popen(
        argv, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as first:
        time.sleep(after)
        os.killpg(first.pid, signal.SIGKILL)
    start(tmp_path)


@pytest.mark.parametrize("left", ["", "-3710\n", "another server's"])
def test_a_stale_pid_file_stops_neither_the_start_nor_another_server(server, tmp_path: Path, left: str) -> None:
    start(tmp_path)
    other = server.execute("SELECT pg_backend_pid() AS pid").fetchone()["pid"]
    postmaster = psutil.Process(other).ppid()
    if left.startswith("another"):
        left = f"{postmaster}\n{tmp_path / 'postgres'}\n1\n5432\n{tmp_path / 'postgres'}\n\n\nready\n"
    (tmp_path / "postgres" / "postmaster.pid").write_text(left)
    start(tmp_path)
    assert psutil.pid_exists(postmaster)
    assert server.execute("SELECT 1 AS one").fetchone() == {"one": 1}
