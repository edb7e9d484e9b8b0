"""Drift is told where it is, and nowhere else; what cannot be compared is listed with the reason."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipelines.churn import drift
from pipelines.churn.declaration import CATEGORIES, NUMERIC
from pipelines.churn.drift import Drift

NUMBERS, WORDS = ("paid", "visits"), ("card",)


def people(seed: int, rows: int = 400, shift: float = 0.0, cards: tuple[str, ...] = ("a", "b", "b")) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame({
        "paid": random.normal(shift, 1, rows), "visits": random.normal(shift, 1, rows),
        "card": random.choice(cards, rows),
    })  # fmt: skip


def compare(current: pd.DataFrame, reference: pd.DataFrame, sample: int = 10_000, **more: object) -> Drift:
    return drift.compare(current, reference, sample, numeric=NUMBERS, categories=WORDS, **more)


def plain(page: str) -> str:
    """A report without the ids that are drawn for each."""
    return re.sub(r"[0-9a-f]{8}-?[0-9a-f-]{20,}", "", page)


def test_the_same_distribution_is_no_drift() -> None:
    found = compare(people(1), people(2))
    assert (found.share, found.detected, found.drifted, found.left_out, found.compared) == (0, False, (), {}, 3)


def test_a_real_shift_is_detected_in_its_columns() -> None:
    found = compare(people(1, shift=1), people(2))
    assert (found.drifted, found.compared) == (("paid", "visits"), 3)
    assert found.share == pytest.approx(2 / 3)
    assert found.detected


def test_a_shift_of_few_columns_is_told_but_is_no_drift_of_the_whole() -> None:
    found = compare(people(1, cards=("a", "a", "b")), people(2))
    assert found.drifted == ("card",)
    assert not found.detected


def test_all_features_are_compared_by_default() -> None:
    names = dict.fromkeys(NUMERIC, 0.0) | dict.fromkeys(CATEGORIES, "x")
    found = drift.compare(pd.DataFrame([names] * 40), pd.DataFrame([names] * 40), 1000)
    assert found.left_out == dict.fromkeys([*NUMERIC, *CATEGORIES], "constant in the current snapshot")


# What cannot be compared --------------------------------------------------------------------------------------------

BROKEN = {
    "missing in {}": lambda side: side.drop(columns="paid"),
    "empty in {}": lambda side: side.assign(paid=np.nan),
    "constant in {}": lambda side: side.assign(paid=1.5),
    "only 29 values in {}": lambda side: side.assign(paid=side["paid"].where(side.index < 29)),
}


@pytest.mark.parametrize("side", ["the current snapshot", "the reference"])
@pytest.mark.parametrize("why", BROKEN)
def test_a_column_that_cannot_be_compared_is_left_out_with_the_reason(why: str, side: str) -> None:
    good, broken = people(1), BROKEN[why](people(2))
    found = compare(broken, good) if side == "the current snapshot" else compare(good, broken)
    assert found.left_out == {"paid": why.format(side)}
    assert (found.compared, found.drifted) == (2, ())


def test_thirty_values_are_enough() -> None:
    found = compare(people(1, rows=30), people(2, rows=30))
    assert found.left_out == {}


def test_too_few_rows_leave_nothing_to_compare() -> None:
    found = compare(people(1, rows=29), people(2))
    assert found.left_out == dict.fromkeys([*NUMBERS, *WORDS], "only 29 values in the current snapshot")
    assert (found.share, found.detected, found.drifted, found.compared) == (0, False, (), 0)
    assert "No column could be compared." in found.html


def test_no_rows_at_all_are_told_as_such() -> None:
    found = compare(people(1).head(0), people(2))
    assert set(found.left_out.values()) == {"empty in the current snapshot"}


def test_a_column_that_is_not_to_be_compared_is_not() -> None:
    found = compare(people(1, shift=1), people(2), unknown={"paid": "not known yet"})
    assert found.left_out == {"paid": "not known yet"}
    assert found.drifted == ("visits",)


def test_missing_values_are_no_drift_of_those_that_are_there() -> None:
    current = people(1)
    current["paid"] = current["paid"].where(current.index % 3 > 0)
    current["card"] = current["card"].where(current.index % 5 > 0, None)
    found = compare(current, people(2))
    assert (found.left_out, found.drifted) == ({}, ())


def test_columns_of_which_a_week_did_not_tell_are_found() -> None:
    known = pd.DataFrame({name: [0.0, 1.0] for name in NUMERIC} | {name: ["x", "y"] for name in CATEGORIES})
    silent = known.assign(spent_ml=0.0, has_inversion=0.0)
    assert drift.not_yet_known([known, known]) == {}
    assert drift.not_yet_known([silent, known, silent.assign(has_inversion=[0.0, 1.0])]) == {
        "spent_ml": "not known in 2 of the 3 weeks before", "has_inversion": "not known in 1 of the 3 weeks before",
    }  # fmt: skip


# Samples ------------------------------------------------------------------------------------------------------------


def test_a_sample_is_the_same_every_time() -> None:
    one, other = (compare(people(1, rows=3000), people(2, rows=3000), sample=150) for _ in range(2))
    assert replace(one, html="") == replace(other, html="")
    assert plain(one.html) == plain(other.html)


def test_a_sample_is_no_larger_than_asked_for() -> None:
    """A shift that 3,000 rows show and 40 cannot."""
    current, reference = people(1, rows=3000, shift=0.2), people(2, rows=3000)
    assert compare(current, reference).drifted == ("paid", "visits")
    assert compare(current, reference, sample=40).drifted == ()


# The stand-in -------------------------------------------------------------------------------------------------------


def test_the_stand_in_is_the_same_customers_with_light_noise() -> None:
    random = np.random.default_rng(1)
    current = pd.DataFrame({name: random.normal(50, 10, 300) for name in NUMERIC} | dict.fromkeys(CATEGORIES, "x"))
    current["spent_ml"] = 0.0
    before = current.copy()
    noisy = drift.stand_in(current)
    pd.testing.assert_frame_equal(current, before)
    pd.testing.assert_frame_equal(noisy, drift.stand_in(current))
    pd.testing.assert_frame_equal(noisy[list(CATEGORIES)], current[list(CATEGORIES)])
    assert (noisy["spent_ml"] == 0).all()
    moved = (noisy["spent_7d"] - current["spent_7d"]).abs()
    assert 0 < moved.max() < 1


# The report ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [200, 5])
def test_the_report_tells_the_note_and_what_is_left_out(rows: int) -> None:
    current = people(1, rows=rows).drop(columns="paid")
    page = compare(current, people(2), note="Compared <with> itself & noise").html
    assert "Compared &lt;with&gt; itself &amp; noise" in page
    assert "Left out: paid (missing in the current snapshot)" in page
    assert page.count("<body>") == 1
    assert page.index("Left out") > page.index("<body>")


@pytest.mark.parametrize("rows", [200, 5])
def test_the_report_fetches_nothing_from_elsewhere(rows: int) -> None:
    """It is read where there is no network, and nobody else learns that it was."""
    page = compare(people(1, rows=rows), people(2)).html
    tags = re.findall(r"<(?:script|link|img|iframe|source|video|audio|object|embed)\b[^>]*>", page)
    assert [tag[:200] for tag in tags if re.search(r"""(?:src|href|data)\s*=\s*["']?\s*(?:https?:)?//""", tag)] == []
    assert re.findall(r"""url\(\s*["']?(?:https?:)?//[^)]{0,60}|@import\s+(?:url|["'])[^;]{0,60}//""", page) == []
