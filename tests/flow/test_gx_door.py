"""The door to Great Expectations against a database: its metric counts as theirs, its lazy modules stay unused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.engine import Engine

from pipelines.services import expectations, warehouse
from pipelines.services.expectations import patches
from pipelines.services.warehouse import Connection
from tests.helpers import insert_rows, python

TABLE = "staging.key_examples"
KEY = ["number", "word", "day"]


@pytest.fixture
def keys(database: Connection) -> Iterator[Connection]:
    """A database with an empty table of keys."""
    database.execute(f"CREATE TABLE {TABLE} (number int, word text, day date, other int)")
    yield database
    database.execute(f"DROP TABLE {TABLE}")


@pytest.fixture
def validate(keys: Connection) -> Iterator[Callable[..., Any]]:  # noqa: ARG001 - the table is there before
    """Validates the key of the table as it is now."""
    gx = expectations.loaded()
    source = gx.get_context(mode="ephemeral").data_sources.add_sql("keys", connection_string=warehouse.sqlalchemy_url())
    asset = source.add_table_asset("keys", table_name=TABLE.split(".")[1], schema_name=TABLE.split(".")[0])
    batch_definition = asset.add_batch_definition_whole_table("all")

    def validate(result_format: str, **arguments: Any) -> Any:
        expectation = gx.expectations.ExpectCompoundColumnsToBeUnique(column_list=KEY, **arguments)
        result = batch_definition.get_batch().validate(expectation, result_format=result_format)
        assert not result.exception_info.get("raised_exception"), result.exception_info
        return result

    yield validate
    source.get_engine().dispose()


@contextmanager
def metric_of_great_expectations() -> Iterator[None]:
    """Without the patch."""
    from great_expectations.expectations.metrics.multicolumn_map_metrics.compound_columns_unique import (
        CompoundColumnsUnique,
    )
    from great_expectations.expectations.registry import get_sqlalchemy_metric_provider

    CompoundColumnsUnique._register_metric_functions()
    assert get_sqlalchemy_metric_provider(patches.KEY_METRIC)[0] is CompoundColumnsUnique
    try:
        yield
    finally:
        patches.count_rows_by_key()
        assert get_sqlalchemy_metric_provider(patches.KEY_METRIC)[0] is not CompoundColumnsUnique


@contextmanager
def statements() -> Iterator[list[str]]:
    """The SQL that SQLAlchemy executes, in upper case."""
    seen: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement.upper())

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_great_expectations_alone_joins_the_groups_with_the_table_again(validate) -> None:
    with metric_of_great_expectations(), statements() as theirs:
        validate("BOOLEAN_ONLY")
    assert any(TABLE.upper() in statement and "JOIN" in statement for statement in theirs), "remove count_rows_by_key"
    with statements() as ours:
        validate("BOOLEAN_ONLY")
    assert any(TABLE.upper() in statement and "GROUP BY" in statement for statement in ours)
    assert not any(TABLE.upper() in statement and "JOIN" in statement for statement in ours)


PART = [st.none() | st.integers(0, 2), st.none() | st.sampled_from(["", "a"]), st.none() | st.just("2024-02-29")]
ROWS = st.lists(st.tuples(*PART, st.none() | st.integers(0, 1)), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=ROWS,
    ignore=st.sampled_from(["all_values_are_missing", "any_value_is_missing", "never"]),
    is_conditional=st.booleans(),
)
def test_both_metrics_count_the_same_rows(
    keys, validate, rows: list[tuple[Any, ...]], ignore: str, is_conditional: bool
) -> None:
    from great_expectations.expectations.row_conditions import Column

    keys.execute(f"TRUNCATE {TABLE}")
    with keys.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {TABLE} VALUES (%s, %s, %s, %s)", rows)
    arguments = {"ignore_row_if": ignore} | ({"row_condition": Column("other") == 1} if is_conditional else {})
    ours = validate("BASIC", **arguments)
    with metric_of_great_expectations():
        theirs = validate("BASIC", **arguments)
    assert (ours.success, ours.result) == (theirs.success, theirs.result)


VALIDATE = """
import datetime, json, pathlib, sys, tempfile, types
from pipelines.crypto import rules
from pipelines.services import expectations, warehouse
expectations.loaded()
row_rules = rules.raw_rules(datetime.date(2024, 2, 29), ("BRASIL",), ("ETH",))
history, candidate = "bt_crypto_transaction_history", "bt_crypto_events_candidate"
def suite(name, schema, table, of):
    return expectations.Suite(name, schema, table, {rule.reason: rule.expectation() for rule in of})
suites = [
    suite("raw", "raw", history, rules.RAW_TABLE_RULES),
    suite("history", "staging", history, row_rules),
    suite("candidate", "staging", candidate, rules.CANDIDATE_RULES),
]
with tempfile.TemporaryDirectory() as site:
    result = expectations.validate(warehouse.sqlalchemy_url(), suites, pathlib.Path(site), "title")
    pages = sorted(page.name for page in pathlib.Path(site).iterdir())
lazy = [name for name in ("scipy.stats", "altair") if type(sys.modules[name]) is not types.ModuleType]
print(json.dumps([[each.reject_code for each in result.failures], pages, lazy, "pyspark" in sys.modules]))
"""


def test_validation_of_our_suites_and_its_pages_use_no_module_that_was_left_out(database) -> None:
    from tests.helpers import run_stages

    good = ("BRASIL", 1, "1/2/2023", "ETH", "1200", "1.3")
    insert_rows(database, good, (*good[:4], "1", "1"), ("CHILE", 2, "1/2/2023", "ETH", "-1", "1.3"))
    run_stages(["build_events_candidate"])
    done = python("-c", VALIDATE)
    assert done.returncode == 0, done.stderr
    failed, pages, lazy, has_spark = json.loads(done.stdout)
    assert {"site_id_unknown", "purchase_price_negative", "key_conflict"} <= set(failed)
    assert pages == ["candidate.html", "history.html", "raw.html"]
    assert lazy == ["scipy.stats", "altair"]
    assert not has_spark
