"""A file that is not what it should be is refused by its name, with line and column; nothing half-made stays."""

from __future__ import annotations

import csv
import gzip
import io
import random
from pathlib import Path

import pytest
from psycopg import Rollback

from pipelines.churn import cleaning, seed, sources
from pipelines.churn.sources import BadFile
from pipelines.core.errors import MissingInput
from pipelines.services import warehouse
from pipelines.services.artifacts import Place
from pipelines.services.warehouse import Connection
from tests.churn_files import FILES, GOOD, HEADERS, TODAY, clean, clean_place, csv_text, write_files

GOOD_FILES = {table: csv_text(table, rows) for table, rows in {**GOOD, "evaluate": [(1, 0)]}.items()}
EACH_FILE = pytest.mark.parametrize("table", FILES)


def refusal(store: Path | None = None, **given: bytes) -> str:
    """What is said of these files."""
    with pytest.raises(BadFile) as refused:
        clean(**given) if store is None else clean_place(write_files(store / "files", **given), store / "store")
    return str(refused.value)


def of_file(table: str, content: bytes) -> str:
    """What is said of one broken file; it is named first."""
    said = refusal(**{table: content})
    assert said.startswith(FILES[table])
    assert len(said) < 600
    return said


def lines_of(table: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(GOOD_FILES[table].decode())))


def written(*lines: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue().encode()


# Not there ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [table for table in FILES if table != "evaluate"])
def test_a_file_that_is_missing_is_named_with_its_folder(table: str, tmp_path: Path) -> None:
    root = write_files(tmp_path, **{table: None})
    with pytest.raises(MissingInput) as refused:
        sources.present(root)
    assert str(refused.value).startswith(f"{tmp_path}: {FILES[table]} is missing")


def test_all_files_that_are_missing_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"PAYMENTS\.csv, .*, MARKETPLACE_DATA\.csv are missing"):
        sources.present(Place(str(tmp_path / "nowhere")))


def test_the_ground_truth_may_be_missing(tmp_path: Path) -> None:
    root = write_files(tmp_path / "files", evaluate=None)
    assert FILES["evaluate"] not in [source.file for source in sources.present(root)]
    assert clean_place(root, tmp_path / "store").rows("evaluate") == []


@EACH_FILE
@pytest.mark.parametrize("instead", ["a folder", "a link to nowhere"])
def test_what_cannot_be_opened_is_missing_data(table: str, instead: str, tmp_path: Path) -> None:
    root = write_files(tmp_path / "files", evaluate=GOOD_FILES["evaluate"])
    path = tmp_path / "files" / FILES[table]
    path.unlink()
    path.mkdir() if instead == "a folder" else path.symlink_to(tmp_path / "nowhere")
    store = Place(str(tmp_path / "store"))
    with pytest.raises(MissingInput) as refused:
        cleaning.clean(root, list(FILES.values()), store, "clean", TODAY, 0.1)
    assert str(path) in str(refused.value)
    with pytest.raises(MissingInput, match=FILES[table]):
        sources.sha256(root, FILES[table])


# Not a CSV file -----------------------------------------------------------------------------------------------------

NO_TABLES = {
    "empty": (b"", "line 1: the file is empty"),
    "a byte order mark": (b"\xef\xbb\xbf", "line 1: the file is empty"),
    "line ends": (b"\n\n\n", "line 1: the file is empty"),
    "zeros": (bytes(5000), "line 1: this is no text"),
    "binary garbage": (b"\x01\x02" + bytes(range(32, 127)) * 50, "line 1: this is no text"),
    "more garbage": (random.Random(1).randbytes(5000), "line 1: "),
    "a gzip file": (gzip.compress(GOOD_FILES["payments"]), "line 1: this is a gzip file"),
    "UTF-16": (GOOD_FILES["payments"].decode().encode("utf-16"), "line 1: this is UTF-16 text"),
    "old line ends": (GOOD_FILES["payments"].replace(b"\n", b"\r"), "line 1: this is no text"),
    "words": (b"Dear reader,\nthere is no header here.\n", "line 1: column CUS_CUST_ID_BUY"),
}


@pytest.mark.parametrize(("table", "name"), [("payments", name) for name in NO_TABLES] + [("dinero_cuenta", "empty")])
def test_what_is_no_table_is_refused(table: str, name: str) -> None:
    content, words = NO_TABLES[name]
    assert f"{FILES[table]}, {words}" in of_file(table, content)


def test_payments_without_a_row_are_refused() -> None:
    assert "none of its 0 rows" in of_file("payments", GOOD_FILES["payments"].splitlines(keepends=True)[0])


def test_payments_of_nobody_and_of_the_future_are_refused() -> None:
    said = of_file("payments", csv_text("payments", [("", "2019-05-01", 1, ""), (1, "2091-01-01", 1, "")]))
    assert "none of its 2 rows has a customer and a day not after 2019-06-30" in said


