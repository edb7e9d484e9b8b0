"""A small project in a folder: its files, and the versions of its stages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from pipelines.core.code_version import Code, CodeVersion, Unresolved

LOADERS = {"pkg.core.query": (0, "name"), "pkg.services.one": (1, "name")}
BASE = {
    "pkg/__init__.py": "",
    "pkg/core/__init__.py": "def query(name): ...\nclass Stage:\n    def record(self): ...\n",
    "pkg/core/errors.py": "class Failure(Exception):\n    pass\n",
    "pkg/services/__init__.py": "def one(tx, name, values=None): ...\n",
    "pkg/services/console.py": "def note(text): ...\n",
    "pkg/services/suites.py": "VERSION = 3\ndef judge(): ...\n",
    "pkg/services/plain.py": "def judge(): ...\n",
    "sql/clock.sql": "SELECT now()",
    "sql/flow/upsert.sql": "INSERT INTO t SELECT * FROM s",
    "sql/flow/read_a.sql": "SELECT 1",
    "sql/flow/read_b.sql": "SELECT 2",
    "sql/other/far.sql": "SELECT 3",
}


@dataclass(frozen=True)
class Project:
    """The project in ``root``; a stage is a class of ``pkg/flow/tasks.py``."""

    root: Path

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), encoding="utf-8")

    def edit(self, file: str, old: str, new: str) -> None:
        text = (self.root / file).read_text(encoding="utf-8")
        assert text.count(old) == 1, (old, text)
        (self.root / file).write_text(text.replace(old, new), encoding="utf-8")

    def code(self) -> Code:
        return Code(
            self.root, ("pkg",), ("pkg.core", "pkg.services"), people=("pkg.services.console.",), loaders=LOADERS
        )

    def version(self, stage: str = "A", function: str = "work") -> CodeVersion:
        return self.code().version_of(f"pkg.flow.tasks.{stage}.{function}")

    def parts(self, stage: str = "A") -> set[str]:
        return {name.removeprefix("pkg.flow.") for name in self.version(stage).parts}

    def problems(self, stages: Iterable[str] = "A") -> list[Unresolved]:
        return self.code().problems(f"pkg.flow.tasks.{stage}.work" for stage in stages)
