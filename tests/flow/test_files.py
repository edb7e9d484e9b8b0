"""Files as they really come: each is loaded once and whole, or refused with the file, the line and the column."""

from __future__ import annotations

import csv
import gzip
import random
import re
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.core.errors import GateFailed, PipelineError
from pipelines.crypto import history
from pipelines.services.warehouse import Connection, Row
from tests.helpers import (
    COLUMNS,
    DAY,
    GOOD,
    HISTORY,
    count,
    empty,
    insert_rows,
    load,
    luigi,
    python,
    raw_rows,
    rows_of,
    run_flow,
    set_settings,
    write_csv,
    write_text,
)  # fmt: skip

HEADER = ",".join(COLUMNS)
LINE = ",".join(GOOD)
ROW = ("BRASIL", 200234, "1/2/2023", "ETH", Decimal("1200.0000"), Decimal("1.30000000"))
POLICIES = pytest.mark.parametrize("on_invalid", ["halt", "quarantine"])


def nothing_happened(database: Connection) -> bool:
    tables = (HISTORY, "raw.day_changes", "ops.loaded_files", "ops.materializations", "prod.bt_crypto_events")
    return not any(count(database, table) for table in tables)


def unreadable(database: Connection) -> dict[int, set[str]]:
    """Reasons of the rejected lines, by line number."""
    rejects = rows_of(database, "dqm.bt_crypto_events_rejects WHERE source_file IS NOT NULL")
    return {row["source_line"]: set(row["reasons"]) for row in rejects}


# Files that cannot be read as a whole -----------------------------------------------------------------------------


def bomb(path: Path) -> None:
    """1 GB of zeros, damaged at its end: whoever reads it all says something else."""
    path.write_bytes(gzip.compress(bytes(1 << 20)) * 1024 + b"\x1f\x8bgarbage")


def endless_line_below(path: Path) -> None:
    """Two good lines, then one without an end, in a gzip that is damaged behind it."""
    start, line = gzip.compress(f"{HEADER}\n{LINE}\n".encode()), gzip.compress(b"7" * (1 << 20))
    path.write_bytes(start + line * 64 + b"\x1f\x8bgarbage")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(f"{HEADER}\n".encode())
        file.truncate(64 << 20)


def parquet(path: Path, **columns: Any) -> Path:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


def good_columns(rows: int = 1) -> dict[str, Any]:
    return {name: [value] * rows for name, value in zip(COLUMNS, GOOD, strict=True)}


