"""A training killed at any moment, and run again, ends as one that was left alone."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests import churn
from tests.churn import CRUDE, DATE, LINE, TRAINING, World

ARGV = ("-m", "luigi", "--module", "pipelines", "ChurnTraining", "--date", DATE)
INTERRUPTIBLE = f"""
import signal, luigi.cmdline
signal.signal(signal.SIGINT, signal.default_int_handler)
luigi.cmdline.luigi_run({[*ARGV[2:]]!r})
"""  # where the tests run in the background of a shell, SIGINT is ignored
EIGHT = "2019-05-26, 8 weeks"  # what churn-logreg of DATE learns from
REST = {  # the other tasks: their stages, and the keys of their records
    "ChurnDriftReport": {"build_current_snapshot": DATE, "run_drift_report": DATE, "log_drift_result": DATE},
    "ChurnFeatureStore": {"build_weekly_features": DATE},
    "ChurnLogregTraining": {"build_weekly_features": EIGHT, "train_logreg": EIGHT, "promote_logreg": EIGHT},
    "ChurnBatchScore": {"score_cohort": DATE},
}
LEFT = (
    "SELECT to_jsonb(f) - 'created_at' AS row FROM features.churn_weekly_features AS f ORDER BY 1",
    "SELECT to_jsonb(s) - 'created_at' AS row FROM ops.churn_scoring AS s ORDER BY 1",
    "SELECT to_jsonb(d) - 'created_at' - 'report_path' AS row FROM ops.churn_drift AS d ORDER BY 1",
)


@pytest.fixture
def killed(lived: World, tmp_path: Path) -> World:  # noqa: ARG001 - the undisturbed one
    return World(tmp_path, "killed", **CRUDE)


def test_a_training_killed_in_every_stage_ends_as_the_undisturbed_one(lived: World, killed: World) -> None:
    """Each stage has done its work and not yet its record, with ``kill -9`` of the process and of Spark's Java.

    Training is killed in the middle, too: with its run in MLflow begun and not ended.
    """
    run = killed.start(*ARGV)
    churn.wait_for(lambda: killed.files.exists(), run)
    churn.kill(run)

    keys = {"clean_raw_sources": str(killed.files), "notify_success": DATE}
    for stage in TRAINING:
        if stage == "train_spark_model":
            run = killed.start(*ARGV)
            churn.wait_for(lambda: _store_is_there(killed) and ("RUNNING",) in _statuses(killed), run)
            churn.kill(run)
        with churn.unrecorded(killed, stage, keys.get(stage, DATE)) as waits:
            run = killed.start(*ARGV)
            churn.wait_for(waits, run)
            churn.kill(run)
        assert stage not in _recorded(killed)
        assert _recorded(killed) == set(TRAINING[: TRAINING.index(stage)])

    assert killed.train().stages == ["notify_success"]
    assert _recorded(killed) == set(TRAINING)
    assert [status for _, status in killed.runs()] == ["FINISHED"]
    assert killed.versions() == ["1"]
    assert killed.aliases() == {"production": "1"}
    trained, whole = killed.record("train_spark_model"), lived.crude
    assert trained["metrics"] == whole["metrics"]
    assert trained["params"] == whole["params"]
    assert _weights(killed) == _weights(lived)
    assert killed.record("decide_promotion")["promote"] is True
    last = json.loads((killed.artifacts / "last_training.json").read_text())
    assert (last["decision"], last["version"], last["run_id"]) == ("promote", "1", trained["run_id"])
    assert last["inputs"] == lived.record("clean_raw_sources")["sources"]
    assert not list(killed.artifacts.rglob("*new-*")), "no half of a file"


def test_the_rest_of_the_life_killed_in_every_stage_ends_as_the_undisturbed_one(lived: World, tmp_path: Path) -> None:
    killed = World(tmp_path, "killed")
    killed.luigi("ChurnFeatureStore", "--date", "2019-03-10")  # files, clean tables, and a week that is of no matter
    killed.execute("TRUNCATE features.churn_weekly_features")
    for root, stages in REST.items():
        argv = ("-m", "luigi", "--module", "pipelines", root, "--date", DATE)
        for stage, key in stages.items():
            with churn.unrecorded(killed, stage, key) as waits:
                run = killed.start(*argv)
                churn.wait_for(waits, run)
                churn.kill(run)
        assert killed.luigi(root, "--date", DATE).stages == list(stages)[-1:]
    for left in LEFT:
        assert killed.rows(left) == lived.rows(left)
        assert killed.rows(left)
    assert killed.record("train_logreg")["metrics"] == lived.record("train_logreg")["metrics"]
    assert killed.versions("churn-logreg") == ["1"]
    assert killed.aliases("churn-logreg") == {"production": "1"}
    assert Path(killed.record("run_drift_report")["path"]).is_file()


def test_ctrl_c_ends_a_training_in_one_line_and_leaves_no_java(world: World) -> None:
    """While Java starts, and while it works."""

    def javas(session: int) -> list[int]:
        named = (process.pid for process in psutil.process_iter(["name"]) if process.info["name"] == "java")
        return [pid for pid in named if _session_of(pid) == session]

    finished = "SELECT count(*) FROM runs WHERE status = 'FINISHED'"
    before = world.mlflow(finished)
    for wait in (0, 8):
        run = world.start("-c", INTERRUPTIBLE, CHURN_REG_PARAMS=",".join(f"0.{point}" for point in range(10, 60)))
        churn.wait_for(lambda run=run: bool(javas(run.pid)), run)
        time.sleep(wait)
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=120)
        assert run.returncode == 130, said
        assert [line for line in said.splitlines() if not LINE.match(line)] == []
        assert "Interrupted" in said.splitlines()[-1]
        for _ in range(100):  # one that was at work sees a moment later that it is alone
            if not javas(run.pid):
                break
            time.sleep(0.1)
        assert javas(run.pid) == []
    assert world.mlflow(finished) == before


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def _recorded(world: World) -> set[str]:
    found = world.rows("SELECT stage FROM ops.materializations WHERE flow = 'churn'")
    return {row["stage"] for row in found} & set(TRAINING)


def _store_is_there(world: World) -> bool:
    return (world.state / "mlflow" / "mlflow.db").exists()


def _statuses(world: World) -> list[tuple[str]]:
    return world.mlflow("SELECT status FROM runs WHERE lifecycle_stage = 'active'")


def _weights(world: World) -> str:
    return (world.logged("1") / "artifacts" / "coefficients.json").read_text()
