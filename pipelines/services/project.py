"""Which version of the project runs."""

from __future__ import annotations

import os
import subprocess
import tomllib

from pipelines.core.statements import ROOT


def version() -> str:
    """``git describe`` of the checkout; elsewhere ``PROJECT_VERSION``, or the version of pyproject.toml."""
    if given := os.environ.get("PROJECT_VERSION"):
        return given
    if (ROOT / ".git").exists():
        ask = ["git", "--no-optional-locks", "-C", str(ROOT), "describe", "--always", "--dirty", "--tags"]
        try:
            return subprocess.run(ask, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            pass
    path = ROOT / "pyproject.toml"
    return str(tomllib.loads(path.read_text(encoding="utf-8"))["project"]["version"]) if path.exists() else "unknown"