def truncated_parquet(path: Path) -> None:
    content = parquet(path, **good_columns(1000)).read_bytes()
    path.write_bytes(content[: len(content) // 2])


def parquet_without_price(path: Path) -> None:
    columns = good_columns()
    del columns["purchase_price"]
    parquet(path, **columns)


def gzip_of(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def damaged_gzip(path: Path) -> None:
    content = bytearray(gzip_of(f"{HEADER}\n{LINE}\n".encode() * 200))
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def wrong_checksum(path: Path) -> None:
    content = bytearray(gzip_of(f"{HEADER}\n{LINE}\n".encode()))
    content[-8] ^= 0xFF
    path.write_bytes(content)


NO_FILES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "empty": (b"", ("line 1", "empty")),
    "only newlines": (b"\n\n\n", ("line 1", "empty")),
    "only a byte order mark": (b"\xef\xbb\xbf", ("line 1", "empty")),
    "empty gzip": (gzip_of(b""), ("line 1", "empty")),
    "wrong columns": (b"id,name\n1,x\n", ("line 1", "'id' is unknown", "'name' is unknown", "site_id is missing")),
    "no header": (f"{LINE}\n{LINE}\n".encode(), ("line 1", "site_id is missing")),
    "missing column": (
        b"site_id,user_id,purchase_date,crypto_type,purchase_price\n",
        ("line 1", "purchase_units is missing"),
    ),
    "an extra column": (f"{HEADER},fee\n{LINE},1\n".encode(), ("line 1", "'fee' is unknown")),
    "a nameless column": (f"{HEADER},\n{LINE},\n".encode(), ("line 1", "'' is unknown")),
    "duplicate column": (f"{HEADER},user_id\n".encode(), ("line 1", "user_id is there twice")),
    "a column under both of its names": (f"{HEADER},price\n".encode(), ("line 1", "purchase_price is there twice")),
    "semicolons": (f"{HEADER}\n{LINE}\n".replace(",", ";").encode(), ("line 1", "delimiter is ';'", "comma")),
    "tabs": (f"{HEADER}\n{LINE}\n".replace(",", "\t").encode(), ("line 1", "delimiter is '\\t'", "comma")),
    "pipes": (f"{HEADER}\n{LINE}\n".replace(",", "|").encode(), ("line 1", "delimiter is '|'", "comma")),
    "binary garbage": (random.Random(1).randbytes(5000), ("line 1", "no text")),
    "binary garbage without a newline": (bytes(range(128, 256)) * 100, ("line 1", "no text")),
    "UTF-16": (f"{HEADER}\n{LINE}\n".encode("utf-16"), ("line 1", "no text")),
    "NUL bytes in the header": (f"{HEADER}\0\n".encode(), ("line 1", "no text")),
    "an open quote in the header": (f'"{HEADER}\n{LINE}\n'.encode(), ("line 1",)),
    "truncated gzip": (gzip_of(f"{HEADER}\n{LINE}\n".encode() * 50)[:-30], ("damaged gzip",)),
    "gzip cut in its header": (gzip_of(b"x")[:8], ("damaged gzip",)),
    "two bytes of gzip": (b"\x1f\x8b", ("damaged gzip",)),
    "damaged gzip": (damaged_gzip, ("damaged gzip",)),
    "gzip with a wrong checksum": (wrong_checksum, ("damaged gzip",)),
    "gzip with something behind it": (gzip_of(f"{HEADER}\n{LINE}\n".encode()) + b"\x1f\x8bx", ("damaged gzip",)),
    "a gigabyte in one line": (bomb, ("line 1", "longer than 1,048,576 bytes")),
    "an endless third line": (endless_line_below, ("line 3", "longer than 1,048,576 bytes")),
    "a sparse file": (sparse, ("line 2", "longer than 1,048,576 bytes")),
    "truncated Parquet": (truncated_parquet, ("damaged Parquet",)),
    "four bytes of Parquet": (b"PAR1", ("damaged Parquet",)),
    "Parquet without a column": (parquet_without_price, ("purchase_price is missing",)),
    "Parquet with a column of lists": (
        lambda path: parquet(path, **{**good_columns(), "site_id": [["BRASIL"]]}),
        ("column site_id", "list<"),
    ),
    "Parquet with another column": (lambda path: parquet(path, **good_columns(), fee=[1]), ("'fee' is unknown",)),
}


@POLICIES
@pytest.mark.parametrize("name", NO_FILES)
def test_what_is_no_history_is_refused_as_a_whole(database, tmp_path: Path, name: str, on_invalid: str) -> None:
    content, said = NO_FILES[name]
    path = tmp_path / "history.csv"
    content(path) if callable(content) else path.write_bytes(content)
    with pytest.raises(history.BadFile) as refusal:
        load(path, on_invalid)
    assert str(path) in str(refusal.value)
    for words in said:
        assert words in str(refusal.value)
    assert len(str(refusal.value)) < 2000
    assert nothing_happened(database)
    assert unreadable(database) == {}


def test_a_file_that_is_not_there_ends_the_command_with_missing_data(database, tmp_path: Path) -> None:
    done = luigi("CryptoMerge", "--date", str(DAY), "--source", str(tmp_path / "no.csv"))
    assert done.returncode == 20, done.stderr
    assert f"{tmp_path / 'no.csv'}" in done.stderr
    assert "Traceback" not in done.stderr
    assert nothing_happened(database)


def test_a_bad_file_ends_the_command_with_task_failed_and_without_a_traceback(database, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text(f"{HEADER}\n{LINE}\n".replace(",", ";"))
    done = luigi("CryptoMerge", "--date", str(DAY), "--source", str(path))
    assert done.returncode == 30, done.stderr
    assert f"{path}, line 1" in done.stderr
    assert "Traceback" not in done.stderr
    assert nothing_happened(database)


# Lines that cannot become a row -----------------------------------------------------------------------------------

BAD_LINES: dict[str, tuple[bytes, set[str]]] = {
    "too many fields": (f"{LINE},1".encode(), {"line_wrong_number_of_fields"}),
    "an empty field too many": (f"{LINE},".encode(), {"line_wrong_number_of_fields"}),
    "too few fields": (b"BRASIL,200234,1/2/2023,ETH,1200", {"line_wrong_number_of_fields"}),
    "a blank": (b" ", {"line_wrong_number_of_fields"}),
    "an open quote": (b'"BRASIL,200234,1/2/2023,ETH,1200,1.3', {"line_wrong_number_of_fields"}),
    "a quote in the middle": (b'BRA"SIL,200234,1/2/2023,ETH,1200,1.3', {"line_wrong_number_of_fields"}),
    "text behind a quote": (b'"BRASIL"x,200234,1/2/2023,ETH,1200,1.3', {"line_wrong_number_of_fields"}),
    "a decimal comma": (b"BRASIL,200234,1/2/2023,ETH,1200,1,3", {"line_wrong_number_of_fields"}),
    "a quoted decimal comma": (b'BRASIL,200234,1/2/2023,ETH,"1200,5",1.3', {"purchase_price_not_numeric_18_4"}),
    "a letter in the user": (b"BRASIL,abc,1/2/2023,ETH,1200,1.3", {"user_id_not_bigint"}),
    "a fraction of a user": (b"BRASIL,200234.5,1/2/2023,ETH,1200,1.3", {"user_id_not_bigint"}),
    "user beyond BIGINT": (b"BRASIL,9223372036854775808,1/2/2023,ETH,1200,1.3", {"user_id_not_bigint"}),
    "user below BIGINT": (b"BRASIL,-9223372036854775809,1/2/2023,ETH,1200,1.3", {"user_id_not_bigint"}),
    "user of a hundred digits": (b"BRASIL," + b"9" * 100 + b",1/2/2023,ETH,1200,1.3", {"user_id_not_bigint"}),
    "user in other digits": ("BRASIL,٢٠٠,1/2/2023,ETH,1200,1.3".encode(), {"user_id_not_bigint"}),
    "a word for a price": (b"BRASIL,200234,1/2/2023,ETH,cheap,1.3", {"purchase_price_not_numeric_18_4"}),
    "price overflow": (b"BRASIL,200234,1/2/2023,ETH,100000000000000,1.3", {"purchase_price_not_numeric_18_4"}),
    "price overflow by rounding": (
        b"BRASIL,200234,1/2/2023,ETH,99999999999999.99995,1.3",
        {"purchase_price_not_numeric_18_4"},
    ),
    "price overflow below zero": (b"BRASIL,200234,1/2/2023,ETH,-1e14,1.3", {"purchase_price_not_numeric_18_4"}),
    "an exponent that overflows": (b"BRASIL,200234,1/2/2023,ETH,1e99,1.3", {"purchase_price_not_numeric_18_4"}),
    "an exponent beyond all": (b"BRASIL,200234,1/2/2023,ETH,1e999999999,1.3", {"purchase_price_not_numeric_18_4"}),
    "units overflow": (b"BRASIL,200234,1/2/2023,ETH,1200,10000000000", {"purchase_units_not_numeric_18_8"}),
    "no number": (b"BRASIL,200234,1/2/2023,ETH,NaN,Infinity",
                  {"purchase_price_not_numeric_18_4", "purchase_units_not_numeric_18_8"}),
    "hexadecimal and separators": (b"BRASIL,0x1F,1/2/2023,ETH,1_000,.",
                                   {"user_id_not_bigint", "purchase_price_not_numeric_18_4",
                                    "purchase_units_not_numeric_18_8"}),
    "a NUL byte": (b"BRA\0SIL,200234,1/2/2023,ETH,1200,1.3", {"line_not_utf8_text"}),
    "latin-1 in a UTF-8 file": ("BRASÍL,200234,1/2/2023,ETH,1200,1.3".encode("latin-1"), {"line_not_utf8_text"}),
    "a surrogate": (b"BR\xed\xa0\x80,200234,1/2/2023,ETH,1200,1.3", {"line_not_utf8_text"}),
    "everything at once": (b"\xff,abc,1/2/2023,ETH,x,y,z", {
        "line_not_utf8_text", "line_wrong_number_of_fields", "user_id_not_bigint",
        "purchase_price_not_numeric_18_4", "purchase_units_not_numeric_18_8"}),
}  # fmt: skip


def file_of_bad_lines(path: Path) -> dict[int, str]:
    """Every bad line between good ones; the name of each by its number."""
    lines, named = [HEADER.encode()], {}
    for name, (line, _) in BAD_LINES.items():
        lines += [LINE.encode(), line]
        named[len(lines)] = name
    path.write_bytes(b"\n".join([*lines, LINE.encode()]) + b"\n")
    return named


def test_unreadable_lines_stop_the_file_under_halt_with_their_evidence(database, tmp_path: Path) -> None:
    named = file_of_bad_lines(path := tmp_path / "history.csv")
    with pytest.raises(GateFailed) as refusal:
        load(path)
    assert str(path) in str(refusal.value)
    assert f"{len(BAD_LINES)} of {2 * len(BAD_LINES) + 1} lines" in str(refusal.value)
    assert "line 3" in str(refusal.value)
    assert nothing_happened(database)
    assert {named[line]: reasons for line, reasons in unreadable(database).items()} == {
        name: reasons for name, (_, reasons) in BAD_LINES.items()
    }
    rejects = rows_of(database, "dqm.bt_crypto_events_rejects")
    assert {(row["source_file"], row["disposition"], row["run_date"]) for row in rejects} == {
        (str(path), "halted", DAY)
    }
    (run,) = rows_of(database, "dqm.dq_runs")
    assert (run["suite_name"], run["outcome"], run["rows_judged"], run["rows_rejected"]) == (
        "source_file", "halted", 2 * len(BAD_LINES) + 1, len(BAD_LINES)
    )  # fmt: skip


def test_bytes_that_are_no_text_are_kept_and_text_that_looks_damaged_is_text(database, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    lines = [HEADER.encode(), b"BRAS\xcdL\0,1,1/2/2023,ETH,1,1", "BRAS\ufffdL,2,1/2/2023,ETH,1,1".encode()]
    path.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(GateFailed):
        load(path)
    (reject,) = rows_of(database, "dqm.bt_crypto_events_rejects")
    assert (reject["source_line"], reject["line"]) == (2, r"BRAS\xcdL\x00,1,1/2/2023,ETH,1,1")
    path.write_bytes(lines[0] + b"\n" + lines[2] + b"\n")
    load(path)
    assert [row[0] for row in raw_rows(database)] == ["BRAS\ufffdL"]


def test_a_bad_row_is_told_with_its_file_and_line(database, tmp_path: Path, monkeypatch) -> None:
    """Blank and unreadable lines and rows of others come between, and ids are given out anew: each line is its own."""
    set_settings(monkeypatch, MAX_REJECT_SHARE="0.5")
    bad = "CHILE,{},1/2/2023,ETH,1,1"
    load(write_text(tmp_path / "before.csv", *[LINE] * 7))
    database.execute(f"TRUNCATE {HISTORY} RESTART IDENTITY")
    insert_rows(database, ("CHILE", 1, "1/2/2023", "ETH", 1, 1))
    path = write_text(tmp_path / "history.csv", LINE, "", bad.format(2), "unreadable", LINE, bad.format(3))
    with pytest.raises(GateFailed, match="site_id_unknown: 3 rows, the first: ingest_id 1"):
        run_flow(source=str(path), on_invalid="quarantine")
    database.execute(f"DELETE FROM {HISTORY} WHERE user_id = 1")
    with pytest.raises(GateFailed, match=f"site_id_unknown: 2 rows, the first: {path}, line 4"):
        run_flow(source=str(path))
    found = rows_of(database, "dqm.bt_crypto_events_rejects WHERE ingest_id IS NOT NULL",
                    "user_id, source_file, source_line", "user_id")  # fmt: skip
    assert [tuple(row.values()) for row in found] == [(1, None, None), (2, str(path), 4), (3, str(path), 7)]


@pytest.mark.parametrize("ids", ["SET INCREMENT BY 2", "SET GENERATED ALWAYS", "SET INCREMENT BY 1"])
def test_lines_are_told_right_whatever_gaps_the_ids_have(database, tmp_path: Path, ids: str) -> None:
    bad = "CHILE,{},1/2/2023,ETH,1,1"
    path = write_text(tmp_path / "history.csv", LINE, bad.format(3), "", "", bad.format(6), LINE, "", bad.format(9))
    database.execute(f"ALTER TABLE {HISTORY} ALTER ingest_id {ids}")
    try:
        with pytest.raises(GateFailed, match=f"site_id_unknown: 3 rows, the first: {path}, line 3"):
            run_flow(source=str(path))
    finally:
        database.execute(f"ALTER TABLE {HISTORY} ALTER ingest_id SET GENERATED BY DEFAULT SET INCREMENT BY 1")
    assert all(row["user_id"] == row["source_line"] for row in rows_of(database, "dqm.bt_crypto_events_rejects"))


def test_what_became_of_a_file_is_told(database, tmp_path: Path, monkeypatch) -> None:
    set_settings(monkeypatch, MAX_REJECT_SHARE="0.9")
    path = write_text(tmp_path / "history.csv", LINE, "unreadable", LINE.replace("1/2/2023", "1/1/2023"))
    run = ("CryptoMerge", "--date", str(DAY), "--source", str(path), "--on-invalid", "quarantine")
    first = luigi(*run).stdout
    assert re.search(r"lines loaded from the file +2 ", first)
    assert re.search(r"lines unreadable +1 ", first)
    assert "1 row of the file lie outside of this window" in first
    database.execute(f"DELETE FROM {HISTORY}")
    again = luigi(*run, "--allow-mass-deactivation").stdout
    assert re.search(r"lines loaded from the file +0 ", again)
    assert "a file is loaded once" in again
    assert python("-m", "pipelines", "forget", "--source", str(path)).returncode == 0
    assert re.search(r"lines loaded from the file +2 ", luigi(*run).stdout)


def test_quarantine_sets_unreadable_lines_aside_and_loads_the_others(database, tmp_path: Path, monkeypatch) -> None:
    set_settings(monkeypatch, MAX_REJECT_SHARE="0.6")
    named = file_of_bad_lines(path := tmp_path / "history.csv")
    told = load(path, "quarantine")
    assert (told["lines"], told["loaded"], told["unreadable"]) == (
        2 * len(BAD_LINES) + 1, len(BAD_LINES) + 1, len(BAD_LINES)
    )  # fmt: skip
    assert raw_rows(database) == [ROW] * (len(BAD_LINES) + 1)
    assert {named[line]: reasons for line, reasons in unreadable(database).items()} == {
        name: reasons for name, (_, reasons) in BAD_LINES.items()
    }
    for row in rows_of(database, "dqm.bt_crypto_events_rejects"):
        original = BAD_LINES[named[row["source_line"]]][0]
        assert row["line"] == original.decode("utf-8", errors="backslashreplace").replace("\0", r"\x00")
        assert row["disposition"] == "quarantined"


@pytest.mark.parametrize(("share", "goes_on"), [("0.1", False), ("0.11", True), ("0", False)])
def test_quarantine_goes_on_only_under_the_share(database, tmp_path: Path, monkeypatch, share, goes_on: bool) -> None:
    set_settings(monkeypatch, MAX_REJECT_SHARE=share)
    path = write_text(tmp_path / "history.csv", *[LINE] * 9, "x")
    if goes_on:
        assert load(path, "quarantine")["loaded"] == 9
        return
    with pytest.raises(GateFailed, match=r"10\.0%.*MAX_REJECT_SHARE"):
        load(path, "quarantine")
    assert nothing_happened(database)
    assert unreadable(database) == {11: {"line_wrong_number_of_fields"}}


# Readable files in all their ways ---------------------------------------------------------------------------------

QUOTED = '"BRASIL","200234","1/2/2023","ETH","1200","1.3"'
READABLE: dict[str, bytes] = {
    "plain": f"{HEADER}\n{LINE}\n".encode(),
    "no newline at the end": f"{HEADER}\n{LINE}".encode(),
    "CRLF": f"{HEADER}\r\n{LINE}\r\n".encode(),
    "CRLF in one line only": f"{HEADER}\n{LINE}\r\n".encode(),
    "CRLF without the last one": f"{HEADER}\r\n{LINE}".encode(),
    "byte order mark": f"\ufeff{HEADER}\n{LINE}\n".encode(),
    "byte order mark and quotes": f'\ufeff"{HEADER.replace(",", chr(34) + "," + chr(34))}"\n{QUOTED}\n'.encode(),
    "blank lines": f"{HEADER}\n\n{LINE}\n\n\r\n".encode(),
    "capitals and blanks in the header": f"{HEADER.upper().replace(',', ' , ')}\n{LINE}\n".encode(),
    "aliases": f"site_id,user_id,purchase_date,crypto_type,price,units\n{LINE}\n".encode(),
    "shuffled": b"units,crypto_type,price,site_id,purchase_date,user_id\n1.3,ETH,1200,BRASIL,1/2/2023,200234\n",
    "quoted": f"{HEADER}\n{QUOTED}\n".encode(),
    "quoted CRLF": f"{HEADER}\r\n{QUOTED}\r\n".encode(),
    "float user": f"{HEADER}\nBRASIL,200234.0,1/2/2023,ETH,1200.0,1.30\n".encode(),
    "signs and zeros": f"{HEADER}\nBRASIL,+00200234,1/2/2023,ETH,+001200.,+1.3000000000\n".encode(),
    "blanks around numbers": f"{HEADER}\nBRASIL, 200234 ,1/2/2023,ETH, 1200,1.3 \n".encode(),
    "exponents": f"{HEADER}\nBRASIL,200234,1/2/2023,ETH,1.2e3,13E-1\n".encode(),
    "rounded": f"{HEADER}\nBRASIL,200234,1/2/2023,ETH,1200.00004999,1.299999995\n".encode(),
    "gzip": gzip_of(f"{HEADER}\n{LINE}\n".encode()),
    "gzip in two members": gzip_of(f"{HEADER}\n".encode()) + gzip_of(f"{LINE}\n".encode()),
}


@pytest.mark.parametrize("name", READABLE)
def test_files_of_many_writers_say_the_same(database, tmp_path: Path, name: str) -> None:
    path = tmp_path / "any name"
    path.write_bytes(READABLE[name])
    assert load(path)["loaded"] == 1
    assert raw_rows(database) == [ROW]


def test_quoted_fields_hold_commas_and_quotes(database, tmp_path: Path) -> None:
    path = write_text(
        tmp_path / "history.csv",
        '"BRASIL, the ""big"" one",200234,"1/2/2023",",","1200",1.3',
        '"""","200234",1/2/2023,"""""",1200,"1.3"',
        "'BRASIL',200234,1/2/2023, ETH ,1200,1.3",
        "\\N,200234,1/2/2023,back\\slash\ttab,1200,1.3",
        "\\.,200234,1/2/2023,\\n,1200,1.3",
    )
    load(path)
    assert [(row[0], row[3]) for row in raw_rows(database)] == [
        ('BRASIL, the "big" one', ","), ('"', '""'), ("'BRASIL'", " ETH "), ("\\N", "back\\slash\ttab"), ("\\.", "\\n"),
    ]  # fmt: skip


@pytest.mark.parametrize("line", [",,,,,", '"","","","","",""', '"",,"",,,""', ',"",,"",,', " , , , , , "])
def test_empty_fields_are_null_wherever_they_stand(database, tmp_path: Path, line: str) -> None:
    load(write_text(tmp_path / "history.csv", line))
    texts_are_blank = " " if line.startswith(" ") else None
    (row,) = raw_rows(database)
    assert (row[0], row[2], row[3]) == (texts_are_blank,) * 3
    assert (row[1], row[4], row[5]) == (None, None, None)


def test_an_empty_first_field_before_a_quoted_one_is_null(database, tmp_path: Path) -> None:
    load(write_text(tmp_path / "history.csv", ',"200234","1/2/2023","ETH","1200","1.3"'))
    assert raw_rows(database) == [(None, *ROW[1:])]


def test_a_header_alone_is_a_file_without_rows(database, tmp_path: Path) -> None:
    told = load(write_text(tmp_path / "history.csv"))
    assert (told["lines"], told["loaded"]) == (0, 0)
    assert count(database, "ops.loaded_files") == 1
    assert count(database, HISTORY) == 0


def test_line_numbers_count_blank_lines_and_pieces_of_a_megabyte(database, tmp_path: Path) -> None:
    lines = [LINE] * 70_000
    lines[10], lines[60_000] = "", "x"
    with pytest.raises(GateFailed, match="line 60002"):
        load(write_text(tmp_path / "history.csv", *lines))
    assert unreadable(database) == {60_002: {"line_wrong_number_of_fields"}}


def test_a_newline_within_quotes_is_two_unreadable_lines(database, tmp_path: Path) -> None:
    with pytest.raises(GateFailed):
        load(write_csv(tmp_path / "history.csv", [GOOD, ("BRA\nSIL", *GOOD[1:]), GOOD]))
    assert set(unreadable(database)) == {3, 4}


# Parquet ----------------------------------------------------------------------------------------------------------


def test_parquet_columns_of_many_types_say_the_same(database, tmp_path: Path) -> None:
    import pyarrow as pa

    days = {
        "text": ["1/2/2023"],
        "date": pa.array([date(2023, 2, 1)], pa.date32()),
        "date64": pa.array([date(2023, 2, 1)], pa.date64()),
        "timestamp": pa.array([1675209600000], pa.timestamp("ms")),
    }
    users = {
        "text": ["200234"],
        "int64": pa.array([200234], pa.int64()),
        "int32": pa.array([200234], pa.int32()),
        "float": pa.array([200234.0], pa.float64()),
        "decimal": pa.array([Decimal("200234")], pa.decimal128(18, 0)),
    }
    prices = {
        "text": ["1200"],
        "int": pa.array([1200], pa.int64()),
        "float": pa.array([1200.0], pa.float64()),
        "decimal": pa.array([Decimal("1200.0000")], pa.decimal128(18, 4)),
        "wide decimal": pa.array([Decimal("1200.00000000")], pa.decimal256(50, 8)),
    }
    sites = {
        "text": ["BRASIL"],
        "large": pa.array(["BRASIL"], pa.large_string()),
        "dictionary": pa.array(["BRASIL"]).dictionary_encode(),
    }
    tried = 0
    for day in days.values():
        for user, price, site in zip([*users.values()], [*prices.values()], [*sites.values()] * 2, strict=False):
            columns = {
                **good_columns(),
                "purchase_date": day,
                "user_id": user,
                "purchase_price": price,
                "site_id": site,
            }
            assert load(parquet(tmp_path / f"{tried}.parquet", **columns))["loaded"] <= 1
            tried += 1
    assert tried == 20
    rows = [(*row[:2], row[2].replace("01/02", "1/2"), *row[3:]) for row in raw_rows(database)]
    assert set(rows) == {ROW}
    assert len(rows) == count(database, "ops.loaded_files")


@pytest.mark.parametrize("user", [200234, 9_999_999_999, 12_345_678_901, 2**53])
def test_a_parquet_user_that_pandas_made_a_float_is_the_user(database, tmp_path: Path, user: int) -> None:
    load(parquet(tmp_path / "history.parquet", **{**good_columns(2), "user_id": [float(user), None]}))
    assert [row[1] for row in raw_rows(database)] == [user, None]


def test_parquet_numbers_keep_their_digits(database, tmp_path: Path) -> None:
    import pyarrow as pa

    units = [Decimal("0.00000001"), Decimal("1234567890.12345678"), Decimal("-0.00000010"), None]
    prices = [1e-4, 12345678901.5, 99999999999999.0, None]
    columns = {**good_columns(4), "purchase_units": pa.array(units, pa.decimal128(18, 8)), "purchase_price": prices}
    load(parquet(tmp_path / "history.parquet", **columns))
    assert [row[5] for row in raw_rows(database)] == units
    assert [row[4] for row in raw_rows(database)] == [Decimal("0.0001"), Decimal("12345678901.5"), 99999999999999, None]


def test_parquet_rows_are_judged_as_lines_are(database, tmp_path: Path) -> None:
    columns = good_columns(5)
    columns["user_id"] = ["200234", "abc", None, "200234", "200234"]
    columns["site_id"] = ['with "quotes", and comma', "BRASIL", None, "two\nlines", ""]
    columns["purchase_price"] = [float("nan"), 1.0, 1.0, 1.0, float("inf")]
    with pytest.raises(GateFailed) as refusal:
        load(parquet(path := tmp_path / "history.parquet", **columns))
    assert str(path) in str(refusal.value)
    assert unreadable(database) == {3: {"user_id_not_bigint"}, 6: {"purchase_price_not_numeric_18_4"}}
    assert nothing_happened(database)


def test_line_ends_within_a_value_of_parquet_are_kept(database, tmp_path: Path) -> None:
    columns = {**good_columns(2), "site_id": ['two\nlines, "and" \\n', "a\r\nb"], "crypto_type": ["ETH\r", "ETH\n"]}
    load(parquet(tmp_path / "history.parquet", **columns))
    assert [(row[0], row[3]) for row in raw_rows(database)] == list(
        zip(columns["site_id"], columns["crypto_type"], strict=True)
    )


def test_parquet_floats_do_not_depend_on_their_neighbours(database, tmp_path: Path) -> None:
    columns = {**good_columns(4), "user_id": [1e15, 2.0**53, 3.0, 1.5]}
    with pytest.raises(GateFailed):
        load(parquet(path := tmp_path / "history.parquet", **columns))
    assert unreadable(database) == {5: {"user_id_not_bigint"}}
    load(parquet(path, **{**good_columns(3), "user_id": columns["user_id"][:3]}))
    assert [row[1] for row in raw_rows(database)] == [10**15, 2**53, 3]


def test_parquet_with_columns_of_nothing_and_shuffled_aliases(database, tmp_path: Path) -> None:
    columns = {"units": [1.5], "price": [None], "crypto_type": ["ETH"], "purchase_date": [None], "user_id": [None]}
    load(parquet(tmp_path / "history.parquet", **columns, site_id=["BRASIL"]))
    assert raw_rows(database) == [("BRASIL", None, None, "ETH", None, Decimal("1.5"))]


# Once -------------------------------------------------------------------------------------------------------------


def test_a_file_is_loaded_once_whatever_its_name_and_place(database, tmp_path: Path) -> None:
    path = write_text(tmp_path / "history.csv", LINE)
    assert load(path)["loaded"] == 1
    before = rows_of(database, "ops.materializations", order="stage")
    load(path)
    assert rows_of(database, "ops.materializations", order="stage") == before
    load(path, day=date(2023, 2, 2))
    assert rows_of(database, "ops.materializations", order="stage") == before
    other = tmp_path / "copy.csv"
    other.write_bytes(path.read_bytes())
    told = load(other)
    assert (told["loaded"], told["already_loaded_as"]) == (0, str(path))
    assert raw_rows(database) == [ROW]
    assert count(database, "ops.loaded_files") == 1


def test_a_file_with_more_lines_is_another_file(database, tmp_path: Path) -> None:
    load(write_text(tmp_path / "history.csv", LINE))
    load(write_text(tmp_path / "history.csv", LINE, LINE.replace("BRASIL", "MEXICO")))
    assert len(raw_rows(database)) == 3


def test_a_file_that_was_corrected_after_a_halt_loads(database, tmp_path: Path) -> None:
    path = write_text(tmp_path / "history.csv", LINE, "x")
    with pytest.raises(GateFailed):
        load(path)
    with pytest.raises(GateFailed):
        load(path)
    assert unreadable(database) == {3: {"line_wrong_number_of_fields"}}
    load(write_text(path, LINE))
    assert raw_rows(database) == [ROW]


def test_what_halted_may_be_quarantined_and_is_one_reject_still(database, tmp_path: Path, monkeypatch) -> None:
    set_settings(monkeypatch, MAX_REJECT_SHARE="0.9")
    path = write_text(tmp_path / "history.csv", LINE, "x")
    with pytest.raises(GateFailed):
        load(path)
    load(path, "quarantine")
    (reject,) = rows_of(database, "dqm.bt_crypto_events_rejects")
    assert (reject["disposition"], reject["source_line"], reject["line"]) == ("quarantined", 3, "x")
    assert raw_rows(database) == [ROW]


def test_a_file_that_changes_while_it_is_read_is_not_loaded(database, tmp_path: Path) -> None:
    from pipelines.crypto.window import Window
    from pipelines.services import warehouse

    path = write_text(tmp_path / "history.csv", LINE)
    earlier = history.sha256_of(path)
    write_text(path, LINE, LINE)
    with pytest.raises(PipelineError, match="changed while it was being read"), warehouse.migrated() as tx:
        history.load_file(tx, path, earlier, Window(DAY, 5, DAY), "halt", 0.1)
    assert nothing_happened(database)


def test_a_loaded_file_reaches_production_and_a_rerun_adds_nothing(database, tmp_path: Path) -> None:
    path = write_text(tmp_path / "history.csv", LINE, LINE, LINE.replace("200234", "200235"))
    told = run_flow(source=str(path))
    assert (told["loaded"], told["redelivered"], told["inserted"]) == (3, 1, 2)
    before = rows_of(database, "ops.materializations", order="stage")
    run_flow(source=str(path))
    assert rows_of(database, "ops.materializations", order="stage") == before
    assert count(database, "prod.bt_crypto_events") == 2


# Any rows at all --------------------------------------------------------------------------------------------------

NONCHARACTERS = [*range(0xFDD0, 0xFDF0), *(plane << 16 | last for plane in range(17) for last in (0xFFFE, 0xFFFF))]
AWKWARD = [
    *map(chr, NONCHARACTERS), "\ue000", "\uf8ff", "\U0010fffd",  # private use
    "\ufeff", "\ufffd", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029", "\x7f", "\x01", "\t", "\\", '"', ",", "%s",
    "\\N", "\\.", "\\n", "\\t", "\\xff", "\\x00", "\\\\xff", "\\ufdd0",
]  # fmt: skip
CHARACTER = st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n") | st.sampled_from(AWKWARD)
TEXT = st.lists(CHARACTER, max_size=8).map("".join) | st.sampled_from(
    ["BRASIL", "1/2/2023", '"', '""', ",", "\\N", "\\.", " ", "'"]
)
PADDED = st.sampled_from(["", "", " ", "  "])
NUMBER = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**16), max_value=10**16, places=10).map(str),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(["", "0", "-0", "+1", "1.", ".5", "-.5", "1e3", "12E-4", "0.00005", "0.00004999", "5e-9",
                     "99999999999999.9999", "99999999999999.99995", "9999999999.99999999", "9999999999.999999995"]),
    st.sampled_from(["abc", "NaN", "Infinity", "1_0", "0x1", ".", "+", "1e", "--1", "1 2", "١", "1e1.5", "1,5"]),
)  # fmt: skip
USER = st.one_of(
    st.integers(-(2**63) - 2, 2**63 + 1).map(str),
    st.sampled_from(["200234", "200234.0", "200234.", "+7", "-0", "200234.5", "1e5", "abc", "", "٧", "1" * 30]),
)
FIELDS = st.tuples(
    TEXT, st.builds("{1}{0}{1}".format, USER, PADDED), TEXT, TEXT,
    st.builds("{1}{0}{1}".format, NUMBER, PADDED), st.builds("{1}{0}{1}".format, NUMBER, PADDED),
).map(list)  # fmt: skip
RECORD = st.one_of(
    FIELDS, FIELDS, FIELDS, FIELDS,
    st.builds(lambda fields, more: fields + more, FIELDS, st.lists(TEXT, min_size=1, max_size=2)),
    st.builds(lambda fields, kept: fields[:kept], FIELDS, st.integers(0, 5)),
)  # fmt: skip
QUOTED_FIELDS = st.lists(st.booleans(), min_size=8, max_size=8) | st.just([False] * 8) | st.just([True] * 8)
BAD = object()


def written(fields: list[str], quoted: list[bool]) -> str:
    """A line as the csv module writes it, with quotes where they must be and where they may."""
    parts = []
    for field, more in zip(fields, quoted, strict=False):
        csv.writer(part := StringIO(), quoting=csv.QUOTE_ALL if more else csv.QUOTE_MINIMAL).writerow([field])
        parts.append(part.getvalue().removesuffix("\r\n") if field or more else "")
    return ",".join(parts)


def as_user(text: str) -> int | object | None:
    """BIGINT, maybe written as a float; None where empty, BAD where it is neither."""
    if not (text := text.strip(" ")):
        return None
    whole, _, fraction = text.partition(".")
    if not whole.isascii() or fraction.strip("0") or not whole.removeprefix("-").removeprefix("+").isdigit():
        return BAD
    return user if -(2**63) <= (user := int(whole)) < 2**63 else BAD


def as_number(text: str, scale: int) -> Decimal | object | None:
    """NUMERIC(18, scale), rounded as PostgreSQL does; None where empty, BAD where it is none or too large."""
    if not (text := text.strip(" ")):
        return None
    if not text.isascii() or "_" in text or " " in text:
        return BAD
    try:
        number = Decimal(text)
    except InvalidOperation:
        return BAD
    if not number.is_finite():
        return BAD
    with localcontext(prec=80):
        number = number.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
    return number if abs(number) < 10 ** (18 - scale) else BAD


def read_plainly(path: Path) -> tuple[list[tuple[Any, ...]], dict[int, set[str]]]:
    """What Python's csv reader and plain code say of a file: its rows, and what is wrong with the other lines."""
    rows, bad = [], {}
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        for fields in reader:
            if not fields:
                continue
            wrong = {"line_wrong_number_of_fields"} if len(fields) != 6 else set()
            site, user, day, crypto, price, units = [*fields, *[""] * 6][:6]
            row = (
                site or None, as_user(user), day or None, crypto or None, as_number(price, 4), as_number(units, 8),
            )  # fmt: skip
            for value, reason in zip((row[1], row[4], row[5]), (
                "user_id_not_bigint", "purchase_price_not_numeric_18_4", "purchase_units_not_numeric_18_8",
            ), strict=True):  # fmt: skip
                wrong |= {reason} if value is BAD else set()
            if wrong:
                bad[reader.line_num] = wrong
            else:
                rows.append(row)
    return rows, bad


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=st.lists(st.tuples(RECORD, QUOTED_FIELDS), min_size=1, max_size=12),
    line_end=st.sampled_from(["\n", "\r\n"]),
    packed=st.booleans(),
)
def test_any_rows_are_read_as_pythons_csv_reader_reads_them(
    database, tmp_path: Path, monkeypatch, records: list[tuple[list[str], list[bool]]], line_end: str, packed: bool
) -> None:
    set_settings(monkeypatch, MAX_REJECT_SHARE="1")
    empty(database)
    path = tmp_path / "history.csv"
    all_lines = [HEADER, LINE, *(written(*record) for record in records)]  # a file of bad lines only is another test
    path.write_bytes("".join(line + line_end for line in all_lines).encode())
    rows, bad = read_plainly(path)
    lines = path.read_bytes().decode().split("\n")
    if packed:
        path.write_bytes(gzip_of(path.read_bytes()))
    told = load(path, "quarantine")
    assert raw_rows(database) == rows
    assert unreadable(database) == bad
    assert (told["loaded"], told["unreadable"], told["lines"]) == (len(rows), len(bad), len(rows) + len(bad))
    kept: list[Row] = rows_of(database, "dqm.bt_crypto_events_rejects")
    assert {row["source_line"]: row["line"] for row in kept} == {n: lines[n - 1].rstrip("\r") for n in bad}


