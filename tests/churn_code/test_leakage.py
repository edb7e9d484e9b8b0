"""No leakage: what lies on the wrong side of a cutoff changes nothing, from the written files on.

The day of an extract is the last one of which its file tells. Customer 99 pins it in each file, as the many users of a
real one do: everything else on the wrong side is drawn twice, and the features must be the same to the last byte.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.churn import weekly
from tests.churn_code.customers import AMOUNTS, STATUSES, VISITS, Extract, days_before, extracts, months_back, payments
from tests.churn_files import TODAY, Cleaned, clean

PIN = 99
FUTURE = st.one_of(st.none(), st.dates(TODAY + timedelta(days=1), TODAY + timedelta(days=400)))
CUTOFFS = st.dates(TODAY - timedelta(days=70), TODAY + timedelta(days=1))


def frame_bytes(made: Cleaned, cutoff: date) -> bytes:
    return made.store.read(made.frame_file(cutoff))


def with_pins(extract: Extract, logins_until: date, market_until: date) -> Extract:
    return {
        "payments": [*extract["payments"], (PIN, TODAY, 1, 1)],
        "active_user": [*extract["active_user"], (PIN, logins_until, None, *[None] * 12)],
        "demograficos": extract["demograficos"],
        "dinero_cuenta": extract["dinero_cuenta"],
        "marketplace_data": [*extract["marketplace_data"], (PIN, None, market_until, None)],
    }


@st.composite
def same_past(draw: st.DrawFn) -> tuple[date, Extract, Extract]:
    """A cutoff, and two extracts that tell the same of the days before it."""
    cutoff = draw(CUTOFFS)
    logins_until, market_until = (draw(st.dates(cutoff - timedelta(days=35), TODAY)) for _ in range(2))
    past = draw(extracts(cutoff, most=15))
    before = [row for row in past["payments"] if row[1] < cutoff]
    visits, balances = months_back(logins_until, cutoff), months_back(TODAY, cutoff)
    later = st.one_of(st.dates(cutoff, TODAY + timedelta(days=60)), st.just(date(2091, 1, 1)))
    after = st.lists(payments(later), max_size=9)
    login = st.one_of(st.none(), st.dates(date(2019, 1, 1), logins_until), FUTURE)
    bought = st.one_of(st.none(), st.dates(date(2018, 1, 1), market_until), FUTURE)
    late_logins, late_market = (
        draw(st.lists(st.booleans(), min_size=7, max_size=7)) for _ in range(2)
    )  # of whom a login, or the last purchase, is on the wrong side

    def day(known: date | None, until: date, wrong: st.SearchStrategy[Any], late: bool) -> date | None:
        if until >= cutoff:
            return draw(wrong)
        return draw(FUTURE) if late or (known is not None and known > until) else known

    def months(values: tuple[Any, ...], first: int, wrong: st.SearchStrategy[Any]) -> list[Any]:
        return [draw(wrong) if month < first else value for month, value in enumerate(values, 1)]

    def one() -> Extract:
        return with_pins(
            {
                "payments": draw(st.permutations(before + draw(after))),
                "active_user": [
                    (row[0],
                     day(row[1], logins_until, login, late), day(row[2], logins_until, login, False),
                     *months(row[3:9], visits, VISITS), *months(row[9:], visits, VISITS))
                    for row, late in zip(past["active_user"], late_logins, strict=False)
                ],
                "demograficos": past["demograficos"],
                "dinero_cuenta": [
                    (row[0], row[1] if cutoff > TODAY else draw(STATUSES), *months(row[2:], balances, AMOUNTS))
                    for row in past["dinero_cuenta"]
                ],
                "marketplace_data": [
                    (row[0], row[1] if market_until < cutoff else draw(AMOUNTS),
                     day(row[2], market_until, bought, late), row[3] if market_until < cutoff else draw(VISITS))
                    for row, late in zip(past["marketplace_data"], late_market, strict=False)
                ],
            },
            logins_until,
            market_until,
        )  # fmt: skip

    return cutoff, one(), one()


@settings(max_examples=15, deadline=None)
@given(drawn=same_past())
def test_what_lies_after_the_cutoff_changes_no_byte_of_the_features(drawn: tuple[date, Extract, Extract]) -> None:
    cutoff, one, other = drawn
    frames = [frame_bytes(clean(**extract), cutoff) for extract in (one, other)]
    assert frames[0] == frames[1]


@settings(max_examples=5, deadline=None)
@given(data=st.data(), cutoff=CUTOFFS)
def test_what_lies_before_the_cutoff_changes_no_label(data: st.DataObject, cutoff: date) -> None:
    """Neither who is active, nor what the weekly label says of customers of both cohorts."""
    days = days_before(cutoff, 0, -1, -29, -30, -31, -59, -60, -61)
    after = data.draw(st.lists(payments(days), max_size=12))
    after = [row for row in after if cutoff <= row[1] <= TODAY]
    labels, found = [], []
    for _ in range(2):
        before = data.draw(st.lists(payments(days_before(cutoff)), max_size=12))
        rows = [row for row in before if row[1] < cutoff] + after
        made = clean(payments=[*rows, (PIN, TODAY, 1, 1)])
        found.append([made.active(cutoff, cutoff + timedelta(days=days)) for days in (30, 60)])
        table = weekly.label(made.store, made.tables, made.frame(cutoff), cutoff)
        labels.append(dict(zip(table["customer_id"].to_pylist(), table["labeled_churn"].to_pylist(), strict=True)))
    assert found[0] == found[1]
    assert found[0] == [
        {row[0] for row in [*after, (PIN, TODAY)] if cutoff <= row[1] < cutoff + timedelta(days=days)}
        for days in (30, 60)
    ]
    assert all(labels[1].get(customer, label) == label for customer, label in labels[0].items())


# That the eyes are open: what lies before the cutoff is seen ---------------------------------------------------------

CUTOFF = TODAY - timedelta(days=20)
SEEN = {
    "payments": [(1, CUTOFF - timedelta(days=1), 6, None)],
    "active_user": [(1, None, CUTOFF - timedelta(days=9), *range(21, 33))],
    "demograficos": [(1, "male", None, None, None)],
    "dinero_cuenta": [(1, "investing", 1, 2.5, 3, 4, 5)],
    "marketplace_data": [(1, 100, CUTOFF - timedelta(days=50), 4)],
}


@pytest.mark.parametrize("table", SEEN)
def test_what_lies_before_the_cutoff_is_seen(table: str) -> None:
    """Or the test above would hold for features that know nothing."""
    past: Extract = {
        "payments": [(1, CUTOFF - timedelta(days=1), 5, None)],
        "active_user": [(1, None, CUTOFF - timedelta(days=8), *range(12))],
        "demograficos": [(1, "female", None, None, None)],
        "dinero_cuenta": [(1, "investing", 1, 2, 3, 4, 5)],
        "marketplace_data": [(1, 100, CUTOFF - timedelta(days=50), 3)],
    }
    pins = {"logins_until": CUTOFF - timedelta(days=2), "market_until": CUTOFF - timedelta(days=31)}
    frames = [frame_bytes(clean(**with_pins(each, **pins)), CUTOFF) for each in (past, {**past, table: SEEN[table]})]
    assert frames[0] != frames[1]


def test_a_login_that_is_yet_to_come_does_not_hide_the_one_before() -> None:
    """A clock that is ahead writes such days; whether it did must not be seen in the features of before."""
    last = CUTOFF - timedelta(days=8)
    for future in (None, date(2091, 1, 1)):
        extract = with_pins(
            {"payments": [(1, last, 5, None)], "active_user": [(1, future, last, *[None] * 12)], "demograficos": [],
             "dinero_cuenta": [], "marketplace_data": []},
            CUTOFF - timedelta(days=2), CUTOFF - timedelta(days=31),
        )  # fmt: skip
        assert clean(**extract).frame(CUTOFF)["last_login_date"].to_pylist() == [last]
