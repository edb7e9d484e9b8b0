"""Which version of the project runs."""

from __future__ import annotations

import os
import subprocess
import tomllib
from collections.abc import Callable

from pipelines.core.statements import ROOT


def version() -> Callable[[], str]:
    """Starts to ask for the version; the function that is returned waits for the answer.

    The version is ``PROJECT_VERSION`` where it is set, ``git describe`` of a checkout, or that of pyproject.toml.
    """
    if given := os.environ.get("PROJECT_VERSION"):
        return lambda: given
    if not (ROOT / ".git").exists():
        return _declared
    ask = ["git", "--no-optional-locks", "-C", str(ROOT), "describe", "--always", "--dirty", "--tags"]
    try:
        asked = subprocess.Popen(ask, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return _declared

    def answer() -> str:
        try:
            found = asked.communicate(timeout=5)[0].strip()
        except subprocess.TimeoutExpired:
            asked.kill()
            found = ""
        return found or _declared()

    return answer


def _declared() -> str:
    path = ROOT / "pyproject.toml"
    return str(tomllib.loads(path.read_text(encoding="utf-8"))["project"]["version"]) if path.exists() else "unknown"
