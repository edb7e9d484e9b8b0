"""The code of every stage can be followed, and what one stage hands to the next has a type."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from pathlib import Path
from typing import Any

import mypy.api
import pytest

import pipelines  # noqa: F401 - it defines the stages
from pipelines.core.code_version import Code
from pipelines.core.errors import Refusal
from pipelines.core.stage import Stage, stages
from pipelines.core.statements import ROOT

STAGES = list(dict.fromkeys(stages()))
FRAME = "pipelines.churn.features.frame"  # its version is a parameter of the stages that compute features
PROGRAM = """
from pipelines.crypto.tasks import MergeToProd, NotifySuccess

def work(stage: NotifySuccess) -> None:
    print(stage.result_of(MergeToProd).inserted)
    print(stage.result_of(MergeToProd).insertedd)
"""


def test_every_name_that_a_stage_executes_can_be_followed() -> None:
    problems = Code(ROOT).problems([FRAME, *(stage.entry() for stage in STAGES)])
    assert not problems, "\n".join(map(str, problems))


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.stage)
def test_a_stage_returns_a_frozen_dataclass_of_its_own(stage: type[Stage[Any]]) -> None:
    result = stage.result_type
    assert dataclasses.is_dataclass(result)
    assert result.__dataclass_params__.frozen
    returned = inspect.get_annotations(stage.work)["return"]
    names = set(returned.split(" | ")) - {Refusal.__name__}
    assert [getattr(sys.modules[stage.work.__module__], name) for name in names] == [result], returned


def test_mypy_finds_a_misspelt_attribute_between_two_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # for the plugin, and the cache of other runs of mypy
    (program := tmp_path / "two_stages.py").write_text(PROGRAM, encoding="utf-8")
    shown, failure, _ = mypy.api.run(["--config-file", "pyproject.toml", str(program)])
    assert not failure, failure
    errors = [line for line in shown.splitlines() if "error:" in line]
    assert len(errors) == 1, shown
    assert '"Merged" has no attribute "insertedd"' in errors[0]
    assert "[attr-defined]" in errors[0]