@pytest.mark.parametrize("table", [table for table in FILES if table != "payments"])
def test_a_header_alone_is_an_export_that_is_not_whole(table: str) -> None:
    said = of_file(table, GOOD_FILES[table].splitlines(keepends=True)[0])
    assert said.startswith(f"{FILES[table]}, line 1: the file has a header and no row.")


# The header ---------------------------------------------------------------------------------------------------------

REQUIRED = [(source.table, column.name) for source in sources.SOURCES for column in source.columns if column.required]


@pytest.mark.parametrize(("table", "column"), REQUIRED)
def test_a_column_that_is_missing_is_named(table: str, column: str) -> None:
    """The message tells the names that the column may have, and those that are there."""
    header, *rows = lines_of(table)
    place = [name.lower() for name in header].index(column)
    left = written(*([*line[:place], *line[place + 1 :]] for line in (header, *rows)))
    said = of_file(table, left)
    assert f"{FILES[table]}, line 1: column {column.upper()}" in said
    assert "is missing. There is:" in said
    assert (header[place - 1] if place else header[1]).upper() in said


@EACH_FILE
def test_a_column_that_is_there_twice_is_named(table: str) -> None:
    header, *rows = lines_of(table)
    column = [name for of, name in REQUIRED if of == table][-1]
    place = [name.lower() for name in header].index(column)
    twice = written(*([*line, line[place]] for line in (header, *rows)))
    assert of_file(table, twice) == f"{FILES[table]}, line 1: column {column.upper()} is there twice."


def test_a_header_in_latin_1_is_refused() -> None:
    content = "CUS_CUST_ID_BUY,FECHA,SPENT,AÑO\n1,2019-05-01,5,1\n".encode("latin-1")
    assert "line 1: byte 0xd1 is no UTF-8 text" in of_file("payments", content)


# The lines ----------------------------------------------------------------------------------------------------------


@EACH_FILE
@pytest.mark.parametrize("more", [False, True], ids=["too few", "too many"])
def test_a_line_with_another_number_of_values_is_named(table: str, more: bool) -> None:
    header, row = lines_of(table)
    wrong = [*row, "x"] if more else row[:-1]
    said = of_file(table, written(header, row, row, wrong, row))
    assert said == f"{FILES[table]}, line 4: {len(wrong)} values, the header has {len(header)}."


@EACH_FILE
def test_a_quote_that_is_not_closed_is_named(table: str) -> None:
    header, row = lines_of(table)
    good = written(header, row, row)
    wrong = written([*row[:-1], '"open']).replace(b'"""open"', b'"open')
    said = of_file(table, good + wrong + written(row, row))
    assert said == f"{FILES[table]}, line 4: a quote is opened and not closed as CSV wants it."


def test_latin_1_below_the_header_is_named_with_the_way_out() -> None:
    row = "1,F,04.Entre 31 y 35 años,x,Córdoba\n"
    content = b"CUS_CUST_ID_BUY,GENDER,RANGO_EDAD,TARJETAS,ESTADO\n" + row.encode() * 3 + row.encode("latin-1")
    said = of_file("demograficos", content)
    assert "DEMOGRAFICOS.csv, line 5: byte 0xf1 is no UTF-8 text" in said
    assert "iconv -f LATIN1 -t UTF-8 DEMOGRAFICOS.csv" in said


@pytest.mark.parametrize("table", ["payments", "demograficos"])
def test_mixed_line_ends_are_refused_or_read_as_they_are_meant(table: str) -> None:
    """What must never happen: a value with half a line end in it."""
    header, row = lines_of(table)
    header, row = written(header), written([*row[:-1], "7"])
    for content in (header + row * 3 + row.replace(b"\n", b"\r\n") * 3, header.replace(b"\n", b"\r\n") + row * 6):
        try:
            made = clean(**{table: content})
        except BadFile as refused:
            assert str(refused) == f"{FILES[table]}: its line ends are mixed, or broken: each line must end alike."
            continue
        assert made.rows_read(table) == 6
        assert not any("unreadable" in counts for counts in made.account(table).values())
        last = made.table("payments")["descuento"].to_pylist() if table == "payments" else [made.user()["estado"]]
        assert {str(value) for value in last} <= {"7", "7.0000"}


def test_a_line_without_an_end_is_refused() -> None:
    content = GOOD_FILES["payments"] + b"1,2019-05-01,5," + b"9" * 3_000_000 + b"\n"
    assert of_file("payments", content).startswith("PAYMENTS.csv, line 3: ")


# The values ---------------------------------------------------------------------------------------------------------

TYPED = [
    (source.table, column.name)
    for source in sources.SOURCES for column in source.columns
    if column.kind != "text" and column.name in map(str.lower, HEADERS[source.table])
]  # fmt: skip


