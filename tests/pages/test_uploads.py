"""A file of many customers is scored as each of them alone, or refused with every wrong value named."""

from __future__ import annotations

import io
import math
import tomllib
from contextlib import suppress
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.churn import answers, registry, uploads
from pipelines.churn.uploads import Problem, Scored, UnusableFile, WrongValues
from pipelines.core.statements import ROOT

WHO = answers.heuristic(registry.CHURN_LOGREG)
NAMES = [feature.name for feature in WHO.features]
DEFAULTS = {feature.name: feature.default for feature in WHO.features}
GOOD = ",".join(NAMES)


def score(content: bytes, name: str = "customers.csv", who: answers.Answers = WHO) -> Scored:
    return uploads.score(name, io.BytesIO(content), who, print)


def csv(*lines: str, header: str = GOOD) -> bytes:
    return "".join(f"{line}\n" for line in (header, *lines)).encode()


def parquet(**columns: Any) -> bytes:
    written = io.BytesIO()
    pq.write_table(pyarrow.table({**{name: [1.0] for name in NAMES}, **columns}), written)
    return written.getvalue()


def refused(content: bytes, name: str = "customers.csv") -> list[Problem]:
    with pytest.raises(WrongValues, match="Nothing of it was scored") as caught:
        score(content, name)
    assert caught.value.count == len(caught.value.problems)
    return caught.value.problems


def told_of(content: bytes, name: str = "customers.csv") -> str:
    with pytest.raises(UnusableFile) as caught:
        score(content, name)
    assert str(caught.value).startswith(name)
    return str(caught.value)


numbers = st.one_of(st.none(), st.integers(-(10**6), 10**6), st.floats(-1e9, 1e9).map(lambda each: round(each, 6)))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, numbers)), min_size=1, max_size=8),
    order=st.permutations(NAMES),
    delimiter=st.sampled_from(",;\t|"),
    upper=st.booleans(),
)
def test_a_row_of_a_file_is_answered_as_it_is_alone(
    rows: list[dict[str, float | None]], order: list[str], delimiter: str, upper: bool
) -> None:
    frame = pd.DataFrame(rows, dtype=float)[order]
    alone = [WHO.of_one(row)[0] for row in frame.to_dict("records")]
    as_csv = frame.rename(columns=str.upper) if upper else frame
    written = io.BytesIO()
    frame.to_parquet(written)
    for content, name in (
        (as_csv.to_csv(index=False, sep=delimiter, na_rep="NaN").encode(), "X.CSV"),
        (written.getvalue(), "x.parquet"),
    ):
        scored = score(content, name)
        assert scored.table["probability"].to_pylist() == pytest.approx(alone, abs=1e-12)
        assert scored.table["row"].to_pylist() == list(range(1, len(rows) + 1))
        assert scored.table["class"].to_pylist() == [WHO.of_class(each) for each in alone]
        assert scored.missing == {name: int(count) for name in NAMES if (count := frame[name].isna().sum())}
        assert scored.ignored == []


def test_a_missing_value_counts_as_its_default_and_is_told() -> None:
    scored = score(csv("3,,1", ",NA,null"))
    assert scored.missing == dict(zip(NAMES, (1, 2, 1), strict=True))
    alone = WHO.of_one(DEFAULTS)[0]
    assert scored.table["probability"].to_pylist()[1] == pytest.approx(alone, abs=1e-12)


def test_columns_that_are_not_looked_at_are_ignored_and_told_and_an_id_stays_as_written() -> None:
    header = f"CUS_CUST_ID_BUY,{GOOD},note,=evil"
    scored = score(csv("54018.0,1,2,3,x,y", "=1+1,1,2,3,,", header=header))
    assert scored.ignored == ["note", "=evil"]
    assert scored.table["customer_id"].to_pylist() == ["54018.0", "=1+1"]
    assert scored.table.column_names == ["row", "customer_id", "probability", "class", "model", "version"]
    assert set(scored.table["version"].to_pylist()) == {"local heuristic"}


def test_an_id_is_kept_whatever_it_says() -> None:
    """A word that marks a missing feature is an id as any other; so is a character that no text should hold."""
    ids = ["NA", "null", "nan", "None", "\ufdd0\uffff", "\\xff", "a\u2028b", "\ufeff"]
    lines = [f"{each},1,2,3" for each in ids]
    for scored in (
        score(csv(*lines, header=f"customer_id,{GOOD}")),
        score(parquet(customer_id=ids, **{name: [1.0] * len(ids) for name in NAMES}), "x.parquet"),
    ):
        assert scored.table["customer_id"].to_pylist() == ids
        assert scored.missing == {}


