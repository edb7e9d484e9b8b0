"""Every rule, just inside and just outside: what Great Expectations says of the table, the SQL says of the row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import localcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from pipelines.core.errors import GateFailed
from pipelines.crypto import rules
from pipelines.services import expectations, warehouse
from pipelines.services.settings import Settings
from pipelines.services.warehouse import Connection
from tests.helpers import (
    COLUMNS,
    HISTORY,
    count,
    insert_rows,
    reasons_by_row,
    rows_of,
    run_flow,
    run_stages,
    set_settings,
)  # fmt: skip

TODAY = date(2024, 2, 29)
RAW_GATE = ["build_events_candidate", "ge_validate_raw"]
STAGED_WHERE = sql.SQL("SELECT ingest_id FROM staging.bt_crypto_transaction_history WHERE ")
POLICIES = pytest.mark.parametrize("on_invalid", ["halt", "quarantine"])


@pytest.fixture(autouse=True)
def clock(monkeypatch) -> None:
    """It is always the last day of February 2024."""
    monkeypatch.setattr(Settings, "today", lambda _: TODAY)


class Users:
    """A user per row, so that rows do not share keys by accident."""

    def __init__(self) -> None:
        self.last = 200_000

    def row(self, **differs: Any) -> tuple[Any, ...]:
        self.last += 1
        good = dict(zip(COLUMNS, ("BRASIL", self.last, "29/2/2024", "ETH", "1200", "1.3"), strict=True))
        return tuple((good | differs).values())


def outside(column: str, values: list[Any], *reasons: str) -> list[tuple[dict[str, Any], set[str]]]:
    return [({column: value}, set(reasons)) for value in values]


INSIDE: list[dict[str, Any]] = [
    {},
    *({"site_id": value} for value in ("ARGENTINA", "BRASIL", "MEXICO")),
    *({"user_id": value} for value in (0, -1, 2**63 - 1, -(2**63))),
    *({"purchase_date": value} for value in ("29/02/2024", "25/2/2024", "28/02/2024")),
    *({"crypto_type": value} for value in ("BTC", "ETH", "USDC")),
    *({"purchase_price": value} for value in ("0", "-0", "0.0001", "-0.00004", "99999999999999.9999")),
    *({"purchase_units": value} for value in ("0.00000001", "0.000000005", "9999999999.99999999")),
    {"purchase_price": "99999999999999.9999", "purchase_units": "9999999999.99999999"},
]

NO_DATE_OF_THE_FORMAT = [
    "2026-02-01", " 1/2/2023", "1/2/2023 ", "1/2/2023\n", "\n1/2/2023", "1/2/23", "1-2-2023", "001/2/2023",
    "1/002/2023", "1/2/02023", "1//2023", "/2/2023", "1/2/", "1/2/2023/", "-1/2/2023", "1/2/2023 00:00:00",
    "", " ", "tomorrow", "١/2/2023", "1/2/20x3", "1.0/2/2023",
]  # fmt: skip
NO_DAY = [
    None, "29/02/2023", "29/2/1900", "30/2/2024", "31/02/2026", "00/01/2023", "1/1/0000", "29/2/0000", "31/4/2024",
    "31/6/2024", "31/9/2024", "31/11/2024", "32/1/2024", "1/13/2024", "1/0/2024", "0/0/0000", "99/99/9999",
]  # fmt: skip
OUTSIDE: list[tuple[dict[str, Any], set[str]]] = [
    *outside("site_id", [None], "site_id_missing"),
    *outside("site_id", ["CHILE", "brasil", " BRASIL", "BRASIL ", "", "BRASIL,MEXICO", "BRASIL\n"], "site_id_unknown"),
    *outside("user_id", [None], "user_id_missing"),
    *outside("purchase_date", NO_DATE_OF_THE_FORMAT, "purchase_date_format", "purchase_date_no_calendar_day"),
    *outside("purchase_date", NO_DAY, "purchase_date_no_calendar_day"),
    *outside("purchase_date", ["1/3/2024", "01/03/2024", "31/12/9999"], "purchase_date_future"),
    *outside("crypto_type", [None], "crypto_type_missing"),
    *outside("crypto_type", ["DOGE", "eth", "ETH ", "BTC/ETH", ""], "crypto_type_unknown"),
    *outside("purchase_price", [None], "purchase_price_missing"),
    *outside("purchase_price", ["-0.0001", "-1", "-99999999999999.9999", "NaN"], "purchase_price_negative"),
    *outside("purchase_units", [None], "purchase_units_missing"),
    *outside("purchase_units", ["0", "-0", "-0.00000001", "0.000000004", "-1", "NaN"], "purchase_units_not_positive"),
    # Every reason that applies, not only the first.
    (
        dict.fromkeys(COLUMNS),
        {"site_id_missing", "user_id_missing", "purchase_date_no_calendar_day", "crypto_type_missing",
         "purchase_price_missing", "purchase_units_missing"},
    ),
    (
        {"site_id": "CHILE", "user_id": None, "purchase_date": "soon", "crypto_type": "DOGE", "purchase_price": "-1",
         "purchase_units": "0"},
        {"site_id_unknown", "user_id_missing", "purchase_date_format", "purchase_date_no_calendar_day",
         "crypto_type_unknown", "purchase_price_negative", "purchase_units_not_positive"},
    ),
    (
        {"purchase_date": "1/1/2999", "purchase_price": "NaN", "purchase_units": None},
        {"purchase_date_future", "purchase_price_negative", "purchase_units_missing"},
    ),
    # Rows of one key that differ: all of them, whatever else is wrong with one.
    ({"user_id": 1}, {"key_conflict"}),
    ({"user_id": 1, "purchase_price": "1201"}, {"key_conflict"}),
    ({"user_id": 2}, {"key_conflict"}),
    ({"user_id": 2, "purchase_units": "1.4", "purchase_date": "29/02/2024"}, {"key_conflict"}),
    ({"user_id": 3}, {"key_conflict"}),
    ({"user_id": 3}, {"key_conflict"}),
    ({"user_id": 3, "purchase_price": "-1"}, {"key_conflict", "purchase_price_negative"}),
    ({"user_id": 4}, {"key_conflict"}),
    ({"user_id": 4, "purchase_price": None}, {"key_conflict", "purchase_price_missing"}),
    # Without a whole key there is nothing to share.
    ({"user_id": None, "purchase_price": "7"}, {"user_id_missing"}),
]  # fmt: skip


def insert_cases(database: Connection) -> tuple[list[int], dict[int, set[str]]]:
    """Put all cases into raw history: the ids of those inside, and the reasons by id of those outside."""
    users = Users()
    inside = insert_rows(database, *(users.row(**differs) for differs in INSIDE))
    ids = insert_rows(database, *(users.row(**differs) for differs, _ in OUTSIDE))
    return inside, {row: reasons for row, (_, reasons) in zip(ids, OUTSIDE, strict=True)}


def all_rules() -> tuple[rules.Rule, ...]:
    return rules.raw_rules(TODAY, ("ARGENTINA", "BRASIL", "MEXICO"), ("BTC", "ETH", "USDC")) + rules.CANDIDATE_RULES


# The rules --------------------------------------------------------------------------------------------------------


def test_there_is_a_case_outside_of_every_rule_that_names_rows() -> None:
    named = {rule.reason for rule in all_rules() if rule.broken() is not None}
    assert set().union(*(reasons for _, reasons in OUTSIDE)) == named


@POLICIES
def test_rows_just_inside_reach_production(database, on_invalid: str) -> None:
    users = Users()
    insert_rows(database, *(users.row(**differs) for differs in INSIDE))
    told = run_flow(TODAY, on_invalid=on_invalid)
    assert (told["valid"], told["inserted"], told["rejected"]) == (len(INSIDE), len(INSIDE), 0)
    assert count(database, "dqm.bt_crypto_events_rejects") == 0
    events = rows_of(database, "prod.bt_crypto_events")
    with localcontext(prec=60):
        assert all(row["purchase_value"] == round(row["purchase_price"] * row["purchase_units"], 8) for row in events)


def test_rows_just_outside_halt_with_every_reason_that_applies(database) -> None:
    _, expected = insert_cases(database)
    with pytest.raises(GateFailed) as refusal:
        run_flow(TODAY)
    assert reasons_by_row(database) == expected
    assert count(database, "prod.bt_crypto_events") == 0
    for rule in all_rules():
        rows = sum(rule.reason in reasons for reasons in expected.values())
        assert (f"{rule.reason}: {rows:,} rows" in str(refusal.value)) == (rows > 0)
    (run,) = rows_of(database, "dqm.dq_runs")
    assert (run["outcome"], run["rows_judged"], run["rows_rejected"]) == (
        "halted", len(INSIDE) + len(OUTSIDE), len(OUTSIDE)
    )  # fmt: skip


def test_quarantine_sets_exactly_those_rows_aside(database, monkeypatch) -> None:
    set_settings(monkeypatch, MAX_REJECT_SHARE="0.99")
    _, expected = insert_cases(database)
    told = run_flow(TODAY, on_invalid="quarantine")
    assert reasons_by_row(database) == expected
    assert (told["rejected"], told["valid"]) == (len(OUTSIDE), len(INSIDE))
    assert count(database, "prod.bt_crypto_events WHERE is_active") == len(INSIDE)


def test_rejects_hold_the_rows_own_values(database) -> None:
    insert_cases(database)
    with pytest.raises(GateFailed):
        run_flow(TODAY)
    columns = f"ingest_id, {', '.join(COLUMNS)}"
    rejected = [str(tuple(row.values())) for row in rows_of(database, "dqm.bt_crypto_events_rejects", columns)]
    given_rows = {str(tuple(row.values())) for row in rows_of(database, HISTORY, columns)}  # NaN equals NaN as text
    assert len(rejected) == len(OUTSIDE)
    assert set(rejected) <= given_rows


def test_great_expectations_and_sql_agree_on_every_row(database) -> None:
    insert_cases(database)
    run_stages(["build_events_candidate"], TODAY)
    sql_says = {}
    for rule in all_rules()[:-1]:
        if (broken := rule.broken()) is not None:
            found = database.execute(STAGED_WHERE + broken, rule.values()).fetchall()
            sql_says[rule.reason] = sorted(row["ingest_id"] for row in found)
    assert gx_rows(list(sql_says)) == sql_says


def gx_rows(reasons: list[str]) -> dict[str, list[int]]:
    """Which rows of staging Great Expectations itself finds unexpected, by rule."""
    gx = expectations.loaded()
    source = gx.get_context(mode="ephemeral").data_sources.add_sql("rows", connection_string=warehouse.sqlalchemy_url())
    asset = source.add_table_asset("rows", table_name="bt_crypto_transaction_history", schema_name="staging")
    batch = asset.add_batch_definition_whole_table("all").get_batch()
    asked = {
        "result_format": "COMPLETE", "unexpected_index_column_names": ["ingest_id"], "partial_unexpected_count": 10_000,
        "exclude_unexpected_values": True,
    }  # fmt: skip
    found = {}
    for rule in all_rules():
        if rule.reason in reasons:
            answer = batch.validate(rule.expectation(), result_format=asked)
            assert not answer.exception_info.get("raised_exception"), answer.exception_info
            rows = answer.result["unexpected_index_list"] or []
            assert answer.success == (not rows)
            found[rule.reason] = sorted(rows[0]["ingest_id"]) if rows else []
    source.get_engine().dispose()
    return found


FIRST_OF_EACH = [
    (differs, reasons)
    for position, (differs, reasons) in enumerate(OUTSIDE)
    if len(reasons) == 1 and reasons != {"key_conflict"} and reasons not in [known for _, known in OUTSIDE[:position]]
]
NOT_A_NUMBER = [(differs, reasons) for differs, reasons in OUTSIDE if [*differs.values()] == ["NaN"]]


@pytest.mark.parametrize(("differs", "reasons"), FIRST_OF_EACH + NOT_A_NUMBER, ids=str)
def test_one_bad_row_is_enough_for_the_gate_and_it_names_that_rule_alone(
    database, differs: dict[str, Any], reasons: set[str]
) -> None:
    users = Users()
    insert_rows(database, *(users.row() for _ in range(20)), users.row(**differs))
    with pytest.raises(GateFailed) as refusal:
        run_stages(RAW_GATE, TODAY)
    told = {rule.reason for rule in all_rules() if re.search(rf"\b{rule.reason}\b", str(refusal.value))}
    assert told == reasons
    assert list(reasons_by_row(database).values()) == [reasons]


def test_a_key_conflict_alone_is_found_by_the_second_suite(database) -> None:
    users = Users()
    good = insert_rows(database, users.row(), users.row())
    conflict = insert_rows(database, users.row(user_id=1), users.row(user_id=1, purchase_units="1.4"))
    with pytest.raises(GateFailed, match=r"suite_staging_candidate(.|\n)*key_conflict: 2 rows"):
        run_flow(TODAY)
    assert reasons_by_row(database) == {row: {"key_conflict"} for row in conflict}
    assert count(database, "prod.bt_crypto_events") == 0
    assert good


def test_exact_redeliveries_collapse_however_their_date_is_written(database) -> None:
    users = Users()
    insert_rows(
        database, *(users.row(user_id=1, purchase_date=day) for day in ("29/2/2024", "29/02/2024", "29/2/2024"))
    )
    insert_rows(database, users.row(user_id=1, purchase_price="1200.00004"))  # the same, as NUMERIC(18,4) has it
    told = run_flow(TODAY)
    assert (told["read"], told["redelivered"], told["inserted"]) == (4, 3, 1)


# What a run judges ------------------------------------------------------------------------------------------------


def test_a_run_judges_its_window_and_what_has_no_day_that_has_come(database) -> None:
    users = Users()
    rows = {
        day: insert_rows(database, users.row(purchase_date=day, site_id="CHILE"))[0]
        for day in ("22/2/2024", "23/2/2024", "27/2/2024", "28/2/2024", "29/2/2024", "1/3/2024", "soon", None)
    }
    with pytest.raises(GateFailed):
        run_flow(date(2024, 2, 27))
    assert set(reasons_by_row(database)) == {rows[day] for day in ("23/2/2024", "27/2/2024", "1/3/2024", "soon", None)}


def test_a_date_to_come_reaches_rows_of_days_to_come_and_finds_them_bad(database) -> None:
    users = Users()
    _, tomorrow, later = insert_rows(database, *(users.row(purchase_date=f"{d}/2024") for d in ("29/2", "1/3", "9/3")))
    with pytest.raises(GateFailed):
        run_flow(date(2024, 3, 1))
    assert reasons_by_row(database) == {tomorrow: {"purchase_date_future"}, later: {"purchase_date_future"}}


def test_names_come_from_the_settings(database, monkeypatch) -> None:
    set_settings(monkeypatch, CRYPTO_SITES="CHILE", CRYPTO_TYPES="DOGE")
    users = Users()
    bad, _ = insert_rows(database, users.row(), users.row(site_id="CHILE", crypto_type="DOGE"))
    with pytest.raises(GateFailed):
        run_flow(TODAY)
    assert reasons_by_row(database) == {bad: {"site_id_unknown", "crypto_type_unknown"}}


# Dates ------------------------------------------------------------------------------------------------------------

PART = st.integers(0, 40).map(str) | st.from_regex(r"[0-9]{0,3}", fullmatch=True)
YEAR = st.integers(0, 9999).map("{:04}".format) | st.sampled_from(["1900", "2000", "2024", "2100", "0000", "0001"])
DATE_TEXT = st.one_of(
    st.builds("{}/{}/{}".format, PART, PART, YEAR),
    st.dates().map(lambda day: f"{day.day}/{day.month}/{day.year:04}"),
    st.builds("{}/{}/{}".format, st.sampled_from(["28", "29", "30", "31"]), st.integers(1, 13), YEAR),
    st.builds("{}{}{}/{}/{}".format, st.sampled_from([" ", "\n", "-", ""]), PART, PART, PART, YEAR),
    st.dates().map(str),
    st.text(st.sampled_from("0123456789/ -\n٣"), max_size=12),
)


def plain_day(text: str) -> date | None:
    if not re.fullmatch("[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}", text):
        return None
    day, month, year = map(int, text.split("/"))
    try:
        return date(year, month, day)
    except ValueError:
        return None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(DATE_TEXT, min_size=1, max_size=40))
def test_the_database_reads_dates_as_the_calendar_does(database, texts: list[str]) -> None:
    read = database.execute("SELECT raw.parse_day(text) AS day FROM unnest(%s::text[]) AS text", [texts])
    assert [row["day"] for row in read] == [plain_day(text) for text in texts]


# The raw table itself, and rules from the gallery -----------------------------------------------------------------


@contextmanager
def altered(database: Connection, change: str, back: str) -> Iterator[None]:
    database.execute(f"ALTER TABLE {HISTORY} {change}")
    try:
        yield
    finally:
        database.execute(f"TRUNCATE {HISTORY}")
        database.execute(f"ALTER TABLE {HISTORY} {back}")


@pytest.mark.parametrize(
    ("change", "back", "rule", "on_invalid"),
    [
        ("ADD COLUMN fee numeric", "DROP COLUMN fee", "raw_columns", "halt"),
        ("ADD COLUMN fee numeric", "DROP COLUMN fee", "raw_columns", "quarantine"),
        ("RENAME COLUMN site_id TO site", "RENAME COLUMN site TO site_id", "raw_columns", "halt"),
        ("RENAME COLUMN purchase_units TO units", "RENAME COLUMN units TO purchase_units", "raw_columns", "quarantine"),
        ("RENAME COLUMN inserted_at TO loaded_at", "RENAME COLUMN loaded_at TO inserted_at", "raw_columns", "halt"),
        ("ALTER COLUMN user_id TYPE integer", "ALTER COLUMN user_id TYPE bigint", "user_id_type", "quarantine"),
        ("ALTER COLUMN user_id TYPE text", "ALTER COLUMN user_id TYPE bigint USING 0", "user_id_type", "halt"),
    ],
)
def test_a_raw_table_of_another_shape_halts(database, change: str, back: str, rule: str, on_invalid: str) -> None:
    insert_rows(database, Users().row())
    with altered(database, change, back):
        with pytest.raises(GateFailed, match=rule):
            run_flow(TODAY, on_invalid=on_invalid)
        assert count(database, "prod.bt_crypto_events") == 0


@pytest.mark.parametrize("column", ["site_id", "crypto_type", "purchase_day"])
def test_a_renamed_column_is_told_even_where_history_would_be_generated(database, monkeypatch, column: str) -> None:
    set_settings(monkeypatch, MIN_ROWS_PER_DAY=10)
    with (
        altered(database, f"RENAME COLUMN {column} TO other", f"RENAME COLUMN other TO {column}"),
        pytest.raises(GateFailed, match=rf"raw_columns(.|\n)*{column}"),
    ):
        run_flow(TODAY)


GALLERY = {
    "column": rules.FromGallery(
        "purchase_price", "price_is_believable", "ExpectColumnMaxToBeBetween", (("max_value", 1000),)
    ),
    "rows": rules.FromGallery(
        "crypto_type", "names_are_long", "ExpectColumnValueLengthsToBeBetween", (("min_value", 9),)
    ),
    "table": rules.FromGallery("", "enough_rows", "ExpectTableRowCountToBeBetween", (("min_value", 100),)),
    "cannot be asked": rules.FromGallery("no_such_column", "of_nothing", "ExpectColumnValuesToNotBeNull"),
}


@pytest.mark.parametrize(
    ("kind", "on_invalid"),
    [("column", "halt"), ("column", "quarantine"), ("rows", "quarantine"), ("table", "quarantine"),
     ("cannot be asked", "quarantine")],
)  # fmt: skip
def test_an_expectation_from_the_gallery_gates_the_load(database, monkeypatch, kind: str, on_invalid: str) -> None:
    monkeypatch.setattr(rules, "CANDIDATE_RULES", (*rules.CANDIDATE_RULES, rule := GALLERY[kind]))
    insert_rows(database, Users().row())
    said = "could not be asked" if kind == "cannot be asked" else "does not hold"
    with pytest.raises(GateFailed, match=f"{rule.reason} {said}"):
        run_flow(TODAY, on_invalid=on_invalid)
    assert count(database, "prod.bt_crypto_events") == 0
    run = rows_of(database, "dqm.dq_runs", order="dq_run_id")[-1]
    assert (run["suite_name"], run["outcome"]) == ("suite_staging_candidate", "halted")


@POLICIES
def test_an_expectation_from_the_gallery_gates_raw_history_too(database, monkeypatch, on_invalid: str) -> None:
    plain = rules.raw_rules
    monkeypatch.setattr(rules, "raw_rules", lambda *known: (*plain(*known), GALLERY["rows"]))
    insert_rows(database, Users().row())
    with pytest.raises(GateFailed, match=r"suite_raw_history(.|\n)*names_are_long does not hold"):
        run_flow(TODAY, on_invalid=on_invalid)
    assert count(database, "prod.bt_crypto_events") == 0


def test_an_expectation_from_the_gallery_that_holds_lets_the_load_pass(database, monkeypatch) -> None:
    rule = rules.FromGallery("purchase_price", "cheap", "ExpectColumnMaxToBeBetween", (("max_value", 10_000),))
    monkeypatch.setattr(rules, "CANDIDATE_RULES", (*rules.CANDIDATE_RULES, rule))
    insert_rows(database, Users().row())
    assert run_flow(TODAY)["inserted"] == 1


# Data Docs --------------------------------------------------------------------------------------------------------


HOSTILE = [
    "https://evil.example/x", "HTTP://EVIL.EXAMPLE/", "url(http://evil.example)",
    "<script src=//evil.example/y></script>", "<script>alert(1)</script>",
    '<img src="http://evil.example/z">', "<img src=x onerror=alert(1)>", "<b onclick=alert(1)>",
    "<a href=javascript:alert(1)>", "<iframe src=//evil.example>", "<object data=//evil.example>",
]  # fmt: skip
LIVE = re.compile(r"""<(script|iframe|object|img)\b|<[^>]*\son[a-z]+\s*=|(src|href|data)\s*=\s*["']?(//|javascript:)""")


