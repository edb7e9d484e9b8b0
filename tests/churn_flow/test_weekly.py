"""The weekly tasks: features, churn-logreg, scores and drift of any week, by one command, as often as one likes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.churn import DATE, World

FOUR = [
    "2019-03-10",
    "2019-03-17",
    "2019-03-24",
    "2019-03-31",
]  # before those that churn-logreg has learnt from
COHORT = "SELECT count(*) AS rows FROM features.churn_weekly_features WHERE snapshot_date = "


def features(world: World) -> list[dict[str, Any]]:
    """The rows of those weeks, without the time at which they were written."""
    rows = world.rows(
        f"SELECT * FROM features.churn_weekly_features WHERE snapshot_date IN {tuple(FOUR)} ORDER BY 2, 1"
    )
    for row in rows:
        del row["created_at"]
    return rows


# Features ---------------------------------------------------------------------------------------------------------


def test_weeks_are_filled_by_one_command_as_one_by_one(world: World) -> None:
    assert features(world) == []
    for day in FOUR:
        assert world.ran("ChurnFeatureStore", "--date", day) == ["build_weekly_features"]
    one_by_one = features(world)
    assert {str(row["snapshot_date"]) for row in one_by_one} == {*FOUR}
    assert world.ran("ChurnFeatureStore", "--date", FOUR[-1]) == [], "a second time there is nothing to do"
    world.restore()
    done = world.luigi("ChurnFeatureStore", "--date", FOUR[-1], "--weeks", "4")
    assert f"4 weeks, {FOUR[0]} to {FOUR[-1]}" in done.out
    assert features(world) == one_by_one
    assert world.ran("ChurnFeatureStore", "--date", FOUR[0]) == [], "each of the weeks is known by itself"


def test_a_week_done_again_replaces_its_rows(world: World) -> None:
    world.luigi("ChurnFeatureStore", "--date", FOUR[0])
    before = features(world)
    world.execute("UPDATE features.churn_weekly_features SET spent_7d = -1")
    world.command("forget", "--date", FOUR[0])
    assert world.ran("ChurnFeatureStore", "--date", FOUR[0]) == ["build_weekly_features"]
    assert features(world) == before


def test_a_label_is_there_where_it_can_be_known(lived: World) -> None:
    """EVALUATE tells it for any week; without it, 60 days must have passed."""
    rows = lived.rows(
        "SELECT count(*) AS rows, count(labeled_churn) AS labelled, count(DISTINCT labeled_churn) AS labels"
        f" FROM features.churn_weekly_features WHERE snapshot_date = '{DATE}'"
    )[0]
    assert 0 < rows["labelled"] < rows["rows"]
    assert rows["labels"] == 2


def test_a_week_that_another_run_replaced_is_not_done(world: World) -> None:
    """The files change, one week of a range is done from them, and the files are again what they were."""
    store = ("ChurnFeatureStore", "--date", FOUR[-1], "--weeks", "4")
    world.luigi(*store)
    before, payments = features(world), (world.files / "PAYMENTS.csv").read_bytes()
    world.edit("PAYMENTS.csv", lambda text: "".join(text.splitlines(keepends=True)[:30_000]))
    world.luigi("ChurnFeatureStore", "--date", FOUR[1])
    assert features(world) != before
    (world.files / "PAYMENTS.csv").write_bytes(payments)
    assert world.ran(*store) == ["clean_raw_sources", "build_weekly_features"]
    assert features(world) == before
    assert world.ran(*store) == []


@pytest.mark.parametrize("root", ["ChurnFeatureStore", "ChurnTraining", "ChurnDriftReport"])
def test_a_date_before_the_payments_is_refused_in_words(world: World, root: str) -> None:
    refused = world.luigi(root, "--date", "2018-05-26", code=30)
    assert "Nobody paid in the 90 days before 2018-0" in refused.err
    assert "The payments go from 2018-12-01 to 2019-05-31." in refused.err


# churn-logreg -----------------------------------------------------------------------------------------------------


def test_churn_logreg_learns_from_the_sundays_before_its_date(world: World) -> None:
    """The last of May is a Friday: its training is that of the Sunday before it, which was done with the whole life."""
    assert world.ran("ChurnLogregTraining", "--date", "2019-05-31", "--lookback-weeks", "8") == []
    built = world.rows(
        "SELECT result FROM ops.materializations"
        " WHERE flow = 'churn' AND stage = 'build_weekly_features' AND key = '2019-05-26, 8 weeks'"
    )[0]["result"]
    assert built["snapshots"] == [
        "2019-04-07", "2019-04-14", "2019-04-21", "2019-04-28", "2019-05-05", "2019-05-12", "2019-05-19", "2019-05-26",
    ]  # fmt: skip
    assert world.record("train_logreg")["rows"] == built["labelled"]


def test_without_the_ground_truth_churn_logreg_learns_from_weeks_that_time_has_labelled(world: World) -> None:
    """Eight of them, as many as with it: those of the last 60 days have no label yet."""
    (world.files / "EVALUATE.csv").unlink()
    done = world.luigi("ChurnLogregTraining", "--date", DATE)
    assert world.record("train_logreg")["snapshots"] == [
        "2019-02-10", "2019-02-17", "2019-02-24", "2019-03-03", "2019-03-10", "2019-03-17", "2019-03-24", "2019-03-31",
    ]  # fmt: skip
    assert "8 weeks, 2019-02-10 to 2019-03-31" in done.out
    assert world.versions("churn-logreg") == ["1", "2"]


def test_churn_logreg_is_not_trained_on_a_handful(world: World) -> None:
    refused = world.luigi("ChurnLogregTraining", "--date", "2018-12-02", "--lookback-weeks", "1", code=30)
    assert "at least 50 are needed" in refused.err
    assert world.versions("churn-logreg") == ["1"]


def test_a_weeks_cohort_is_scored_whole_and_once(world: World) -> None:
    day = "2019-05-26"
    scored = (
        "SELECT count(*) AS rows, count(DISTINCT customer_id) AS customers FROM ops.churn_scoring"
        f" WHERE snapshot_date = '{day}'"
    )
    assert world.ran("ChurnBatchScore", "--date", day) == ["score_cohort"]
    cohort = world.rows(f"{COHORT}'{day}'")[0]["rows"]
    assert world.rows(scored) == [{"rows": cohort, "customers": cohort}]
    assert world.ran("ChurnBatchScore", "--date", day) == []
    assert world.rows(scored) == [{"rows": cohort, "customers": cohort}]


def test_without_a_model_in_production_nothing_is_begun_for_scores(server, tmp_path: Path) -> None:  # noqa: ARG001
    bare = World(tmp_path, "bare")
    refused = bare.luigi("ChurnBatchScore", "--date", "2019-05-26", code=20)
    assert "churn-logreg has no production version to score with: run ChurnLogregTraining first." in refused.err
    assert refused.stages == []
    assert not bare.files.exists()
    assert "There is none yet" in bare.command("models").out


# Drift ------------------------------------------------------------------------------------------------------------


def test_drift_leaves_a_page_and_a_row_and_is_reported_once(world: World) -> None:
    row = world.rows(f"SELECT * FROM ops.churn_drift WHERE snapshot_date = '{DATE}'")[0]
    assert (row["stand_in"], row["report_key"]) == (False, None)
    assert 0 <= row["drift_share"] <= 1
    assert row["drift_detected"] is (row["drift_share"] >= 0.5)
    page = Path(row["report_path"])
    assert page == world.state / "drift_reports" / f"{DATE}.html"
    assert f"Snapshot {DATE} against those of the weeks before it: 2019-04-07" in page.read_text(encoding="utf-8")
    assert world.ran("ChurnDriftReport", "--date", DATE) == []
    assert world.rows(f"SELECT * FROM ops.churn_drift WHERE snapshot_date = '{DATE}'") == [row]


def test_where_no_week_is_before_noise_stands_in_and_it_is_said(world: World) -> None:
    done = world.luigi("ChurnDriftReport", "--date", "2018-12-08")
    assert "itself and noise: there is no week before" in done.out
    row = world.rows("SELECT * FROM ops.churn_drift WHERE snapshot_date = '2018-12-08'")[0]
    assert (row["stand_in"], row["drift_detected"]) == (True, False)
    assert "which stands in for one" in Path(row["report_path"]).read_text(encoding="utf-8")
