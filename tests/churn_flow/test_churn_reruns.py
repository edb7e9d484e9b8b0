"""Rerun laws of the churn flow: what changed decides what runs, and two runs at once are one after the other."""

from __future__ import annotations

import ast
import os
import re
import shutil
from pathlib import Path

import pytest

from pipelines.core.statements import ROOT
from tests.churn import DATE, LEARNING, LINE, TRAINING, World

STALE = """
import sys, datetime, pipelines
for name in sys.argv[2].split(","):
    root = getattr(pipelines, name)(date=datetime.date.fromisoformat(sys.argv[1]))
    print(*(stage.stage for stage in root.stages() if not stage.complete()))
"""
ROOTS = "ChurnTraining,ChurnDriftReport,ChurnFeatureStore,ChurnLogregTraining,ChurnBatchScore"
BRANCHES = [*LEARNING[:3], "promote_model", "skip_promotion", "notify_success"]
DRIFT = ["build_current_snapshot", "run_drift_report", "log_drift_result"]
LOGREG = ["train_logreg", "promote_logreg"]
WEEKLY = ["build_weekly_features", *LOGREG, "score_cohort"]


def stale(world: World, date: str = DATE, roots: str = ROOTS, **settings: str) -> set[str]:
    """The stages that would run, of which none does."""
    done = world.run("-c", STALE, date, roots, **settings)
    assert done.code == 0, done.err
    return set(done.out.split())


# Two at once, then everything, on the way to the world of these tests ---------------------------------------------


def test_two_trainings_at_once_one_waits_and_has_nothing_to_do(lived: World) -> None:
    first, second = sorted(lived.at_once, key=lambda run: len(run.stages), reverse=True)
    assert first.stages == TRAINING
    assert second.stages == []
    assert "another run of the churn flow is at work" in second.err
    assert "Nothing to do" in second.out
    assert lived.versions() == ["1", "2"], "one of the two that were first, one of the training after them"


def test_the_whole_life_runs_what_is_left_of_it_and_ends_with_one_table(lived: World) -> None:
    assert lived.life.stages == [*LEARNING, *DRIFT, *WEEKLY[:1], *WEEKLY]
    table = lived.life.out.split(f"Churn of {DATE}")[1]
    for words in ("AUC of candidate (version 2)", "AUC of production (version 1)", "promoted", "current snapshot",
                  "8 weeks", "scored by churn-logreg", "SHAP picture:", "Drift report:"):  # fmt: skip
        assert words in table, words
    for path in re.findall(r"(?:SHAP picture|Drift report): +(.+)", table):
        assert Path(path).is_file(), path


def test_standard_error_holds_our_lines_and_no_one_elses(lived: World) -> None:
    """Libraries that warn of what users cannot change would hide what they can."""
    for run in (*lived.at_once, lived.life):
        assert [line for line in run.err.splitlines() if line and not LINE.match(line)] == []


# Nothing changed --------------------------------------------------------------------------------------------------


def test_where_nothing_changed_nothing_runs(world: World) -> None:
    for path in world.files.iterdir():
        os.utime(path)  # touched, and as it was
    done = world.luigi("Churn", "--date", DATE)
    assert (done.stages, "Nothing to do" in done.out) == ([], True)
    assert stale(world, date="2026-11-21", roots="ChurnTraining") == set(), "its newest snapshot is the same"


def test_everything_is_both_flows_one_after_the_other(world: World) -> None:
    done = world.luigi("Everything", "--date", DATE, MIN_ROWS_PER_DAY="10")
    assert done.stages[0] == "generate_fake_history_last_5_days"
    assert "merge_to_prod" in done.stages
    assert not {*TRAINING, *DRIFT, *WEEKLY} & set(done.stages) - {"notify_success"}
    assert "Nothing to do: files, settings and code" in done.out
    assert world.luigi("Everything", "--date", DATE, MIN_ROWS_PER_DAY="10").stages == []


# Something changed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"CHURN_PROMOTION_MIN_DELTA": "0.01"}, {*BRANCHES[2:], "promote_logreg"}),
        ({"CHURN_REG_PARAMS": "0.02"}, {*BRANCHES}),
        ({"CHURN_ELASTIC_NET_PARAMS": "0,1"}, {*BRANCHES}),
        ({"CHURN_DRIFT_SAMPLE": "500"}, {*BRANCHES, *DRIFT[1:]}),
        ({"CHURN_LOOKBACK_WEEKS": "4"}, {"build_weekly_features", *LOGREG}),
        ({"CHURN_MAX_BAD_SHARE": "0.2"}, {*TRAINING, "skip_promotion", *DRIFT, *WEEKLY}),
        ({"CHURN_USERS": "2000", "MIN_ROWS_PER_DAY": "7"}, set()),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_a_setting_concerns_its_stages_and_those_after_them(lived: World, settings, expected: set[str]) -> None:
    assert stale(lived, **settings) == expected


