"""However an extract is written, it is read; and what became of every value is counted."""

from __future__ import annotations

from datetime import date

from tests.churn import clean


def test_a_day_that_is_none_is_no_day() -> None:
    """A wrong guess would put a payment into another century; who reads the account sees that it was left out."""
    days = ["2019-02-30", "31/02/2019", "01/05/19", "2019-05-01 (BC)", "n/a", "20190501", "2019-05-01x", "0000-00-00",
            "2019-05-01 25:00:00"]  # fmt: skip
    good = (54018, "2019-05-01", 1, "")
    made = clean(max_bad_share=1, payments=[*((number, day, 1, "") for number, day in enumerate(days)), good])
    assert [row[:2] for row in made.rows("payments") if row[1]] == [(54018, date(2019, 5, 1))]
    assert made.account("payments")["fecha"] == {"read": 1, "unreadable": len(days)}
    told = made.told
    assert (told["dropped"], told["first_day"], told["last_day"]) == (len(days), "2019-05-01", "2019-05-01")


def test_text_that_no_database_takes_is_not_read() -> None:
    """A NUL in a province would stop every load of the weekly features."""
    rows = [(1, "F", 30, "card", "Cha\0co"), (2, "F", 30, "card", "Chaco")]
    made = clean(max_bad_share=1, demograficos=rows)
    assert (made.user(1)["estado"], made.user(2)["estado"]) == (None, "chaco")
    assert made.account("demograficos")["estado"] == {"read": 1, "unreadable": 1}
