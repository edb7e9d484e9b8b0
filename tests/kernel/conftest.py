"""The small project that code versions are tested on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kernel.project import BASE, Project


@pytest.fixture(scope="session", autouse=True)
def state() -> Iterator[None]:
    """No test here needs a database."""
    yield


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Project]:
    """Makes a project; ``project(tasks, **modules)`` writes ``pkg/flow/tasks.py`` and ``pkg/flow/<module>.py``."""

    def make(tasks: str, **modules: str) -> Project:
        made = Project(tmp_path)
        made.write(BASE)
        made.write({"pkg/flow/__init__.py": "", "pkg/flow/tasks.py": tasks})
        made.write({f"pkg/flow/{name}.py": text for name, text in modules.items()})
        return made

    return make
