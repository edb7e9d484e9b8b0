"""A change of any file that decides a stage's result makes that stage run again."""

from __future__ import annotations

import pytest

from pipelines import CryptoPipeline
from pipelines.settings import ROOT
from pipelines.stage import Stage, text_version

# What only says what happened, or leaves and reads notes of ours: no row of a result depends on it.
DECIDE_NOTHING = {
    "__init__.py", "report.py", "tasks.py", "analyze_staging.sql", "copy_rejects.sql", "count_rejects.sql",
    "count_source_reasons.sql", "empty_staging.sql", "forget_source.sql",
    "last_rejected_date.sql", "last_runs.sql", "lock_raw.sql", "months.sql", "months_left.sql", "note_dq_run.sql",
    "note_loaded_file.sql", "note_snapshot.sql", "production_version.sql", "raw_columns.sql", "read_loaded_file.sql",
    "read_snapshot.sql", "rejects_by_reason.sql", "repair.py", "status_counts.sql",
}  # fmt: skip
STAGES = CryptoPipeline(source="history.csv", window_days=5, on_invalid="halt").stages()


def test_every_file_of_the_flow_decides_a_stage_or_is_known_to_decide_none() -> None:
    decide = {(ROOT / name).name for stage in STAGES for name in stage.code}
    there = {path.name for suffix in ("sql", "py") for path in ROOT.glob(f"[ps]*/crypto/*.{suffix}")}
    assert there - decide == DECIDE_NOTHING


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.stage)
def test_the_files_of_a_stage_are_there(stage: Stage) -> None:
    assert len(set(stage.code)) == len(stage.code)
    assert text_version(stage.code)


def test_the_stages_are_those_of_the_design_in_their_order() -> None:
    assert [stage.stage for stage in STAGES] == [
        "generate_fake_history_last_5_days", "build_events_candidate", "ge_validate_raw", "ge_validate_candidate",
        "merge_to_prod", "vacuum_analyze_prod", "notify_success",
    ]  # fmt: skip