# Any text, and its damage -----------------------------------------------------------------------------------------

KINDS = pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
LONE_CR = st.lists(CHARACTER | st.just("\r"), max_size=8).map("".join)
LINE_ENDS = st.lists(CHARACTER | st.sampled_from(["\r", "\n", "\r\n"]), max_size=8).map("".join)
# None of them is text, whatever text stands around it.
NO_TEXT = st.sampled_from([
    b"\0", b"\xff", b"\xfe", b"\x80", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xc0\x80", b"\xed\xa0\x80",
    b"\xef\xb7", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80",
])  # fmt: skip
DAMAGED_TEXT = st.builds(lambda *parts: b"".join(parts), TEXT.map(str.encode), NO_TEXT, TEXT.map(str.encode))


def quoted(value: bytes) -> bytes:
    return b'"%s"' % value.replace(b'"', b'""')


def file_of_texts(path: Path, kind: str, texts: list[tuple[bytes, bytes, bytes]], all_quoted: bool = True) -> Path:
    """A file with these sites, days and currencies, all else being good; they need not be UTF-8."""
    import pyarrow as pa

    if kind == "parquet":
        columns = dict(zip(("site_id", "purchase_date", "crypto_type"), zip(*texts, strict=True), strict=True))
        # A view is not validated: what a file calls a string need not be text.
        damaged = {name: pa.array(values, pa.binary()).view(pa.string()) for name, values in columns.items()}
        return parquet(path, **{**good_columns(len(texts)), **damaged})
    lines = [HEADER.encode()]
    for text in texts:
        site, day, crypto = (quoted(each) if all_quoted or b"," in each or b'"' in each else each for each in text)
        lines.append(b",".join([site, b"200234", day, crypto, b"1200", b"1.3"]))
    content = b"\n".join(lines) + b"\n"
    path.write_bytes(gzip_of(content) if kind == "csv.gz" else content)
    return path