@pytest.mark.parametrize("word", uploads.MISSING)
def test_words_for_a_missing_value_are_missing_in_csv_and_parquet(word: str) -> None:
    who = answers.heuristic(registry.CHURN_MODEL)
    columns = {each.name: [word] for each in who.features}
    written = io.BytesIO()
    pq.write_table(pyarrow.table(columns), written)
    line = ",".join(f'"{word}"' for _ in columns)
    for content, name in ((csv(line, header=",".join(columns)), "x.csv"), (written.getvalue(), "x.parquet")):
        assert score(content, name, who).missing == dict.fromkeys(columns, 1)


def test_every_wrong_value_is_listed_row_by_row() -> None:
    content = csv("1,2,3", "x,2,inf", "1,2", "1,2,3,4", '1,"1,5",3')
    assert refused(content) == [
        Problem(2, NAMES[0], "“x” is not a number"),
        Problem(2, NAMES[2], "is infinite"),
        Problem(3, "(all)", "has 2 values, the header 3"),
        Problem(4, "(all)", "has 4 values, the header 3"),
        Problem(5, NAMES[1], "“1,5” is not a number"),
    ]


@pytest.mark.parametrize("before", [0, 60_000, 130_000])
def test_a_wrong_value_far_down_is_found_in_its_row(before: int) -> None:
    rows = ["1,2,3"] * before + ["1,oops,3"] + ["1,2,3"] * 10
    assert refused(csv(*rows)) == [Problem(before + 1, NAMES[1], "“oops” is not a number")]


def test_rows_of_a_wrong_length_do_not_move_the_numbers_of_those_after_them() -> None:
    assert [each.row for each in refused(csv("1,2", "1,2,3", "1,b,3", "9", "c,2,3"))] == [1, 3, 4, 5]
    assert [each.row for each in refused(csv(*["1"] * 3, "1,2,3", "x,2,3", "1", "y,2,3"))] == [1, 2, 3, 5, 6, 7]


def test_empty_lines_are_no_rows() -> None:
    assert score(csv("1,2,3", "", "", "4,5,6", "")).table["row"].to_pylist() == [1, 2]
    assert [each.row for each in refused(csv("1,2,3", "", "", "x,5,6", "", "7"))] == [2, 3]


def test_a_note_of_several_lines_may_stand_in_a_large_file() -> None:
    note = '"a line\n' + "and another\n" * 50 + '"'
    scored = score(csv(*[f"1,2,3,{note}"] * 10_000, header=f"{GOOD},note"))
    assert (scored.table.num_rows, scored.ignored) == (10_000, ["note"])


@pytest.mark.parametrize("number", ["+5", "5.", ".5", "5e-3", "1E+01", " 7 ", "-0"])
def test_numbers_are_read_however_they_are_written(number: str) -> None:
    written, plain = (score(csv(f"{each},2,3")).table["probability"] for each in (number, float(number)))
    assert written == plain


@pytest.mark.parametrize("number", ["1,5", "0x10", "1e400", "--1", "+-1", "5 5", "٣", "five"])
def test_what_is_no_number_is_told(number: str) -> None:
    assert refused(csv(f'"{number}",2,3')) == [Problem(1, NAMES[0], f"“{number}” is not a number")]


def test_of_many_problems_those_of_the_first_rows_are_listed_and_all_are_counted() -> None:
    with pytest.raises(WrongValues) as caught:
        score(csv(*["a,b,c"] * 300_000))
    assert caught.value.count == 900_000
    told = [(row, name) for row in range(1, 201) for name in NAMES]
    assert [(each.row, each.column) for each in caught.value.problems] == told[: uploads.MOST_LISTED]


def test_columns_that_are_missing_or_twice_are_named() -> None:
    said = {name: "stands 2 times in the header" if name == "payments_30d" else "is missing" for name in NAMES}
    found = refused(csv("1,2", header="payments_30d,payments_30d"))
    assert found == [Problem(None, name, said[name]) for name in NAMES]


def test_bytes_that_are_no_text_are_told() -> None:
    who = answers.heuristic(registry.CHURN_MODEL)
    header = f"customer_id,{GOOD}".encode()
    with pytest.raises(WrongValues) as caught:
        uploads.score("a.csv", io.BytesIO(header + b"\n\xff\xfe,1,2,3\nok,1,2,3\n"), who, print)
    assert [(each.row, each.column) for each in caught.value.problems] == [(1, "customer_id")]
    assert "not UTF-8" in caught.value.problems[0].said
    assert "not UTF-8" in told_of(b"\xff\xfe\n1\n")
    damaged = pyarrow.Array.from_buffers(pyarrow.string(), 1, pyarrow.array([b"\xff"]).buffers())
    assert refused(parquet(customer_id=damaged), "x.parquet") == [
        Problem(1, "customer_id", "“\\xff” is not UTF-8 text")
    ]