def pages_of(database: Connection) -> dict[Path, str]:
    """The text of every file of the last gate's Data Docs."""
    docs = Path(rows_of(database, "dqm.dq_runs", order="dq_run_id")[-1]["docs_path"])
    assert (docs / "index.html").is_file()
    return {page: page.read_text(encoding="utf-8") for page in docs.rglob("*") if page.is_file()}


def test_data_docs_name_what_failed_and_neither_the_server_nor_its_password(database, monkeypatch, state: Path) -> None:
    users = Users()
    insert_rows(database, users.row(), users.row(site_id="CHILE"))
    if "postgres:@" in (where := warehouse.dsn()):  # the embedded server asks for no password: any will do
        where = where.replace("postgres:@", "postgres:s3cret-pa55@")
        set_settings(monkeypatch, POSTGRES_DSN=where)
    password = str(warehouse.conninfo.conninfo_to_dict(where)["password"])
    with pytest.raises(GateFailed) as refusal:
        run_flow(TODAY)
    pages = pages_of(database)
    (index,) = (page for page in pages if page.name == "index.html")
    assert index.is_relative_to(state)
    assert str(index) in str(refusal.value)
    assert "site_id_unknown" in pages[index]
    assert any(page.name == "suite_raw_history.html" and "CHILE" in text for page, text in pages.items())
    for page, text in [*pages.items(), (index, str(refusal.value))]:
        for secret in (where, warehouse.sqlalchemy_url(), password, "postgresql:", "postgresql+psycopg"):
            assert secret not in text, page


