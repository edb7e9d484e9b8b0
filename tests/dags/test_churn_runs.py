"""The churn DAGs, really run: training with both branches, the watchdog, drift, eight weeks of backfill, scores."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from hashlib import sha256

import pytest

from pipelines.core.errors import PipelineError
from tests.dags.running import ASSETS, DAGS, TRAINING, Dags, Run

SUNDAYS = [date(2019, 4, 7) + timedelta(weeks=week) for week in range(8)]


@pytest.fixture(scope="module")
def trained(dags: Dags) -> Run:
    """The first training, as five assets trigger it: without a logical date."""
    return dags.run("churn_training_dag", None)


def edit(dags: Dags, file: str = "PAYMENTS.csv") -> None:
    """One line more."""
    dags.world.edit(file, lambda text: text + text.splitlines()[-1] + "\n")


def test_a_run_without_a_logical_date_trains_and_promotes_the_first_model(dags: Dags, trained: Run) -> None:
    assert trained.state == "success"
    assert trained.ran() == [*TRAINING, "promote_model", "notify_success"]
    assert trained.states["skip_promotion"] == "skipped"
    assert trained.told["decide_promotion"]["promote"] is True
    assert dags.world.aliases() == {"production": "1"}
    event = dags.events("churn-model")[-1]
    assert event["version"] == trained.told["train_spark_model"]["version"] == "1"
    assert event["run_id"] == trained.told["train_spark_model"]["run_id"]
    assert event["snapshot"] == "2019-06-01"


def test_the_same_files_again_train_nothing_and_take_the_same_branch(dags: Dags, trained: Run) -> None:
    again = dags.run("churn_training_dag", None)
    assert (again.state, again.ran()) == ("success", [])
    assert again.states == trained.states
    assert dags.world.train().stages == [], "nor does Luigi: the record is the same"


def test_a_candidate_that_is_no_better_takes_the_other_branch(dags: Dags, trained: Run) -> None:  # noqa: ARG001
    edit(dags)
    run = dags.run("churn_training_dag", None)
    assert run.state == "success"
    assert run.ran() == [*TRAINING, "skip_promotion", "notify_success"]
    assert run.states["promote_model"] == "skipped"
    assert run.told["decide_promotion"]["promote"] is False
    assert dags.world.aliases() == {"production": "1"}


def test_the_watchdog_tells_of_five_assets_when_a_file_changes_and_of_none_otherwise(
    dags: Dags, trained: Run  # noqa: ARG001 - there are files
) -> None:  # fmt: skip
    def look() -> tuple[str, int]:
        run = dags.run("churn_data_watchdog", None)
        assert run.state == "success"
        return run.states["emit_dataset_update"], sum(len(dags.events(asset)) for asset in ASSETS)

    assert look() == ("success", 5)
    assert look() == ("skipped", 5)
    assert "Nothing changed." in dags.world.luigi("ChurnWatchdog").out
    edit(dags, "DEMOGRAFICOS.csv")
    assert look() == ("success", 10)
    assert look() == ("skipped", 10)
    (dags.world.artifacts / "source_hashes.json").unlink()
    assert look() == ("success", 15)
    for asset in ASSETS:
        told, content = dags.events(asset)[-1], (dags.world.files / asset).read_bytes()
        assert told["file"] == str(dags.world.files / asset)
        assert told["sha256"] == sha256(content).hexdigest()
        assert told["rows"] == len(content.splitlines()) - 1
        assert date.fromisoformat(told["date"])


def test_a_change_that_nobody_heard_of_is_told_again(dags: Dags, trained: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """Killed after the work and before Airflow took it: the state is written when all have been told, not before."""
    from pipelines.churn.tasks import EmitDatasetUpdate

    dags.run("churn_data_watchdog", None)
    edit(dags, "MARKETPLACE_DATA.csv")
    told = len(dags.events("PAYMENTS.csv"))
    with monkeypatch.context() as killed:
        killed.setattr(EmitDatasetUpdate, "afterwards", lambda _: (_ for _ in ()).throw(PipelineError("killed")))
        dags.run("churn_data_watchdog", None)
    assert dags.run("churn_data_watchdog", None).states["emit_dataset_update"] == "success", "at worst it is told twice"
    assert len(dags.events("PAYMENTS.csv")) == told + 2
    assert dags.run("churn_data_watchdog", None).states["emit_dataset_update"] == "skipped"


def test_the_watchdog_fails_where_a_file_is_missing_and_forgets_nothing(dags: Dags, trained: Run) -> None:  # noqa: ARG001
    dags.run("churn_data_watchdog", None)
    before = (dags.world.artifacts / "source_hashes.json").read_bytes()
    file = dags.world.files / "ACTIVE_USER.csv"
    away = file.rename(file.with_suffix(".away"))
    try:
        assert dags.run("churn_data_watchdog", None).states["detect_csv_changes"] == "failed"
    finally:
        away.rename(file)
    assert (dags.world.artifacts / "source_hashes.json").read_bytes() == before
    assert dags.run("churn_data_watchdog", None).states["emit_dataset_update"] == "skipped"


def test_eight_weeks_of_backfill_and_what_is_made_of_them(dags: Dags, trained: Run) -> None:  # noqa: ARG001
    for sunday in SUNDAYS:
        run = dags.run("churn_feature_build_w", sunday)
        assert run.state == "success"
        assert "build_weekly_features" in run.ran()
    assert [dags.run("churn_feature_build_w", sunday).ran() for sunday in SUNDAYS] == [[]] * 8
    counts = dags.world.rows(
        "SELECT snapshot_date, count(*) AS rows FROM features.churn_weekly_features GROUP BY 1 ORDER BY 1"
    )
    assert [row["snapshot_date"] for row in counts] == SUNDAYS
    told = dags.events("features.churn_weekly_features")[:8]
    assert [event["date"] for event in told] == list(map(str, SUNDAYS))
    assert [event["rows"] for event in told] == [row["rows"] for row in counts]

    logreg = dags.run("churn_train_register_m", "2019-05-31")
    assert (logreg.state, logreg.ran()) == ("success", ["build_weekly_features", "train_logreg", "promote_logreg"])
    assert logreg.told["train_logreg"]["rows"] == sum(event["labelled"] for event in told)
    version = logreg.told["train_logreg"]["version"]
    assert dags.world.aliases("churn-logreg") == {"production": version}
    assert dags.events("churn-logreg")[-1]["version"] == version
    assert dags.run("churn_train_register_m", "2019-05-31").ran() == []

    scored = dags.run("churn_batch_score_w", "2019-05-26")
    assert (scored.state, scored.ran()) == ("success", ["score_cohort"])
    scores = dags.world.rows("SELECT DISTINCT snapshot_date, model_version FROM ops.churn_scoring")
    assert scores == [{"snapshot_date": SUNDAYS[-1], "model_version": version}]
    event = dags.events("ops.churn_scoring")[-1]
    assert (event["version"], event["date"]) == (version, "2019-05-26")
    assert event["scored"] == counts[-1]["rows"]


def test_what_was_cleared_really_runs_again(dags: Dags, trained: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    from airflow_dags import luigi_bridge

    dags.run("churn_training_dag", None)
    dags.run("churn_feature_build_w", "2019-05-26", weeks=3)
    before, versions = finished(dags), dags.world.versions()
    cleared = {"train_spark_model"}
    monkeypatch.setattr(
        luigi_bridge, "_was_cleared", lambda context, _: not cleared or context["ti"].task_id in cleared
    )
    alone = dags.run("churn_training_dag", None)
    assert alone.ran() == [*TRAINING[2:], "skip_promotion", "notify_success"], "another version is judged anew"
    assert alone.told["evaluate_candidate"]["candidate_version"] == alone.told["train_spark_model"]["version"]
    cleared.clear()
    again = dags.run("churn_training_dag", None)
    assert again.ran() == [*TRAINING, "skip_promotion", "notify_success"]
    assert len(dags.world.versions()) == len(versions) + 2, "trained anew, not found in MLflow"
    assert dags.run("churn_feature_build_w", "2019-05-26", weeks=3).ran() == list(DAGS["churn_feature_build_w"][1])
    weeks = [("build_weekly_features", f"2019-05-{day}") for day in (12, 19, 26)]
    assert all(finished(dags)[week] > before[week] for week in weeks), "each week, too"


def finished(dags: Dags) -> dict[tuple[str, str], datetime]:
    """When each stage was done, by stage and key."""
    records = dags.world.rows("SELECT stage, key, finished_at FROM ops.materializations")
    return {(row["stage"], row["key"]): row["finished_at"] for row in records}


def test_drift_cleans_the_files_within_its_first_task(dags: Dags, trained: Run) -> None:  # noqa: ARG001
    edit(dags)
    run = dags.run("churn_drift_monitor_w", "2019-06-02")
    assert run.state == "success"
    assert run.ran() == list(DAGS["churn_drift_monitor_w"][1])
    assert dags.run("churn_feature_build_w", "2019-05-26").ran() == ["build_weekly_features"], "they are clean"
    assert dags.events("drift-report")[-1]["path"] == run.told["run_drift_report"]["path"]
    assert dags.run("churn_drift_monitor_w", "2019-06-02").ran() == []


def test_scores_want_a_model_before_any_work_begins(dags: Dags, trained: Run) -> None:  # noqa: ARG001
    from mlflow import MlflowClient

    client = MlflowClient(dags.world.tracking)
    dags.run("churn_train_register_m", "2019-05-31")
    version = client.get_model_version_by_alias("churn-logreg", "production").version
    client.delete_registered_model_alias("churn-logreg", "production")
    try:
        run = dags.run("churn_batch_score_w", "2019-05-26")
    finally:
        client.set_registered_model_alias("churn-logreg", "production", version)
    assert run.states == {"clean_raw_sources": "failed", "build_weekly_features": "upstream_failed",
                          "score_cohort": "upstream_failed"}  # fmt: skip
