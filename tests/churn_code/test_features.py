"""What is known of a customer before a cutoff is what the features say it is: on DuckDB, and the same on Spark."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.churn import features, synthetic
from pipelines.churn.declaration import FEATURES
from pipelines.core.statements import text
from pipelines.services.artifacts import Place
from tests.churn_code.customers import CUTOFFS, extracts, frame_of
from tests.churn_files import TODAY, clean, clean_place, days_from

CUTOFF = date(2019, 6, 1)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_features_are_what_a_slow_reader_finds(data: st.DataObject) -> None:
    """Every column, from the written files on; a default wherever nothing is known."""
    cutoff = data.draw(CUTOFFS)
    extract = data.draw(extracts(cutoff))
    assert clean(**extract).frame(cutoff).to_pylist() == frame_of(extract, cutoff)


@settings(
    max_examples=2, deadline=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(data=st.data())
def test_spark_and_duckdb_answer_the_same(spark: Any, data: st.DataObject) -> None:  # noqa: ARG001 - it is started
    """A model that was trained on a cluster scores features of a laptop: every digit is the same."""
    cutoff = data.draw(CUTOFFS)
    made = clean(**data.draw(extracts(cutoff, customers=40, most=150)))
    values = features.bound(cutoff, made.tables.known_until)
    active = {"cutoff": cutoff, "until": cutoff + timedelta(days=30)}
    folder = made.tables.folder
    with features.on_duckdb(made.store, folder) as ask:
        expected = [ask(text("churn/features"), values), ask(text("churn/active"), active)]
    with features.on_spark(made.store, folder) as ask:
        found = [ask(text("churn/features"), values), ask(text("churn/active"), active)]
    assert found[0].to_pylist() == made.frame(cutoff).to_pylist()
    for ours, theirs in zip(expected, found, strict=True):
        assert theirs.schema.names == ours.schema.names
        assert theirs.schema.types == ours.schema.types
        assert theirs.to_pydict() == ours.to_pydict()


@pytest.mark.parametrize("cutoff", [CUTOFF, date(2019, 5, 2), date(2019, 2, 3)])
def test_spark_and_duckdb_answer_the_same_where_every_feature_tells_something(
    spark: Any,  # noqa: ARG001 - it is started
    cutoff: date,
    tmp_path: Path,
) -> None:
    """Also of months: those of an extract made after the cutoff are looked up further back."""
    synthetic.generate(tmp_path / "files", 300)
    made = clean_place(Place(str(tmp_path / "files")), tmp_path / "store")
    with features.on_spark(made.store, made.tables.folder) as ask:
        found = ask(text("churn/features"), features.bound(cutoff, made.tables.known_until))
    expected = made.frame(cutoff)
    assert found.to_pydict() == expected.to_pydict()
    if cutoff == CUTOFF:
        assert [name for name in expected.column_names if len(set(expected[name].to_pylist())) < 2] == []


# Borders, by hand ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "payments_7d", "payments_30d", "active_days_60d"),
    [(1, 1, 1, 1), (7, 1, 1, 1), (8, 0, 1, 1), (30, 0, 1, 1), (31, 0, 0, 1), (60, 0, 0, 1), (61, 0, 0, 0),
     (90, 0, 0, 0)],
)  # fmt: skip
def test_a_window_ends_with_the_day_before_the_cutoff(
    days: int, payments_7d: int, payments_30d: int, active_days_60d: int
) -> None:
    made = clean(payments=[(1, CUTOFF - timedelta(days=days), 5, 2)])
    (row,) = made.frame(CUTOFF).to_pylist()
    found = (row["payments_7d"], row["payments_30d"], row["payments_90d"], row["active_days_60d"])
    assert found == (payments_7d, payments_30d, 1, active_days_60d)
    assert (row["spent_7d"], row["spent_30d"], row["spent_90d"]) == (5 * payments_7d, 5 * payments_30d, 5)
    assert (row["total_discount_30d"], row["days_since_activity"]) == (2 * payments_30d, days)


@pytest.mark.parametrize("days", [0, -1, 91])
def test_who_did_not_pay_in_the_90_days_before_is_not_of_the_cohort(days: int) -> None:
    made = clean(payments=[(1, CUTOFF - timedelta(days=days), 5, ""), (2, CUTOFF - timedelta(days=1), 5, "")])
    assert made.frame(CUTOFF)["customer_id"].to_pylist() == [2]


def test_several_payments_of_a_day_are_one_active_day() -> None:
    made = clean(payments=[(1, CUTOFF - timedelta(days=day), 5, "") for day in (1, 1, 1, 59, 60, 61)])
    (row,) = made.frame(CUTOFF).to_pylist()
    assert (row["payments_90d"], row["active_days_60d"]) == (6, 3)


def test_a_payer_of_whom_no_other_file_knows_has_the_defaults() -> None:
    others = {table: [] for table in ("active_user", "demograficos", "dinero_cuenta", "marketplace_data")}
    made = clean(payments=[(7, CUTOFF - timedelta(days=3), "", "")], **others)
    (row,) = made.frame(CUTOFF).to_pylist()
    known = {"payments_7d": 1, "payments_30d": 1, "payments_90d": 1, "active_days_60d": 1, "days_since_activity": 3}
    assert row == {
        "customer_id": 7, **{feature.name: known.get(feature.name, feature.default) for feature in FEATURES},
        "last_payment_date": CUTOFF - timedelta(days=3), "last_login_date": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("extract_day", "first"),
    [(CUTOFF - timedelta(days=40), 1), (CUTOFF - timedelta(days=1), 1), (CUTOFF, 2), (CUTOFF + timedelta(days=28), 2),
     (CUTOFF + timedelta(days=29), 2), (CUTOFF + timedelta(days=30), 3), (CUTOFF + timedelta(days=60), 4),
     (CUTOFF + timedelta(days=90), 5), (CUTOFF + timedelta(days=150), 7), (CUTOFF + timedelta(days=5000), 168)],
)  # fmt: skip
def test_a_month_counts_once_it_has_ended(extract_day: date, first: int) -> None:
    """The first month of an extract made later tells of days after the cutoff: the ones before it are looked at."""
    made = clean(
        today=date(2040, 12, 31),
        payments=[(1, CUTOFF - timedelta(days=1), 5, "")],
        active_user=[(1, extract_day, "", *range(1, 7), *range(11, 17))],
        dinero_cuenta=[(1, "investing", 1, 2, 3, 4, 5)],
        marketplace_data=[],
    )
    (row,) = made.frame(CUTOFF).to_pylist()
    wanted = [
        above + month if month <= told else 0
        for above, told, months in ((0, 6, 3), (10, 6, 3), (0, 5, 2)) for month in range(first, first + months)
    ]  # fmt: skip
    names = ("mau_mp_1", "mau_mp_2", "mau_mp_3", "mau_ml_1", "mau_ml_2", "mau_ml_3", "plata_cuenta_1", "plata_cuenta_2")
    assert [row[name] for name in names] == wanted
    known = extract_day < CUTOFF
    assert (row["has_inversion"], row["last_login_date"]) == (float(known), extract_day if known else None)


def test_sums_do_not_depend_on_the_order_of_the_lines() -> None:
    amounts = ["0.1", "0.2", "0.3", "1e13", "0.7", "-10000000000000", "0.0001"] * 3
    rows = [(1, day, amount, amount) for day, amount in zip(days_from(CUTOFF, *[-2] * 21), amounts, strict=True)]
    frames = [clean(payments=order).frame(CUTOFF).to_pylist() for order in (rows, rows[::-1], sorted(rows))]
    assert frames[0] == frames[1] == frames[2]
    assert frames[0][0]["spent_7d"] == float(3 * Decimal("1.3001"))


# Any snapshot date --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cutoff", [date(1000, 1, 1), date(2019, 1, 1), TODAY, date(2030, 1, 1), date(9999, 12, 31)])
def test_there_is_a_frame_for_any_day(cutoff: date) -> None:
    """Before the payments begin and long after they end it has no customer; its columns are the same."""
    made = clean()
    frame = made.frame(cutoff)
    assert frame.num_rows == (1 if cutoff == TODAY else 0)
    assert frame.schema.types == made.frame(CUTOFF).schema.types
    assert frame.column_names == [
        "customer_id", *(feature.name for feature in FEATURES), "last_payment_date", "last_login_date",
    ]  # fmt: skip
    words = {feature.name for feature in FEATURES if feature.is_category}
    for feature in FEATURES:
        wanted = pyarrow.string() if feature.name in words else pyarrow.float64()
        assert frame.schema.field(feature.name).type == wanted


def test_a_frame_is_computed_once() -> None:
    made = clean()
    name = made.frame_file(CUTOFF)
    version = made.store.version(name)
    assert made.frame_file(CUTOFF) == name
    assert made.store.version(name) == version
    assert features.frame(made.store, made.tables, "other code", CUTOFF) != name
