"""A feature is declared once: the SQL, the table and the lists of columns agree with the declaration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

import pytest
import sqlglot

from pipelines.churn import features, weekly
from pipelines.churn.declaration import CATEGORIES, FEATURES, NUMERIC
from pipelines.churn.results import WeeklyFeatures
from pipelines.core.statements import text
from pipelines.services.warehouse import Connection
from tests.churn_files import clean

NAMES = [feature.name for feature in FEATURES]
SNAPSHOT = date(2019, 6, 1)


@pytest.fixture
def tx(server: Connection) -> Iterator[Connection]:
    """A transaction of which nothing stays."""
    with server.transaction(force_rollback=True):
        yield server


def test_names_are_unique_and_numbers_come_before_words() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert [*NUMERIC, *CATEGORIES] == NAMES
    assert all(feature.label for feature in FEATURES)


def test_the_sql_computes_the_declared_features_in_their_order() -> None:
    query = sqlglot.parse_one(text("churn/features"), read="duckdb")
    assert query.named_selects == ["customer_id", *NAMES, "last_payment_date", "last_login_date"]


def test_the_table_has_a_column_for_each_feature_of_its_type(tx: Connection) -> None:
    rows = tx.execute(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns"
        " WHERE table_schema = 'features' AND table_name = 'churn_weekly_features'"
    ).fetchall()
    columns = {row["column_name"]: (row["data_type"], row["is_nullable"]) for row in rows}
    assert columns.keys() == {
        "customer_id", "snapshot_date", *NAMES, "last_payment_date", "last_login_date", "labeled_churn", "created_at",
    }  # fmt: skip
    for feature in FEATURES:
        assert columns[feature.name] == ("text" if feature.is_category else "double precision", "NO")


def test_features_are_copied_in_the_order_of_the_declaration() -> None:
    (columns,) = re.findall(r"\((.*?)\) FROM STDIN", text("churn/copy_features"), re.DOTALL)
    wanted = ["customer_id", "snapshot_date", *NAMES, "last_payment_date", "last_login_date", "labeled_churn"]
    assert re.findall(r"\w+", columns) == wanted


def test_features_are_read_in_the_order_of_the_declaration() -> None:
    (columns,) = re.findall(r"SELECT (.*?),\s+left\(", text("churn/read_features"), re.DOTALL)
    assert re.findall(r"\w+", columns) == ["customer_id", "snapshot_date", *NAMES, "labeled_churn"]


def test_what_is_loaded_is_what_is_read_back(tx: Connection) -> None:
    """Every feature arrives in its own column: each has a value of its own here, quotes and all."""
    made = clean(
        payments=[
            (1, "2019-05-30", 1.25, 7), (1, "2019-05-20", 2, 8), (1, "2019-03-20", 4.5, 9), (2, "2019-05-05", 1, ""),
        ],
        active_user=[(1, "2019-05-28", "", *range(11, 17), *range(21, 27))],
        demograficos=[(1, "female", 33, 'Credit, "gold"', "Córdoba\\N")],
        dinero_cuenta=[(1, "investing", 31, 32, "", "", "")],
        marketplace_data=[(1, 41, "2019-05-01", 42)],
    )  # fmt: skip
    frame = made.frame(SNAPSHOT)
    built = weekly.build(tx, made.store, made.tables, "v", SNAPSHOT)
    assert built == WeeklyFeatures((SNAPSHOT,), rows=2, labelled=0, churned=0)
    rows = weekly.read(tx, [SNAPSHOT])
    assert list(rows.columns) == ["customer_id", "snapshot_date", *NAMES, "labeled_churn", "holdout"]
    assert rows[["customer_id", *NAMES]].to_dict("list") == frame.select(["customer_id", *NAMES]).to_pydict()
    assert weekly.build(tx, made.store, made.tables, "v", SNAPSHOT) == built  # replaced, not doubled
    assert len(weekly.read(tx, [SNAPSHOT])) == 2


def test_a_week_without_customers_is_refused_and_leaves_the_table_alone(tx: Connection) -> None:
    made = clean()
    weekly.build(tx, made.store, made.tables, "v", SNAPSHOT)
    with pytest.raises(features.NoCohort, match="Nobody paid in the 90 days before 2018-01-01"):
        weekly.build(tx, made.store, made.tables, "v", date(2018, 1, 1))
    assert weekly.are_there(tx, [SNAPSHOT])
    assert not weekly.are_there(tx, [SNAPSHOT, date(2018, 1, 1)])
