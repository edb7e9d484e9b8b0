"""The stages of the flows, in their order."""

from __future__ import annotations

from dataclasses import is_dataclass
from datetime import date
from typing import Any, get_type_hints

import pytest

import pipelines
from pipelines import CryptoPipeline
from pipelines.churn import tasks as churn
from pipelines.core.stage import Stage

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


@pytest.mark.parametrize("stage", dict.fromkeys(each for stages in CHURN.values() for each in stages))
def test_a_stage_of_churn_names_the_dataclass_that_its_work_returns(stage: type[Stage[Any]]) -> None:
    returns = get_type_hints(stage.work, vars(churn), {"Connection": None})["return"]
    assert is_dataclass(stage.result_type)
    assert returns is stage.result_type


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
