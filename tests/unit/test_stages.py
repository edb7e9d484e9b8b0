"""A change of any file that decides a stage's result makes that stage run again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import pytest

import pipelines
from pipelines import CryptoPipeline
from pipelines.churn import tasks as churn
from pipelines.core.stage import Stage, text_version
from pipelines.core.statements import ROOT

# What only says what happened, or leaves and reads notes of ours: no row of a result depends on it.
DECIDE_NOTHING = {
    "report.py", "tasks.py", "analyze_staging.sql", "copy_rejects.sql", "count_rejects.sql",
    "count_source_reasons.sql", "empty_staging.sql", "events_by_day.sql", "forget_source.sql",
    "last_rejected_date.sql", "last_runs.sql", "lock_raw.sql", "months.sql", "months_left.sql", "note_dq_run.sql",
    "note_loaded_file.sql", "note_snapshot.sql", "production_version.sql", "raw_columns.sql", "read_loaded_file.sql",
    "read_snapshot.sql", "rejected_rows.sql", "rejects_by_day.sql", "rejects_by_reason.sql", "repair.py",
    "status_counts.sql",
}  # fmt: skip
# Of churn, beside those: what makes the files that the stages read by content; loads for people, answers them; counts.
# Of the declaration only its words decide nothing: its names and defaults are among what decides.
CHURN_DECIDES_NOTHING = {
    "__init__.py", "answers.py", "declaration.py", "report.py", "seed.py", "synthetic.py", "tasks.py", "uploads.py",
    "count_snapshot.sql", "customer.sql", "drift_reports.sql", "last_stages.sql", "last_weeks.sql",
    "note_source_hash.sql", "read_source_hash.sql", "scores_there.sql", "snapshots_there.sql", "weeks.sql",
}  # fmt: skip
STAGES = CryptoPipeline(source="history.csv", window_days=5, on_invalid="halt").stages()
CHURN = {
    "ChurnTraining": [
        churn.CleanRawSources, churn.FeatureEngineering, churn.TrainSparkModel, churn.EvaluateCandidate,
        churn.DecidePromotion, churn.PromoteModel, churn.SkipPromotion, churn.NotifyTraining,
    ],
    "ChurnDriftReport": [
        churn.BuildCurrentSnapshot, churn.RunDriftReport, churn.LogDriftResult
    ],
    "ChurnFeatureStore": [churn.CleanRawSources, churn.BuildWeeklyFeatures],
    "ChurnLogregTraining": [
        churn.CleanRawSources, churn.BuildWeeklyFeatures, churn.TrainLogreg, churn.PromoteLogreg
    ],
    "ChurnBatchScore": [churn.CleanRawSources, churn.BuildWeeklyFeatures, churn.ScoreCohort],
    "ChurnWatchdog": [churn.DetectCsvChanges, churn.EmitDatasetUpdate],
}  # fmt: skip
CHURN_STAGES = list(dict.fromkeys(stage for stages in CHURN.values() for stage in stages))


def files_of(flow: str) -> set[str]:
    return {path.name for suffix in ("sql", "py") for path in ROOT.glob(f"[ps]*/{flow}/*.{suffix}")}


def deciding(stages: Iterable[Stage | type[Stage]]) -> set[str]:
    return {(ROOT / name).name for stage in stages for name in stage.code}


def test_every_file_of_the_crypto_flow_decides_a_stage_or_is_known_to_decide_none() -> None:
    assert files_of("crypto") - deciding(STAGES) == DECIDE_NOTHING


def test_every_file_of_the_churn_flow_decides_a_stage_or_is_known_to_decide_none() -> None:
    assert files_of("churn") - deciding(CHURN_STAGES) == CHURN_DECIDES_NOTHING


@pytest.mark.parametrize("stage", [*STAGES, *CHURN_STAGES], ids=lambda stage: stage.stage)
def test_the_files_of_a_stage_are_there(stage: Stage | type[Stage]) -> None:
    assert len(set(stage.code)) == len(stage.code)
    assert text_version(stage.code)


def test_the_stages_are_those_of_the_design_in_their_order() -> None:
    assert [stage.stage for stage in STAGES] == [
        "generate_fake_history_last_5_days", "build_events_candidate", "ge_validate_raw", "ge_validate_candidate",
        "merge_to_prod", "vacuum_analyze_prod", "notify_success",
    ]  # fmt: skip


def test_the_stages_of_churn_are_those_of_the_design_in_their_order() -> None:
    assert [stage.stage for stage in CHURN["ChurnTraining"]] == [
        "clean_raw_sources", "feature_engineering", "train_spark_model", "evaluate_candidate", "decide_promotion",
        "promote_model", "skip_promotion", "notify_success",
    ]  # fmt: skip
    assert [stage.stage for stage in CHURN["ChurnDriftReport"]] == [
        "build_current_snapshot", "run_drift_report", "log_drift_result",
    ]  # fmt: skip


@pytest.mark.parametrize("name", CHURN)
def test_a_root_of_churn_leads_back_to_the_files_through_its_stages(name: str) -> None:
    assert [type(stage) for stage in getattr(pipelines, name)(date=date(2019, 6, 1)).stages()] == CHURN[name]