def test_types_of_parquet_that_are_no_numbers_are_named() -> None:
    name = NAMES[1]
    assert refused(parquet(**{name: [date(2019, 5, 26)]}), "x.parquet") == [
        Problem(None, name, "is of type date32[day]: a number or a text is needed")
    ]
    assert refused(parquet(**{name: ["many"]}), "x.parquet") == [Problem(1, name, "“many” is not a number")]
    assert refused(parquet(**{name: [math.inf]}), "x.parquet") == [Problem(1, name, "is infinite")]
    assert score(parquet(**{name: ["7"]}), "x.parquet").table.num_rows == 1
    assert score(parquet(**{name: [True], "other": [[1, 2]]}), "x.parquet").ignored == ["other"]


def test_a_long_word_that_a_small_file_repeats_is_refused_without_being_unpacked() -> None:
    long = parquet(customer_id=pyarrow.array(["x" * 5_000_000]).dictionary_encode())
    assert refused(long, "x.parquet") == [Problem(None, "customer_id", "has more than 200 letters")]


def test_what_is_large_once_unpacked_is_refused_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_UNPACKED", 1 << 20)
    ids = ["x" * 100 + str(each) for each in range(20_000)]
    columns = {name: np.ones(len(ids)) for name in NAMES}
    nested = [{"a": 1, "b": 2}] * len(ids)
    written = io.BytesIO()
    pq.write_table(pyarrow.table({"nested": nested, "customer_id": ids, **columns}), written)
    assert "too many or too large" in told_of(written.getvalue(), "x.parquet")


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"", "empty.csv", "is empty"),
        (GOOD.encode(), "header.csv", "has no row below its header"),
        (f"{GOOD}\n".encode(), "header.csv", "has no row below its header"),
        (b"a,b\n1,2\n", "notes.txt", "is neither .csv nor .parquet"),
        (b"a,b\n1,2\n", "noend", "is neither .csv nor .parquet"),
        (b"PAR1 and no more", "broken.parquet", "cannot be read"),
        (parquet()[:-30], "cut.parquet", "cannot be read"),
        (f"{GOOD}\r1,2,3\r".encode(), "old_mac.csv", "its lines end as on old Macs"),
        (f"{GOOD}\n".encode() + b"1\n" * 2_000_000, "other.csv", "more than 10,000 of its rows have another number"),
        (f'{GOOD},"{"x" * 200_000}"\n1,2,3,4\n'.encode(), "header.csv", "cannot be read"),
    ],
)
def test_what_is_no_file_of_customers_is_refused_by_its_name(content: bytes, name: str, said: str) -> None:
    assert said in told_of(content, name)


WHOLE = parquet(**{name: np.ones(300) for name in NAMES}, customer_id=[*map(str, range(300))])


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_a_damaged_file_is_refused_or_scored_and_nothing_worse(place: int, byte: int) -> None:
    damaged = WHOLE[:place] + bytes([byte]) + WHOLE[place + 1 :]
    with suppress(UnusableFile):
        assert score(damaged, "x.parquet").table.num_rows


def test_a_file_of_more_than_the_stated_size_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_MEGABYTES", 1)
    assert "has 2 MB: files of up to 1 MB are scored" in told_of(csv(*["1,2,3"] * 400_000), "large.csv")
    monkeypatch.setattr(uploads, "MOST_ROWS", 100)
    assert "more than 100 rows" in told_of(csv(*["1,2,3"] * 101), "long.csv")
    assert "101 rows, which are too many" in told_of(parquet(**{name: np.ones(101) for name in NAMES}), "long.parquet")


def test_the_server_takes_files_of_the_stated_size() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert config["server"]["maxUploadSize"] == uploads.MOST_MEGABYTES
    assert config["server"]["address"] == "127.0.0.1"


def test_progress_goes_up_to_the_end() -> None:
    shares: list[float] = []
    uploads.score("x.csv", io.BytesIO(csv(*["1.25,2.25,3.25"] * 800_000)), WHO, shares.append)
    assert shares == sorted(shares)
    assert len(shares) > 2
    assert shares[-1] == 1