@pytest.mark.parametrize("on_invalid", ["halt", "quarantine"])
def test_data_docs_need_no_other_host(database, monkeypatch, on_invalid: str) -> None:
    set_settings(monkeypatch, MAX_REJECT_SHARE="0.99")
    users = Users()
    insert_rows(database, users.row(), *(users.row(site_id=name, crypto_type=name) for name in HOSTILE))
    if on_invalid == "halt":
        with pytest.raises(GateFailed):
            run_flow(TODAY)
    else:
        run_flow(TODAY, on_invalid=on_invalid)
    for page, text in pages_of(database).items():
        assert not re.search(r"https?://", text, re.IGNORECASE), page
        assert "@import" not in text, page
        assert page.suffix in (".html", ".css"), page


def test_rows_cannot_put_anything_live_into_data_docs(database) -> None:
    users = Users()
    insert_rows(database, users.row(), *(users.row(site_id=name, crypto_type=name) for name in HOSTILE))
    with pytest.raises(GateFailed):
        run_flow(TODAY)
    for page, text in pages_of(database).items():
        head = text.partition("<body")[0]
        forbidden = re.search(r"""http-equiv="Content-Security-Policy"\s+content="default-src 'none';""", head)
        assert forbidden or not (found := LIVE.search(text)), f"{page}: {found}"


def test_pages_of_data_docs_tell_the_time_of_the_projects_zone(database) -> None:
    insert_rows(database, Users().row())
    run_flow(TODAY)
    for page, text in pages_of(database).items():
        assert not re.search(r"\d{2}:\d{2}(:\d{2})?(\.\d+)?(Z| UTC)", text), page
        assert page.name == "index.html" or re.search(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d -03", text), page


def test_pages_of_data_docs_link_to_pages_that_are_there(database) -> None:
    insert_rows(database, Users().row())
    run_flow(TODAY)
    for run in rows_of(database, "dqm.dq_runs"):
        pages = list(Path(run["docs_path"]).glob("*.html"))
        assert len(pages) >= 2
        for page in pages:
            links = re.findall(r'href="([^"#]+)"', page.read_text())
            assert links, page
            assert all((page.parent / link).is_file() for link in links), page