def texts_of(database: Connection) -> list[tuple[str, str, str]]:
    return [(row[0] or "", row[2] or "", row[3] or "") for row in raw_rows(database)]


def encoded(texts: list[tuple[str, str, str]]) -> list[tuple[bytes, bytes, bytes]]:
    return [(site.encode(), day.encode(), crypto.encode()) for site, day, crypto in texts]


@KINDS
def test_every_code_point_is_kept(database, tmp_path: Path, kind: str) -> None:
    """All but NUL, which PostgreSQL cannot store, and in CSV the line feed, which ends a line even within quotes."""
    points = [each for each in range(1, 0x110000) if not 0xD800 <= each < 0xE000 and (each != 10 or kind == "parquet")]
    texts = [("".join(map(chr, points[start : start + 512])), "x", "y") for start in range(0, len(points), 512)]
    assert load(file_of_texts(tmp_path / "history", kind, encoded(texts)))["loaded"] == len(texts)
    lost = [set(text[0]) - set(kept[0]) for text, kept in zip(texts, texts_of(database), strict=True) if text != kept]
    assert lost == []


@KINDS
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), all_quoted=st.booleans())
def test_any_text_is_kept(database, tmp_path: Path, kind: str, data: st.DataObject, all_quoted: bool) -> None:
    text = LINE_ENDS if kind == "parquet" else LONE_CR
    texts = data.draw(st.lists(st.tuples(text, text, text), min_size=1, max_size=8))
    empty(database)
    assert load(file_of_texts(tmp_path / "history", kind, encoded(texts), all_quoted))["loaded"] == len(texts)
    assert texts_of(database) == texts


