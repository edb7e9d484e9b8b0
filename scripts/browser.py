"""A real Chromium, and the servers that it looks at: for the tests of the app, and for the pictures of the README."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.errors import MissingInput, PipelineError
from pipelines.core.statements import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
PATIENCE = 120  # seconds until a server must answer


def chromium() -> str:
    """The program of the browser.

    Raises:
        MissingInput: there is none.
    """
    named = os.environ.get("CHROMIUM")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        where = f"CHROMIUM={named} is no program" if named else f"none of {', '.join(NAMES)} is on the PATH"
        raise MissingInput(
            f"There is no Chromium: {where}. Install it (on Debian and Ubuntu: apt-get install chromium), or name its "
            "program in CHROMIUM."
        )
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless Chromium that calls nobody by itself."""
    from playwright.sync_api import sync_playwright

    program = chromium()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield started
        started.close()


@dataclass
class Server:
    """A program that answers HTTP on a port of this machine; it can be ended, and begun again on the same port."""

    command: list[str]
    port: int
    env: Mapping[str, str]
    log: Path
    ready: str  # the path that answers once it is ready
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin, in a process group of its own; ``wait`` tells when it is ready."""
        with self.log.open("ab") as said:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env={**self.env}, stdin=subprocess.DEVNULL, stdout=said,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def wait(self) -> None:
        """Until it answers.

        Raises:
            PipelineError: it has ended, or takes too long.
        """
        give_up = time.monotonic() + PATIENCE
        while not self._answers():
            if self.process is None or self.process.poll() is not None or time.monotonic() > give_up:
                said = self.log.read_text(errors="replace")[-2000:]
                raise PipelineError(f"{' '.join(self.command)} does not answer. What it said last:\n{said}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + self.ready, timeout=5):
                return True
        except OSError:
            return False

    def stop(self) -> None:
        """End it, and all that it has begun."""
        if self.process is None:
            return
        _signal(self.process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(60)
        _signal(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def app(env: Mapping[str, str], log: Path, script: str = "app/main.py") -> Server:
    """The app, by its own command; or another one."""
    port = free_port()
    command = [program("streamlit"), "run", script, "--server.headless", "true",
               "--server.port", str(port)]  # fmt: skip
    return Server(command, port, env, log, "/_stcore/health")


def program(name: str) -> str:
    """A command of the environment that this Python is of."""
    return str(Path(sys.executable).with_name(name))


def free_port() -> int:
    """A port of this machine that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
