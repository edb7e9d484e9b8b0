"""What the tests of the DAGs share: the table of DAGs, and a way to run one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pendulum

from pipelines.core.statements import ROOT
from tests.churn import World

FOLDER = ROOT / "airflow_dags"
CRYPTO = (
    "generate_fake_history_last_5_days", "build_events_candidate", "ge_validate_raw", "ge_validate_candidate",
    "merge_to_prod", "vacuum_analyze_prod", "notify_success",
)  # fmt: skip
TRAINING = ("clean_raw_sources", "feature_engineering", "train_spark_model", "evaluate_candidate", "decide_promotion")
# The table of the design: each DAG's root task and its tasks, first to last.
DAGS: dict[str, tuple[str, tuple[str, ...]]] = {
    "crypto_events_dag": ("CryptoPipeline", CRYPTO),
    "etl_crypto_events_d": ("CryptoPipeline", CRYPTO),
    "churn_data_watchdog": ("ChurnWatchdog", ("detect_csv_changes", "emit_dataset_update")),
    "churn_training_dag": ("ChurnTraining", (*TRAINING, "promote_model", "skip_promotion", "notify_success")),
    "churn_drift_monitor_w": ("ChurnDriftReport", ("build_current_snapshot", "run_drift_report", "log_drift_result")),
    "churn_feature_build_w": ("ChurnFeatureStore", ("clean_raw_sources", "build_weekly_features")),
    "churn_train_register_m": (
        "ChurnLogregTraining", ("clean_raw_sources", "build_weekly_features", "train_logreg", "promote_logreg"),
    ),
    "churn_batch_score_w": ("ChurnBatchScore", ("clean_raw_sources", "build_weekly_features", "score_cohort")),
}  # fmt: skip
ASSETS = ("PAYMENTS.csv", "ACTIVE_USER.csv", "DEMOGRAFICOS.csv", "DINERO_CUENTA.csv", "MARKETPLACE_DATA.csv")


@dataclass(frozen=True)
class Run:
    """A run that has ended: state and result of each task, by task id."""

    state: str
    states: dict[str, str]
    told: dict[str, dict[str, Any]]

    def ran(self) -> list[str]:
        """The tasks that did something."""
        return [task for task, told in self.told.items() if told["ran"]]

    def done(self) -> set[str]:
        return {task for task, state in self.states.items() if state == "success"}


class Dags:
    """The DAGs of the folder, on a world."""

    def __init__(self, world: World) -> None:
        self.world = world

    @cached_property
    def bag(self) -> Any:
        return _bag(FOLDER)

    def run(self, dag_id: str, day: str | date | datetime | None, **conf: Any) -> Run:
        """Run a DAG for a date as ``airflow dags test`` does; without one, as an asset does."""
        moment = pendulum.instance(day) if isinstance(day, datetime) else pendulum.parse(str(day)) if day else None
        dag = _bag(FOLDER / f"{dag_id}.py").dags[dag_id]  # a new one: a run leaves its params in it
        return self.ended(dag.test(logical_date=moment, run_conf=conf or None))

    def ended(self, run: Any) -> Run:
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session

        with create_session() as session:
            found = run.get_task_instances(session=session)
            told = session.scalars(XComModel.get_many(run_id=run.run_id, dag_ids=run.dag_id, key="return_value"))
            results = {each.task_id: XComModel.deserialize_value(each) for each in told}
        order = [task for task in DAGS[run.dag_id][1] if task in results]
        return Run(
            str(run.state), {each.task_id: str(each.state) for each in found}, {task: results[task] for task in order}
        )

    def events(self, dataset: str) -> list[dict[str, Any]]:
        """What was told of a data set, oldest first."""
        from airflow.models.asset import AssetEvent, AssetModel
        from airflow.utils.session import create_session
        from sqlalchemy import select

        asked = select(AssetEvent).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
        with create_session() as session:
            found = session.scalars(asked.where(AssetModel.name == dataset).order_by(AssetEvent.id))
            return [dict(event.extra) for event in found]


def _bag(path: Path) -> Any:
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(path), bundle_name="dags-folder")