@KINDS
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.tuples(TEXT.map(str.encode) | DAMAGED_TEXT, TEXT.map(str.encode)), min_size=1, max_size=30),
    block=st.integers(256, 1024),
)
def test_damaged_lines_are_rejected_and_their_neighbours_kept(
    database, tmp_path: Path, monkeypatch, kind: str, lines: list[tuple[bytes, bytes]], block: int
) -> None:
    monkeypatch.setattr(history, "MAX_LINE_BYTES", block)  # blocks that end anywhere, within a character too
    set_settings(monkeypatch, MAX_REJECT_SHARE="1")
    empty(database)
    texts = [(b"the first", b"", b""), *((site, b"1/2/2023", crypto) for site, crypto in lines)]
    load(file_of_texts(tmp_path / "history", kind, texts), "quarantine")
    kept, evidence = [], {}
    for number, (site, day, crypto) in enumerate(texts, 2):
        try:
            assert b"\0" not in site
            kept.append((site.decode(), day.decode(), crypto.decode()))
        except (AssertionError, UnicodeDecodeError):
            numbers = [quoted(each) if kind == "parquet" else each for each in (b"200234", b"1200", b"1.3")]
            line = b",".join([quoted(site), numbers[0], quoted(day), quoted(crypto), *numbers[1:]])
            evidence[number] = line.decode("utf-8", "backslashreplace").replace("\0", r"\x00")
    assert texts_of(database) == kept
    rejects = rows_of(database, "dqm.bt_crypto_events_rejects")
    assert {row["source_line"]: row["line"] for row in rejects} == evidence
    assert all(row["reasons"] == ["line_not_utf8_text"] for row in rejects)


