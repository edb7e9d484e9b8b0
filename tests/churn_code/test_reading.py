"""However an extract is written, it is read; and what became of every value is counted."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.churn_files import TODAY, clean, csv_text

OUTCOMES = ("read", "missing", "unreadable", "rewritten")


def user_with(table: str, header: tuple[str, ...], *values: object) -> dict[str, Any]:
    """What is known of customer 1 by a file of one line."""
    return clean(max_bad_share=1, **{table: csv_text(table, [(1, *values)], ("CUS_CUST_ID_BUY", *header))}).user()


# Dialects -----------------------------------------------------------------------------------------------------------

WALLET = {
    "payments": b"FECHA,CUS_CUST_ID_SEL,CUS_CUST_ID_BUY,SPENT,TPV_SEGMENT_DETAIL,DESCUENTO\n"
    b"2019-05-01,5000,54018,10.5,Money Transfer,\n2019-05-02,5000,54019,3,Instore,0.25\n",
    "active_user": b"CUS_CUST_ID_BUY,MAU_MP_1,MAU_ML_1,MAU_MP_2,MAU_ML_2,last_login_mp_date_1,last_login_ml_date_1\n"
    b"54018,7,1,8,,2019-05-01,\n",
    "demograficos": 'CITY,CUS_CUST_ID_BUY,GENDER,AGE,CARD_TYPE,ESTADO\n"Villa Carlos Paz, Punilla",54018, F,33,'
    "Credit Card,CÓRDOBA \n".encode(),
    "dinero_cuenta": b"CUS_CUST_ID_BUY,PLATA_CUENTA_1,INVERSION\n54018.0,99.5,Investing\n",
    "marketplace_data": b"CUS_CUST_ID_BUY,SPENT_ML,RECENCY_ML,FREQUENCY_ML\n54018,100,2019-04-01,2\n",
}
BANK = {
    "payments": b"CUS_CUST_ID_BUY,CUS_CUST_ID_SEL,DESCUENTO,FECHA,SPENT,TPV_SEGMENT_DETAIL\n"
    b"54018.0,5000,,2019-05-01 23:59:59,10.5,Money Transfer\n54019.0,5000,0.25,2019-05-02 00:00:00,3,Instore\n",
    "active_user": WALLET["active_user"],
    "demograficos": 'CITY,CUS_CUST_ID_BUY,GENDER,RANGO_EDAD,TARJETAS,ESTADO\n"Villa Carlos Paz, Punilla",54018,female,'
    "04.Entre 31 y 35 años,Credit Card, Córdoba\n".encode(),
    "dinero_cuenta": b"CUS_CUST_ID_BUY,PLATA_CUENTA_1,INVERSION\n54018.0,99.5,investing\n",
    "marketplace_data": WALLET["marketplace_data"],
}


@pytest.mark.parametrize("dialect", [WALLET, BANK], ids=["wallet", "bank"])
def test_both_dialects_say_the_same(dialect: dict[str, bytes]) -> None:
    """A model that was trained on one extract understands the other."""
    made = clean(**dialect)
    payments = [row[:4] for row in made.rows("payments")]
    assert Counter(payments) == Counter([
        (54018, date(2019, 5, 1), Decimal("10.5"), None), (54019, date(2019, 5, 2), Decimal(3), Decimal("0.25")),
    ])  # fmt: skip
    assert made.user(54018) == {
        "customer_id": 54018, "gender": "female", "rango_edad": "04.entre 31 y 35 años", "tarjetas": "credit card",
        "estado": "córdoba", "inversion": "investing", "spent_ml": Decimal(100), "recency_ml": date(2019, 4, 1),
        "frequency_ml": Decimal(2), **logins(made.user(54018)),
    }  # fmt: skip
    assert made.rows("visits") == [(54018, *year(7, 8), *year(1))]
    assert made.rows("balances") == [(54018, *year(Decimal("99.5")))]
    assert (made.tables.payments, made.tables.dropped, made.tables.future, made.tables.users) == (2, 0, 0, 1)


def year(*values: object) -> list[object]:
    """From the last month backwards, as far as a file may tell."""
    return [*values, *[None] * (12 - len(values))]


def logins(user: dict[str, Any]) -> dict[str, Any]:
    return {name: day for name, day in user.items() if name.startswith("last_login")}


# Files as they are written ------------------------------------------------------------------------------------------

LINES = ["54018,2019-05-01,10.5,", "54018,2019-05-02,3,0.25"]
HEADER = "CUS_CUST_ID_BUY,FECHA,SPENT,DESCUENTO"
TEXT = "\n".join([HEADER, *LINES, ""])
WRITTEN = {
    "a byte order mark": "\ufeff" + TEXT,
    "CRLF": TEXT.replace("\n", "\r\n"),
    "CRLF and a byte order mark": "\ufeff" + TEXT.replace("\n", "\r\n"),
    "semicolons": TEXT.replace(",", ";"),
    "tabs": TEXT.replace(",", "\t"),
    "pipes": TEXT.replace(",", "|"),
    "no line end at the end": TEXT.rstrip("\n"),
    "a delimiter too many at the end": TEXT.replace(LINES[1], f"{LINES[1]},"),
    "blank lines": TEXT.replace(LINES[1], f"\n{LINES[1]}\n"),
    "quotes around all": "".join('"' + line.replace(",", '","') + '"\n' for line in TEXT.splitlines()),
    "names in lower case": TEXT.replace(HEADER, HEADER.lower()),
    "names with spaces": TEXT.replace(HEADER, HEADER.replace(",", " , ")),
    "an alias": TEXT.replace("CUS_CUST_ID_BUY", "customer_id"),
    "another order": "SPENT,DESCUENTO,CUS_CUST_ID_BUY,FECHA\n10.5,,54018,2019-05-01\n3,0.25,54018,2019-05-02\n",
    "more columns": f'A,{HEADER},B\n"x, y",{LINES[0]},\n,{LINES[1]},"say ""yes"",\nno"\n',
    "an unneeded name twice": f"A,{HEADER},A\n1,{LINES[0]},2\n1,{LINES[1]},2\n",
    "spaces around values": f"{HEADER}\n 54018 , 2019-05-01 , 10.5 , \n54018,2019-05-02, 3, 0.25 \n",
    "times": TEXT.replace("2019-05-01", "2019-05-01 23:59:59").replace("2019-05-02", "2019-05-02T00:00:00Z"),
    "days first": TEXT.replace("2019-05-01", "01/05/2019").replace("2019-05-02", "2/5/2019 10:11:12"),
    "numbers as a spreadsheet has them": TEXT.replace("54018", "54018.0").replace("10.5", "1.05E1"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_payments_are_the_same_however_the_file_is_written(name: str) -> None:
    made = clean(payments=WRITTEN[name].encode())
    assert Counter(row[:4] for row in made.rows("payments")) == Counter([
        (54018, date(2019, 5, 1), Decimal("10.5"), None), (54018, date(2019, 5, 2), Decimal(3), Decimal("0.25")),
    ])  # fmt: skip
    assert (made.tables.payments, made.tables.dropped, made.tables.future) == (2, 0, 0)


def test_a_discount_need_not_be_there() -> None:
    made = clean(payments=b"CUS_CUST_ID_BUY,FECHA,SPENT\n1,2019-05-01,5\n")
    assert [row[:4] for row in made.rows("payments")] == [(1, date(2019, 5, 1), Decimal(5), None)]
    assert "descuento" not in made.account("payments")


# Values -------------------------------------------------------------------------------------------------------------

INVESTMENTS = {
    "Investing": "investing", "investing": "investing", " INVESTING ": "investing", "Eligible": "eligible",
    "eligible": "eligible", "non_eligible": "non_eligible", "Non Eligible": "non_eligible",
    "non-eligible": "non_eligible", "Warmup": "warmup", "Pending": "pending", "disabled": "disabled",
    "banned": "banned", "": None, "certainly": None,
}  # fmt: skip
GENDERS = {
    "F": "female", "f": "female", " F": "female", "female": "female", "Female ": "female", "M": "male", "male": "male",
    "Unknown": "unknown", "": None, "x": None,
}  # fmt: skip
AGES = {
    "04.Entre 31 y 35 años": 4, " 08.Mayor a 65 años": 8, "01.Menor de 18 años": 1, "02.": 2, "17": 1, "18": 2, "25": 2,
    "26": 3, "30.0": 3, "31": 4, "35": 4, "36": 5, "40": 5, "41": 6, "55": 6, "56": 7, "65": 7, "66": 8, "120": 8,
    "0": 1, "-1": None, "121": None, "old": None, "nan": None, "": None, "09.Ninguno": None,
}  # fmt: skip
AGE_NAMES = (
    "01.menor de 18 años", "02.entre 18 y 25 años", "03.entre 26 y 30 años", "04.entre 31 y 35 años",
    "05.entre 36 y 40 años", "06.entre 41 y 55 años", "07.entre 56 y 65 años", "08.mayor a 65 años",
)  # fmt: skip


def in_file(table: str, header: tuple[str, ...], written: list[str], row: Any) -> dict[int, dict[str, Any]]:
    """What becomes of values that customers 1, 2, … have."""
    rows = [(number, *row(value)) for number, value in enumerate(written, 1)]
    made = clean(max_bad_share=1, **{table: csv_text(table, rows, ("CUS_CUST_ID_BUY", *header))})
    return {row["customer_id"]: row for row in made.table("users").to_pylist()}


def test_each_investment_status_is_read() -> None:
    users = in_file("dinero_cuenta", ("INVERSION", "PLATA_CUENTA_1"), list(INVESTMENTS), lambda value: (value, 1))
    assert {word: users[number]["inversion"] for number, word in enumerate(INVESTMENTS, 1)} == INVESTMENTS


def test_each_gender_is_read() -> None:
    users = in_file("demograficos", ("GENDER", "AGE", "CARD_TYPE"), list(GENDERS), lambda value: (value, 1, 1))
    assert {word: users[number]["gender"] for number, word in enumerate(GENDERS, 1)} == GENDERS


@pytest.mark.parametrize("name", ["AGE", "RANGO_EDAD", "edad"])
def test_an_age_and_a_range_of_ages_mean_the_same(name: str) -> None:
    users = in_file("demograficos", ("GENDER", name, "TARJETAS"), list(AGES), lambda value: ("F", value, 1))
    named = {word: AGE_NAMES[place - 1] if place else None for word, place in AGES.items()}
    assert {word: users[number]["rango_edad"] for number, word in enumerate(AGES, 1)} == named


@pytest.mark.parametrize("name", ["CARD_TYPE", "TARJETAS", "tarjetas"])
def test_a_card_has_two_names(name: str) -> None:
    assert user_with("demograficos", ("GENDER", "AGE", name), "F", 30, " Debit Card ")["tarjetas"] == "debit card"


@pytest.mark.parametrize("name", ["ESTADO", "state", "Provincia"])
def test_a_province_has_three_names_and_need_not_be_there(name: str) -> None:
    header = ("GENDER", "AGE", "TARJETAS")
    assert user_with("demograficos", (*header, name), "F", 30, "x", "Entre Ríos")["estado"] == "entre ríos"
    assert user_with("demograficos", header, "F", 30, "x")["estado"] is None


def test_a_day_that_is_none_is_no_day() -> None:
    """A wrong guess would put a payment into another century; who reads the account sees that it was left out."""
    days = ["2019-02-30", "31/02/2019", "01/05/19", "2019-05-01 (BC)", "n/a", "20190501", "2019-05-01x", "0000-00-00",
            "2019-05-01 25:00:00"]  # fmt: skip
    good = (54018, "2019-05-01", 1, "")
    made = clean(max_bad_share=1, payments=[*((number, day, 1, "") for number, day in enumerate(days)), good])
    assert [row[:2] for row in made.rows("payments") if row[1]] == [(54018, date(2019, 5, 1))]
    assert made.account("payments")["fecha"] == {"read": 1, "unreadable": len(days)}
    tables, only = made.tables, date(2019, 5, 1)
    assert (tables.dropped, tables.first_day, tables.last_day) == (len(days), only, only)


def test_text_that_no_database_takes_is_not_read() -> None:
    """A NUL in a province would stop every load of the weekly features."""
    rows = [(1, "F", 30, "card", "Cha\0co"), (2, "F", 30, "card", "Chaco")]
    made = clean(max_bad_share=1, demograficos=rows)
    assert (made.user(1)["estado"], made.user(2)["estado"]) == (None, "chaco")
    assert made.account("demograficos")["estado"] == {"read": 1, "unreadable": 1}


def test_months_beyond_a_year_are_not_needed() -> None:
    told = range(1, 20)
    header = ("CUS_CUST_ID_BUY", *(f"MAU_{app}_{month}" for app in ("ML", "MP") for month in told))
    made = clean(active_user=csv_text("active_user", [(1, *told, *told)], header))
    assert made.rows("visits") == [(1, *year(*range(1, 13)), *year(*range(1, 13)))]


def test_months_may_have_gaps_but_not_at_the_start() -> None:
    made = clean(active_user=b"CUS_CUST_ID_BUY,MAU_MP_1,MAU_MP_3,MAU_ML_1\n1,5,6,7\n")
    assert made.rows("visits") == [(1, *year(5, None, 6), *year(7))]


# Lines --------------------------------------------------------------------------------------------------------------


def test_the_last_line_of_a_user_counts() -> None:
    """Also where it knows less: a value is never put together of two lines."""
    made = clean(
        demograficos=[(1, "F", 20, "a", "Chaco"), (2, "M", 30, "b", "Salta"), (1, "M", "", "c", "")],
        dinero_cuenta=[(1, "investing", 1, 2, "", "", ""), ("1.0", "banned", 9, "", "", "", "")],
        marketplace_data=[(1, 1, "2019-01-01", 1), (1, 2, "2019-02-01", 2), (1, 3, "", 3)],
        active_user=[],
        evaluate=[(1, 0), (2, 1), (1, 1), (2, "")],
    )
    user = made.user()
    assert (user["gender"], user["rango_edad"], user["tarjetas"], user["estado"]) == ("male", None, "c", None)
    assert (user["inversion"], user["spent_ml"], user["recency_ml"], user["frequency_ml"]) == ("banned", 3, None, 3)
    assert made.rows("balances") == [(1, *year(9))]
    assert made.rows("evaluate") == [(1, 1)], "nothing is known of who is named last without a value"
    assert made.tables.duplicates == 1 + 1 + 2 + 2
    assert made.tables.users == 2


def test_no_customer_is_lost_who_is_in_only_one_file() -> None:
    made = clean(
        demograficos=[(1, "F", 20, "a", "")], dinero_cuenta=[(2, "banned", 1, "", "", "", "")],
        marketplace_data=[(3, 1, "2019-01-01", 1)], active_user=[(4, "2019-05-05", "2019-05-06", *[1] * 12)],
    )  # fmt: skip
    assert [row[0] for row in made.rows("users")] == [1, 2, 3, 4]
    assert made.tables.users == 4


# The account --------------------------------------------------------------------------------------------------------


def test_every_value_of_every_file_is_accounted_for() -> None:
    made = clean(
        max_bad_share=1,
        payments=[
            (1, "2019-05-01", 5, ""), ("1.0", "2019-05-01 10:00:00", "", "0.5"), ("", "2019-05-01", 5, 1),
            ("one", "2019-02-30", "-", "1e"), (2, "n/a", 5, ""), (2, "2091-01-01", 5, ""), (" ", "", "", ""),
        ],
        active_user=[(1, "2019-05-01", "", 1, "", "x", *[""] * 9), (2, "soon", "01/05/2019", *[3] * 12)],
        demograficos=[
            (1, "F", "33", "card", " Chaco"), (2, "female", "04.Entre 31 y 35 años", "", "Chaco"),
            (3, "?", "old", " ", ""),
        ],
        dinero_cuenta=[
            ("1.0", "Investing", 5, "", "", "", ""), (2, "banned", "?", "", "", "", ""), (3, "so", 1, 1, 1, 1, 1),
        ],
        marketplace_data=[(1, 5, "2019-05-01", 1), (2, "", "yesterday", "many")],
        evaluate=[(1, 0), (2, "1.0"), (3, "perhaps"), (4, "")],
    )  # fmt: skip
    assert made.account("payments") == {
        "cus_cust_id_buy": {"read": 3, "rewritten": 1, "missing": 2, "unreadable": 1},
        "fecha": {"read": 3, "rewritten": 1, "missing": 1, "unreadable": 2},
        "spent": {"read": 4, "missing": 2, "unreadable": 1},
        "descuento": {"read": 2, "missing": 4, "unreadable": 1},
    }
    assert (made.rows_read("payments"), len(made.rows("payments"))) == (7, 7)
    assert (made.tables.payments, made.tables.dropped, made.tables.future) == (3, 4, 1)
    assert made.account("active_user") == {
        "cus_cust_id_buy": {"read": 2},
        "last_login_mp_date_1": {"read": 1, "unreadable": 1},
        "last_login_ml_date_1": {"missing": 1, "rewritten": 1},
        "mau_mp_1": {"read": 2},
        "mau_mp_2": {"read": 1, "missing": 1},
        "mau_mp_3": {"read": 1, "unreadable": 1},
        **{f"mau_mp_{month}": {"read": 1, "missing": 1} for month in (4, 5, 6)},
        **{f"mau_ml_{month}": {"read": 1, "missing": 1} for month in range(1, 7)},
    }
    assert made.account("demograficos") == {
        "cus_cust_id_buy": {"read": 3},
        "gender": {"read": 1, "rewritten": 1, "unreadable": 1},
        "rango_edad": {"read": 1, "rewritten": 1, "unreadable": 1},
        "tarjetas": {"read": 1, "missing": 2},
        "estado": {"read": 1, "rewritten": 1, "missing": 1},
    }
    assert made.account("dinero_cuenta") == {
        "cus_cust_id_buy": {"read": 2, "rewritten": 1},
        "inversion": {"read": 1, "rewritten": 1, "unreadable": 1},
        "plata_cuenta_1": {"read": 2, "unreadable": 1},
        **{f"plata_cuenta_{month}": {"read": 1, "missing": 2} for month in range(2, 6)},
    }
    assert made.account("marketplace_data") == {
        "cus_cust_id_buy": {"read": 2},
        "spent_ml": {"read": 1, "missing": 1},
        "recency_ml": {"read": 1, "unreadable": 1},
        "frequency_ml": {"read": 1, "unreadable": 1},
    }
    assert made.account("evaluate") == {
        "cus_cust_id_buy": {"read": 4},
        "churn": {"read": 1, "rewritten": 1, "unreadable": 1, "missing": 1},
    }


# Payments against an oracle -----------------------------------------------------------------------------------------

IDS = st.one_of(
    st.builds(
        str.format, st.sampled_from(["{}", "{}", "{}.0", "{}.00", " {} "]), st.sampled_from([1, 2, 54018, 2**53 + 1])
    ),
    st.sampled_from(["", " ", "abc", "1.5", "9223372036854775808", "12 34"]),
)
DAYS = st.one_of(
    st.builds(
        date.strftime,
        st.dates(date(2019, 1, 1), TODAY + timedelta(days=9)),
        st.sampled_from(["%Y-%m-%d", "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%d/%m/%Y", " %Y-%m-%d"]),
    ),
    st.sampled_from(["", "2019-02-30", "n/a", "2091-01-01", "31/04/2019", "05/01/19"]),
)
AMOUNTS = st.one_of(
    st.decimals(-1000, 1000, places=4).map(str),
    st.integers(0, 10**9).map(str),
    st.sampled_from(["", " ", "-", "1e", "1e2", " 3.5 ", "1.00005", "$5", "1,5"]),
)


def id_of(text: str) -> int | None:
    found = re.fullmatch(r" *(\d+)(\.0*)? *", text)
    return int(found[1]) if found and int(found[1]) < 2**63 else None


def day_of(text: str) -> date | None:
    for form in ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%d/%m/%Y"):
        try:
            return datetime.strptime(text.strip(), form).date()
        except ValueError:
            pass
    return None


def amount_of(text: str) -> Decimal | None:
    if not re.fullmatch(r" *-?\d+(\.\d+)?(e\d+)? *", text):
        return None
    return Decimal(text.strip()).quantize(Decimal("0.0001"), ROUND_HALF_UP)


def outcome_of(text: str, value: object, plain: bool) -> str:
    if value is None:
        return "unreadable" if text.strip() else "missing"
    return "read" if plain else "rewritten"


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(st.tuples(IDS, DAYS, AMOUNTS, AMOUNTS), max_size=40))
def test_payments_and_their_account_are_what_a_slow_reader_finds(rows: list[tuple[str, str, str, str]]) -> None:
    """No row is lost: what is not kept is counted, by file and column."""
    rows.append(("7", "2019-05-01", "5", "1"))  # one to keep
    made = clean(payments=rows, max_bad_share=1)
    found = [(id_of(row[0]), day_of(row[1]), amount_of(row[2]), amount_of(row[3])) for row in rows]
    assert Counter(row[:4] for row in made.rows("payments")) == Counter(found)
    counts = [
        Counter(outcome_of(row[0], value[0], "." not in row[0]) for row, value in zip(rows, found, strict=True)),
        Counter(
            outcome_of(row[1], value[1], re.fullmatch(r"\d{4}-\d\d-\d\d", row[1]) is not None)
            for row, value in zip(rows, found, strict=True)
        ),
        Counter(outcome_of(row[2], value[2], True) for row, value in zip(rows, found, strict=True)),
        Counter(outcome_of(row[3], value[3], True) for row, value in zip(rows, found, strict=True)),
    ]
    assert list(made.account("payments").values()) == counts
    days = [day for customer, day, *_ in found if customer is not None and day is not None]
    past = [day for day in days if day <= TODAY]
    assert made.tables.payments == len(days)
    assert made.tables.future == len(days) - len(past)
    assert made.tables.dropped == len(rows) - len(days)
    assert (made.tables.first_day, made.tables.last_day) == (min(days), max(past))
