"""A local Airflow with the DAGs of this repository, for `make airflow`; Ctrl-C stops all of it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

import psutil

from pipelines.core.errors import AlreadyRunning, PipelineError, UsageError
from pipelines.services import console, warehouse
from scripts import airflow_home

COMMANDS = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],  # they would be served to the whole network
    "dag-processor": ["dag-processor"],
}
PATIENCE = 180  # seconds until all must answer
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PIDS = ".pids"  # in the home: what was started, and when


def main() -> int:
    """Let a local Airflow live until somebody ends it; the exit code is 0, or that of the problem."""
    for number in ENDS:
        signal.signal(number, _stop)
    home, port = airflow_home.path(), os.environ.get("AIRFLOW_PORT") or "8080"
    for name, value in _environment(home, port).items():
        os.environ.setdefault(name, value)
    try:
        warehouse.dsn()  # one embedded PostgreSQL for all tasks, as long as Airflow is up
        airflow_home.make(home)
        with _alone(home):
            _end_leftovers(home)
            _refuse_taken_port(port)
            _live(home)
    except KeyboardInterrupt:
        return 0
    except PipelineError as problem:
        console.error(problem)
        return problem.exit_code


def _environment(home: Path, port: str) -> dict[str, str]:
    """What differs between two starts on one home; all else is in the home's ``airflow.cfg``."""
    url = f"http://127.0.0.1:{port}"
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__PORT": port,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
    }


def _live(home: Path) -> NoReturn:
    """Start all, wait until it is healthy, tell where it is; end all when one of them ends, or somebody says so."""
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        environment = {**os.environ, "POSTGRES_DSN": warehouse.dsn()}
        for name, command in COMMANDS.items():
            started[name] = _start(command, home / "logs" / f"{name}.log", environment)
            born = {process.pid: psutil.Process(process.pid).create_time() for process in started.values()}
            (home / PIDS).write_text(json.dumps(born))
        _wait_until_healthy(started, home)
        password = json.loads((home / "passwords.json").read_text())["admin"]
        told = [("URL", _url()), ("user", "admin"), ("password", password), ("logs", str(home / "logs"))]
        console.table("Airflow is ready", told, values="left")
        console.result("Ctrl-C stops it.")
        sys.stdout.flush()
        while not (ended := [name for name, process in started.items() if process.poll() is not None]):
            time.sleep(1)
        raise PipelineError(f"Airflow's {ended[0]} has ended. What it said: {home / 'logs' / ended[0]}.log")
    finally:
        for number in ENDS:
            signal.signal(number, signal.SIG_IGN)
        _end(started)


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise KeyboardInterrupt


def _alone(home: Path) -> IO[str]:
    """Hold the home for this process: two schedulers would not get on with one SQLite."""
    lock = (home / ".up").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AlreadyRunning(
            f"Another `make airflow` is at work on {home}. Stop it, or set AIRFLOW_HOME to another folder."
        ) from None
    return lock


def _end_leftovers(home: Path) -> None:
    """What a `make airflow` that was killed has left behind."""
    with suppress(FileNotFoundError, ValueError):
        for pid, born in json.loads((home / PIDS).read_text()).items():
            if (family := _family(int(pid))) and family[0].create_time() == born:
                console.note(f"ending a process of an Airflow that was killed: {pid}")
                _end_families([family])


def _refuse_taken_port(port: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(port) or -1))
        except (OSError, ValueError, OverflowError) as error:
            raise UsageError(f"Port {port} cannot be used: {error}. AIRFLOW_PORT names another.") from None


def _start(command: list[str], log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "airflow", *command], env=environment, stdin=subprocess.DEVNULL, stdout=said,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def _url() -> str:
    return os.environ["AIRFLOW__API__BASE_URL"]


def _wait_until_healthy(started: dict[str, subprocess.Popen[bytes]], home: Path) -> None:
    console.note("starting Airflow: half a minute")
    give_up = time.monotonic() + PATIENCE
    while True:
        for name, process in started.items():
            if process.poll() is not None:
                raise PipelineError(f"Airflow's {name} did not start. What it said: {home / 'logs' / name}.log")
        try:
            with urllib.request.urlopen(f"{_url()}/api/v2/monitor/health", timeout=5) as answer:
                health = json.load(answer)
            if all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor")):
                return
        except (OSError, ValueError, KeyError):
            pass
        if time.monotonic() > give_up:
            raise PipelineError(f"Airflow was not healthy after {PATIENCE} seconds. Look into {home / 'logs'}.")
        time.sleep(0.5)


def _end(started: dict[str, subprocess.Popen[bytes]]) -> None:
    """End all processes and whatever they have begun: tasks at work roll back, and are tried again."""
    if started:
        console.note("stopping Airflow; tasks at work have twenty seconds")
        _end_families([_family(process.pid) for process in started.values()])


def _end_families(families: list[list[psutil.Process]]) -> None:
    for head in (family[0] for family in families if family):
        with suppress(psutil.NoSuchProcess):
            head.terminate()  # it ends those that it has begun
    _, alive = psutil.wait_procs([each for family in families for each in family], timeout=20)
    for each in alive:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    psutil.wait_procs(alive, timeout=10)


def _family(pid: int) -> list[psutil.Process]:
    try:
        head = psutil.Process(pid)
        return [head, *head.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


if __name__ == "__main__":
    sys.exit(main())