@KINDS
def test_text_that_looks_like_evidence_of_damage_is_text(database, tmp_path: Path, monkeypatch, kind: str) -> None:
    set_settings(monkeypatch, MAX_REJECT_SHARE="1")
    texts = [(rb"BRAS\xcdL\x00", b"", b""), (b"BRAS\xcdL\0", b"", b""), (rb"BRAS\xcdL\x00", b"", b"")]
    load(file_of_texts(tmp_path / "history", kind, texts), "quarantine")
    assert texts_of(database) == [(r"BRAS\xcdL\x00", "", "")] * 2
    (reject,) = rows_of(database, "dqm.bt_crypto_events_rejects")
    assert (reject["source_line"], reject["reasons"]) == (3, ["line_not_utf8_text"])
    assert r'"BRAS\xcdL\x00"' in reject["line"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), under_a_header=st.booleans(), packed=st.booleans())
def test_any_bytes_are_loaded_or_refused_in_plain_words(
    database, tmp_path: Path, content: bytes, under_a_header: bool, packed: bool
) -> None:
    empty(database)
    content = f"{HEADER}\n".encode() * under_a_header + content
    (path := tmp_path / "history.csv").write_bytes(gzip_of(content) if packed else content)
    try:
        told = load(path)
        assert count(database, HISTORY) == told["loaded"]
    except (history.BadFile, GateFailed) as refusal:
        assert str(path) in str(refusal)
        assert nothing_happened(database)
