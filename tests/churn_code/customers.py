"""Random small extracts; and, in plain Python, what was known of their customers before a day."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from pipelines.churn.declaration import FEATURES
from tests.churn_files import TODAY

Extract = dict[str, list[tuple[Any, ...]]]
IDS = st.integers(1, 5)
BORDERS = (0, 1, 2, 6, 7, 8, 29, 30, 31, 59, 60, 61, 89, 90, 91)
CUTOFFS = st.dates(TODAY - timedelta(days=100), TODAY + timedelta(days=40))
AMOUNTS = st.one_of(st.none(), st.decimals(-50, 1000, places=2), st.decimals(0, 9 * 10**9, places=4))
VISITS = st.one_of(st.none(), st.integers(0, 99))
GENDERS = st.sampled_from(["female", "male", "unknown", None])
AGES = st.sampled_from(["04.entre 31 y 35 años", "08.mayor a 65 años", None])
CARDS = st.sampled_from(["Credit Card", "other", None])
PROVINCES = st.sampled_from(["Chaco", " Salta", None])
STATUSES = st.sampled_from(["investing", "eligible", "banned", None])


def days_before(day: date, *borders: int) -> st.SearchStrategy[date]:
    """Days around a day: mostly at the borders of a window, some after it."""
    numbers = st.one_of(st.sampled_from(borders or BORDERS), st.integers(-45, 130))
    return numbers.map(lambda number: day - timedelta(days=number))


def payments(days: st.SearchStrategy[date], ids: st.SearchStrategy[int] = IDS) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.tuples(ids, days, AMOUNTS, AMOUNTS)


@st.composite
def extracts(draw: st.DrawFn, cutoff: date, customers: int = 5, most: int = 30) -> Extract:
    """Files as ``tests.churn.write_files`` takes them; users may be missing, and be there twice."""
    ids = st.integers(1, customers)
    seen = days_before(cutoff, 0, 1, 29, 30, 31, 60)
    maybe = st.one_of(st.none(), seen)

    def lines(*values: st.SearchStrategy[Any]) -> list[tuple[Any, ...]]:
        return draw(st.lists(st.tuples(ids, *values), max_size=customers + 2))

    return {
        "payments": [
            *draw(st.lists(payments(days_before(cutoff), ids), min_size=1, max_size=most)),
            (1, TODAY - timedelta(days=60), Decimal(1), None),
        ],
        "active_user": lines(maybe, maybe, *[VISITS] * 12),
        "demograficos": lines(GENDERS, AGES, CARDS, PROVINCES),
        "dinero_cuenta": lines(STATUSES, *[AMOUNTS] * 5),
        "marketplace_data": lines(AMOUNTS, maybe, VISITS),
    }


# The oracle ---------------------------------------------------------------------------------------------------------


def last_lines(rows: list[tuple[Any, ...]]) -> dict[int, tuple[Any, ...]]:
    return {row[0]: row[1:] for row in rows}


def months_back(extract_day: date, cutoff: date) -> int:
    """The newest month back that had ended; the first one ends with the extract's own day."""
    month, last_day = 1, extract_day
    while last_day >= cutoff:
        month, last_day = month + 1, last_day - timedelta(days=30)
    return month


def total(values: list[Decimal | None]) -> float:
    return float(sum((value for value in values if value is not None), Decimal(0)))


def number(value: Any, default: float = 0.0) -> float:
    return default if value is None else float(value)


def word(value: str | None) -> str:
    return "unknown" if value is None else value.strip().lower()


def frame_of(extract: Extract, cutoff: date, today: date = TODAY) -> list[dict[str, Any]]:
    """One row per customer who paid in the 90 days before the cutoff, by id; the columns in their order."""

    def known_until(days: list[date | None]) -> date | None:
        return max((day for day in days if day is not None and day <= today), default=None)

    paid_until = known_until([row[1] for row in extract["payments"]])
    logins_until = known_until([day for row in extract["active_user"] for day in row[1:3]])
    market_until = known_until([row[2] for row in extract["marketplace_data"]])
    latest = max(day for day in (paid_until, logins_until, market_until) if day)
    logins_until, market_until = logins_until or latest, market_until or latest
    visits, people = last_lines(extract["active_user"]), last_lines(extract["demograficos"])
    money, market = last_lines(extract["dinero_cuenta"]), last_lines(extract["marketplace_data"])

    def month_of(values: tuple[Any, ...] | None, extract_day: date, back: int) -> float:
        month = months_back(extract_day, cutoff) + back - 1
        return number(values[month - 1]) if values and month <= len(values) else 0.0

    def row(customer: int) -> dict[str, Any]:
        mine = [each for each in cohort if each[0] == customer]

        def within(days: int) -> list[tuple[Any, ...]]:
            return [each for each in mine if each[1] >= cutoff - timedelta(days=days)]

        last = max(each[1] for each in mine)
        logins = [day for day in visits.get(customer, ())[:2] if day and day < cutoff and logins_until < cutoff]
        seen = visits[customer][2:] if customer in visits else ()
        spent, bought, often = market.get(customer, (None,) * 3) if market_until < cutoff else (None,) * 3
        gender, age, card, province = people.get(customer, (None,) * 4)
        values = {
            **{f"spent_{days}d": total([each[2] for each in within(days)]) for days in (7, 30, 90)},
            **{f"payments_{days}d": float(len(within(days))) for days in (7, 30, 90)},
            "total_discount_30d": total([each[3] for each in within(30)]),
            "active_days_60d": float(len({each[1] for each in within(60)})),
            "days_since_activity": float((cutoff - last).days),
            **{f"mau_mp_{back}": month_of(seen[:6], logins_until, back) for back in (1, 2, 3)},
            **{f"mau_ml_{back}": month_of(seen[6:], logins_until, back) for back in (1, 2, 3)},
            **{f"plata_cuenta_{back}": month_of(money.get(customer, ())[1:], latest, back) for back in (1, 2)},
            "spent_ml": number(spent),
            "frequency_ml": number(often),
            "recency_ml_days": float((cutoff - bought).days) if bought and bought < cutoff else 999.0,
            "has_inversion": float(latest < cutoff and money.get(customer, ("",))[0] == "investing"),
            "gender_is_female": float(gender == "female"),
            "gender": word(gender), "rango_edad": word(age), "tarjetas": word(card), "estado": word(province),
        }  # fmt: skip
        features = {feature.name: values[feature.name] for feature in FEATURES}
        assert features.keys() == values.keys()
        login = max(logins, default=None)
        return {"customer_id": customer, **features, "last_payment_date": last, "last_login_date": login}

    cohort = [each for each in extract["payments"] if cutoff - timedelta(days=90) <= each[1] < cutoff]
    return [row(customer) for customer in sorted({each[0] for each in cohort})]