@pytest.mark.parametrize(("table", "column"), TYPED)
def test_a_column_full_of_words_is_refused_with_its_first_word(table: str, column: str) -> None:
    """That is another file, or another column of this name; a model would learn from nothing."""
    header, row = lines_of(table)
    place = [name.lower() for name in header].index(column)
    words = [[*row[:place], word, *row[place + 1 :]] for word in ("", "soon", "later", "never")]
    said = of_file(table, written(header, *words))
    assert said.startswith(f"{FILES[table]}, line 3, column {column.upper()}: 'soon' is no ")
    assert "So it is with 3 of the 3 values there: more than CHURN_MAX_BAD_SHARE=0.1." in said


def test_a_few_unreadable_values_are_counted_and_one_too_many_is_refused() -> None:
    """The share is that of the values that are there; what is missing is no fault of the reader's."""
    good, missing, bad = (1, "2019-05-01", 5, ""), (1, "2019-05-01", "", ""), (1, "2019-05-01", "?", "")
    made = clean(payments=[*[good] * 9, *[missing] * 50, bad])
    assert made.account("payments")["spent"] == {"read": 9, "missing": 50, "unreadable": 1}
    assert "'?' is no amount. So it is with 2 of the 11 values" in of_file(
        "payments", csv_text("payments", [*[good] * 9, *[missing] * 50, bad, bad])
    )


def test_the_line_of_a_value_is_told_whatever_stands_before_it() -> None:
    """Line ends within values, blank lines, a delimiter of their own, a field that is longer than Python's limit."""
    before = '1;2019-05-01;5;;"of two\nlines; or so"\n\n' + f"1;2019-05-01;5;;{'x' * 200_000}\n"
    text = "CUS_CUST_ID_BUY;FECHA;SPENT;DESCUENTO;NOTE\n" + before + "1;soon;5;;\n" * 3
    limit = csv.field_size_limit()
    assert of_file("payments", text.encode()).startswith("PAYMENTS.csv, line 6, column FECHA: 'soon' is no day.")
    assert csv.field_size_limit() == limit, "it is one of the whole process"


# What stays ---------------------------------------------------------------------------------------------------------

HEADER_LINE, LINE = GOOD_FILES["payments"].splitlines(keepends=True)
BROKEN_PAYMENTS = {
    "empty": b"",
    "a column short": b"CUS_CUST_ID_BUY,FECHA\n1,2019-05-01\n",
    "a value too many": HEADER_LINE + LINE * 3000 + LINE.replace(b"\n", b",9\n"),
    "an open quote": HEADER_LINE + LINE * 3000 + b'1,2019-05-01,5,"1\n',
    "words": HEADER_LINE + b"1,soon,5,\n" * 10,
    "nobody": HEADER_LINE + b",2019-05-01,5,\n",
}


@pytest.mark.parametrize("name", BROKEN_PAYMENTS)
def test_payments_that_are_refused_leave_nothing(name: str, tmp_path: Path) -> None:
    refusal(tmp_path, payments=BROKEN_PAYMENTS[name])
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


def test_payments_that_are_refused_leave_those_of_before_as_they_were(tmp_path: Path) -> None:
    before = clean_place(write_files(tmp_path / "files"), tmp_path / "store").rows("payments")
    refusal(tmp_path, payments=BROKEN_PAYMENTS["a value too many"])
    again = clean_place(write_files(tmp_path / "files"), tmp_path / "store")
    assert again.rows("payments") == before


# Loaded as they are -------------------------------------------------------------------------------------------------

ANYTHING = [*"\ufdd0\ufdd1\uffff\ue000\ufeff\u2028\x85\v", "\\N", "\\xff", "\\.", '"x\n\\.\ny"', '"a\rb"']
USERS = "CUS_CUST_ID_BUY,GENDER,RANGO_EDAD,TARJETAS,ESTADO\n"


def test_seed_keeps_any_text(database: Connection, tmp_path: Path) -> None:  # noqa: ARG001
    lines = [f"{number},F,30,{text},x\n" for number, text in enumerate(ANYTHING)]
    root = write_files(tmp_path, demograficos=(USERS + "".join(lines)).encode())
    with warehouse.migrated() as tx, tx.transaction():
        seed.seed(tx, root)
        rows = tx.execute("SELECT tarjetas FROM raw.demograficos ORDER BY cus_cust_id_buy").fetchall()
        raise Rollback  # the other tests find the tables as they were
    assert [row["tarjetas"] for row in rows] == [text.strip('"') for text in ANYTHING]


def test_seed_names_the_line_of_a_nul_byte(database: Connection, tmp_path: Path) -> None:  # noqa: ARG001
    root = write_files(tmp_path, demograficos=f"{USERS}1,F,30,x,y\n2,F,30,a\0b,z\n".encode())
    said = r"DEMOGRAFICOS\.csv, line 3: holds a NUL byte"
    with warehouse.migrated() as tx, pytest.raises(BadFile, match=said), tx.transaction():
        seed.seed(tx, root)