@pytest.mark.parametrize(
    ("edited", "expected"),
    [
        ("sql/churn/users.sql", {*TRAINING, "skip_promotion", *DRIFT, *WEEKLY}),
        ("pipelines/churn/cleaning.py:clean", {*TRAINING, "skip_promotion", *DRIFT, *WEEKLY}),
        ("sql/churn/features.sql", {"feature_engineering", *BRANCHES, *DRIFT, *WEEKLY}),
        ("sql/churn/label_training.sql", {"feature_engineering", *BRANCHES}),
        ("pipelines/churn/training.py:dataset", {"feature_engineering", *BRANCHES}),
        ("pipelines/churn/training.py:fit", {*BRANCHES}),
        ("pipelines/churn/training.py:metrics", {*BRANCHES, *LOGREG}),
        ("pipelines/churn/linear_model.py:probabilities", {*BRANCHES}),
        ("pipelines/churn/registry.py:decide", {*BRANCHES[2:], "promote_logreg"}),
        ("pipelines/churn/drift.py:compare", {*BRANCHES, *DRIFT[1:]}),
        ("sql/churn/note_drift.sql", {*DRIFT[2:]}),
        ("sql/churn/label_weekly.sql", {*WEEKLY}),
        ("sql/churn/read_features.sql", {*LOGREG, "score_cohort"}),
        ("pipelines/churn/logreg.py:fit", {*LOGREG}),
        ("sql/churn/copy_scores.sql", {"score_cohort"}),
        ("pipelines/churn/report.py:show_run", set()),
        ("pipelines/churn/watchdog.py:changes", set()),
        ("sql/crypto/upsert.sql", set()),
    ],
)
def test_an_edited_function_or_statement_concerns_its_stages_and_those_after_them(
    lived: World, tmp_path: Path, edited: str, expected: set[str]
) -> None:
    for name in ("pipelines", "sql"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    file, _, function = edited.partition(":")
    path = tmp_path / file
    lived.code = tmp_path
    try:
        with path.open("a", encoding="utf-8") as appended:
            appended.write("\n-- edited\n" if file.endswith(".sql") else "\n# edited\n")
        assert stale(lived) == set(), "a comment decides nothing"
        path.write_text(changed(path.read_text(encoding="utf-8"), function), encoding="utf-8")
        assert stale(lived) == expected
    finally:
        lived.code = ROOT


def changed(text: str, function: str) -> str:
    """The text of a file with one more statement: in a function, or at the end of SQL."""
    if not function:
        return f"{text}\nSELECT 1;\n"
    (definition,) = (
        each for each in ast.walk(ast.parse(text)) if isinstance(each, ast.FunctionDef) and each.name == function
    )
    first, lines = definition.body[1 if ast.get_docstring(definition) else 0], text.splitlines()
    lines.insert(first.lineno - 1, " " * first.col_offset + "edited = 1")
    return "\n".join(lines) + "\n"


def test_another_date_is_another_training_of_the_same_clean_files(lived: World) -> None:
    assert stale(lived, date="2019-05-20") == {*TRAINING[1:], "skip_promotion", *DRIFT, *WEEKLY}


def test_one_changed_value_makes_all_run_again_and_the_same_model_is_not_promoted(world: World) -> None:
    """And going back to what the file was runs it all again, too: the same weights, in a version of their own."""
    before = world.aliases()
    world.edit("PAYMENTS.csv", lambda text: re.sub(r"(?m)^(\S+?,\d+,\d+,)(?=\d)", r"\g<1>1", text, count=1))  # spent
    assert stale(world) == {*TRAINING, "skip_promotion", *DRIFT, *WEEKLY}
    done = world.train()
    assert done.stages == [*TRAINING[:-2], "skip_promotion", "notify_success"]
    assert world.aliases() == before
    assert world.versions() == ["1", "2", "3"]
    assert "not promoted" in done.out
    shutil.copy(world.folder / "kept" / "churn_data" / "PAYMENTS.csv", world.files)
    world.train()
    assert world.versions() == ["1", "2", "3", "4"]
    assert world.aliases() == before, "it is no better than itself"


# Files that are gone ----------------------------------------------------------------------------------------------


def test_what_was_made_and_is_gone_is_made_again(world: World) -> None:
    """A record that speaks of what is not there any more is no reason to do nothing."""
    world.execute("TRUNCATE features.churn_weekly_features", "TRUNCATE ops.churn_scoring")
    report = Path(world.record("run_drift_report")["path"])
    report.unlink()
    assert stale(world) == {"build_weekly_features", *LOGREG, "score_cohort", *DRIFT[1:]}
    assert world.ran("ChurnBatchScore", "--date", DATE) == ["build_weekly_features", "score_cohort"]
    assert world.ran("ChurnDriftReport", "--date", DATE) == ["run_drift_report"], "its row says what it said"
    assert report.is_file()
