"""Which day a run looks at, and which weeks before it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.churn.features import snapshot_of, sundays, week_of, weeks_before
from pipelines.churn.sources import usual_days

DAYS = st.dates(date(2000, 1, 1), date(2100, 1, 1))
SUNDAY = date(2019, 6, 2)


@pytest.mark.parametrize(
    ("day", "last_day", "snapshot"),
    [
        (date(2019, 5, 1), date(2019, 5, 31), date(2019, 5, 1)),  # the payments reach further
        (date(2019, 6, 1), date(2019, 5, 31), date(2019, 6, 1)),  # they reach up to it
        (date(2019, 6, 2), date(2019, 5, 31), date(2019, 6, 1)),  # they do not
        (date(2026, 1, 1), date(2019, 5, 31), date(2019, 6, 1)),
    ],
)
def test_a_snapshot_is_not_later_than_the_payments_reach(day: date, last_day: date, snapshot: date) -> None:
    assert snapshot_of(day, last_day) == snapshot


@pytest.mark.parametrize(
    ("day", "last_day", "week"),
    [
        (date(2019, 5, 1), date(2019, 5, 31), date(2019, 5, 1)),  # any day that is asked for, a Wednesday too
        (date(2019, 6, 1), date(2019, 5, 31), date(2019, 6, 1)),
        (date(2026, 1, 1), date(2019, 5, 31), date(2019, 5, 26)),  # the last Sunday that they reach
        (date(2026, 1, 1), date(2019, 6, 1), SUNDAY),
        (date(2026, 1, 1), SUNDAY, SUNDAY),
        (date(2026, 1, 1), date(2019, 6, 8), date(2019, 6, 9)),
    ],
)
def test_a_week_is_the_day_that_is_asked_for_or_the_last_sunday_that_is_known(
    day: date, last_day: date, week: date
) -> None:
    assert week_of(day, last_day) == week


@given(day=DAYS, last_day=DAYS)
def test_no_week_looks_beyond_the_payments(day: date, last_day: date) -> None:
    week = week_of(day, last_day)
    assert week <= day
    assert week <= last_day + timedelta(days=1)
    assert week == day or week.isoweekday() == 7


@given(until=DAYS, weeks=st.integers(0, 60))
def test_sundays_are_the_last_ones_oldest_first(until: date, weeks: int) -> None:
    found = sundays(until, weeks)
    assert len(found) == weeks
    assert all(day.isoweekday() == 7 for day in found)
    assert found == sorted(set(found))
    if found:
        assert until - timedelta(days=6) <= found[-1] <= until
        assert found[-1] - found[0] == timedelta(weeks=weeks - 1)


def test_a_sunday_is_its_own_last_one() -> None:
    assert sundays(SUNDAY, 2) == [date(2019, 5, 26), SUNDAY]
    assert sundays(SUNDAY + timedelta(days=6), 1) == [SUNDAY]


def test_the_weeks_before_a_cutoff_are_before_it() -> None:
    """The snapshot itself is no reference for its own drift."""
    assert weeks_before(SUNDAY, 2, date(2019, 1, 1)) == [date(2019, 5, 19), date(2019, 5, 26)]
    assert weeks_before(SUNDAY + timedelta(days=1), 2, date(2019, 1, 1)) == [date(2019, 5, 26), SUNDAY]


def test_where_payments_begin_and_end_a_slip_of_the_pen_does_not_count() -> None:
    """A day of the year 19, or one of next month, with a row where others have hundreds."""
    rows = {date(2019, 5, day): 200 for day in range(1, 21)}
    slips = {date(19, 5, 1): 1, date(2019, 5, 30): 1, date(2019, 6, 20): 300}
    assert usual_days({**rows, **slips}, today=date(2019, 6, 1)) == sorted(rows)
    assert usual_days({date(2019, 6, 20): 300}, today=date(2019, 6, 1)) == []


def test_weeks_begin_when_a_week_has_been_paid_in() -> None:
    assert weeks_before(SUNDAY, 8, date(2019, 5, 12)) == [date(2019, 5, 19), date(2019, 5, 26)]
    assert weeks_before(SUNDAY, 8, date(2019, 5, 13)) == [date(2019, 5, 26)]
    assert weeks_before(SUNDAY, 8, date(2019, 5, 25)) == []
