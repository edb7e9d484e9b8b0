"""The flows as lists: the stages of each root task, in the order of the design."""

from __future__ import annotations

from datetime import date

import pytest

import pipelines
from pipelines import CryptoPipeline
from pipelines.churn import tasks as churn

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
