"""No leakage: what lies on the wrong side of a cutoff changes nothing, from the written files on."""

from __future__ import annotations

from datetime import date, timedelta

from tests.churn import TODAY, clean
from tests.churn_code.customers import Extract

PIN = 99
CUTOFF = TODAY - timedelta(days=20)


def with_pins(extract: Extract, logins_until: date, market_until: date) -> Extract:
    return {
        "payments": [*extract["payments"], (PIN, TODAY, 1, 1)],
        "active_user": [*extract["active_user"], (PIN, logins_until, None, *[None] * 12)],
        "demograficos": extract["demograficos"],
        "dinero_cuenta": extract["dinero_cuenta"],
        "marketplace_data": [*extract["marketplace_data"], (PIN, None, market_until, None)],
    }


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
