"""The page of data quality: gates, rejects by day and reason, rows, and files that no spreadsheet would run."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

import pandas as pd
import psycopg
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import showing
from tests.churn import World
from tests.pages.conftest import enter, opened, ran, words

RUN = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
GOOD = "('BRASIL', {}, '1/2/2023', 'ETH', 1200, 1.3)"
BAD = "('BRASIL', 1000, '31/2/2023', 'ETH', 1, 1), ('CHILE', 1001, '1/2/2023', '=1+1', 1, 1)"


@pytest.fixture(scope="module")
def judged(lived: World) -> Iterator[World]:
    """A crypto run that has set two rows aside, in the same database; for the others it has not been."""
    good = ", ".join(GOOD.format(user) for user in range(40))
    lived.execute(
        "INSERT INTO raw.bt_crypto_transaction_history"
        f" (site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units) VALUES {good}, {BAD}"
    )
    lived.luigi("CryptoMerge", "--date", "2023-02-01", "--on-invalid", "quarantine", MIN_ROWS_PER_DAY="0")
    yield lived
    lived.restore()


@pytest.fixture
def here(judged: World, monkeypatch: pytest.MonkeyPatch) -> World:
    enter(monkeypatch, STATE_DIR=str(judged.state), POSTGRES_DSN=judged.dsn())
    return judged


@pytest.mark.usefixtures("here")
def test_gates_and_rejects_are_those_of_the_database() -> None:
    app = opened("Data quality")
    gates, rejects = (each.value for each in app.dataframe)
    assert gates["outcome"].tolist() == ["passed", "quarantined"]
    assert gates["rejected"].tolist() == ["0", "2"]
    both = {"purchase_date_no_calendar_day", "site_id_unknown crypto_type_unknown"}
    assert {*rejects["reasons"]} == both
    app.selectbox(key="reject_reason").set_value("site_id_unknown")
    ran(app)
    assert app.dataframe[1].value["user_id"].tolist() == [1001]
    assert "python -m pipelines rejects --date 2023-02-01" in words(app)


@pytest.mark.usefixtures("here")
def test_the_data_docs_open_in_the_page() -> None:
    app = opened("Data quality")
    app.selectbox(key="docs").set_value(app.selectbox(key="docs").options[1])
    app.toggle(key="open_docs").set_value(True)
    ran(app)
    tabs = ["What came of it", "suite_raw_history", "suite_raw_table"]
    assert [each.label for each in app.tabs] == tabs
    linked = opened("Data quality", docs=app.selectbox(key="docs").options[1], open_docs="true")
    assert [each.label for each in linked.tabs] == tabs, "as the address says"
    old = opened("Data quality", docs="2020-01-01, suite_raw_history: passed", open_docs="true")
    assert "The Data Docs that the address names are not among those of the last 2 gates." in old.info[0].value


def test_data_docs_that_are_gone_leave_the_rest_of_the_page(here: World) -> None:
    folder = here.state / "data_docs"
    moved = folder.rename(here.state / "elsewhere")
    try:
        app = opened("Data quality")
        app.toggle(key="open_docs").set_value(True)
        ran(app)
        assert "They are gone; they were at" in app.info[0].value
        assert app.selectbox(key="reject_reason")
    finally:
        moved.rename(folder)


def test_a_table_that_is_locked_is_not_waited_for(here: World) -> None:
    with psycopg.connect(here.dsn()) as other:
        other.execute("LOCK TABLE dqm.dq_runs IN ACCESS EXCLUSIVE MODE")
        assert "Somebody has locked a table" in opened("Data quality").warning[0].value


def test_a_price_that_is_no_number_is_downloaded_too(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    monkeypatch.setattr("app.quality.st.download_button", lambda _, make, *__, **___: written.append(make()))
    price = "UPDATE dqm.bt_crypto_events_rejects SET purchase_price = {} WHERE user_id = 1001"
    here.execute(price.format("'NaN'"))
    try:
        opened("Data quality")
    finally:
        here.execute(price.format("1"))
    rows = pd.read_csv(io.BytesIO(written[0])).set_index("user_id")
    assert rows["purchase_price"].isna().to_dict() == {1000: False, 1001: True}


@settings(deadline=None)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=5))
def test_no_text_of_a_download_is_a_formula_and_none_is_lost(values: list[str]) -> None:
    written = showing.spreadsheet(pyarrow.table({"text": values, "number": [-1.5] * len(values)}))
    rows = list(csv.reader(io.StringIO(written.decode(), newline="")))[1:]
    for value, (shown, number) in zip(values, rows, strict=True):
        assert shown.replace("'", "") == value.replace("'", "")
        assert not shown.strip().startswith(RUN)
        assert not shown.startswith(("\t", "\r", "\n"))
        assert number == "-1.5"
    for cell in re.split(r"[;\t\r\n]", written.decode()):  # as where a list is separated by semicolons
        assert not cell.strip().startswith(RUN)


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\n=1", "＝1", '=HYPERLINK("x")'])
def test_what_a_spreadsheet_would_run_is_text(value: str) -> None:
    written = showing.spreadsheet(pyarrow.table({"text": [value]}))
    assert pd.read_csv(io.BytesIO(written))["text"].tolist() == [f"'{value}"]
    written = showing.spreadsheet(pyarrow.table({"text": [f"x;{value}"]}))
    assert pd.read_csv(io.BytesIO(written))["text"].tolist() == [f"x;'{value}"]
