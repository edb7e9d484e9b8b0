"""The six files: what they are called, what their columns mean however they are named, and how they are read."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.churn.results import FileValues
from pipelines.core import statements
from pipelines.core.errors import MissingInput, PipelineError
from pipelines.services import file_hashes
from pipelines.services.artifacts import Place

if TYPE_CHECKING:
    import duckdb

    from pipelines.services.warehouse import Connection

MAX_HEADER_BYTES = 1 << 16
MAX_LINE_BYTES = 1 << 30  # beyond any line that DuckDB takes
MONTHS = 12  # months back of which a file may tell; what is further back is not needed
MEMORY = "600MB"  # of DuckDB; beyond it, it works on disk
TYPES: Mapping[str, str] = {
    "id": "BIGINT",
    "day": "DATE",
    "amount": "DECIMAL(18,4)",
    "flag": "INTEGER",
    "text": "VARCHAR",
}
OTHER_FILES: Mapping[bytes, str] = {
    b"\x1f\x8b": "a gzip file", b"PK": "a zip file, or a workbook", b"PAR1": "a Parquet file",
    b"\xff\xfe": "UTF-16 text", b"\xfe\xff": "UTF-16 text",
}  # fmt: skip
UNUSUAL = 0.01  # of the rows that a day has on average: a day with fewer is a slip of the pen, not where a file ends
OUTCOMES = ("read", "missing", "unreadable", "rewritten")  # the digits of `problems`, as values.sql numbers them


class BadFile(PipelineError):
    """A file cannot be read as what it should be; nothing was made of it."""

    is_retryable = False


@dataclass(frozen=True)
class Column:
    """A column by its name, in lower case; ``kind`` is how ``values.sql`` reads it."""

    name: str
    kind: str
    aliases: tuple[str, ...] = ()
    required: bool = True


@dataclass(frozen=True)
class Source:
    """A file; ``table`` is where ``seed`` loads it to, ``days`` are the columns that tell until when it knows."""

    file: str
    table: str
    columns: tuple[Column, ...]
    optional: bool = False

    @property
    def days(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.kind == "day")


def by_month(name: str) -> tuple[Column, ...]:
    """Columns <name>_1, which is the last month of the extract, <name>_2, the one before, and so on."""
    return tuple(Column(f"{name}_{month}", "amount", required=month == 1) for month in range(1, MONTHS + 1))


CUSTOMER = Column("cus_cust_id_buy", "id", ("cus_cust_id", "customer_id"))
PAYMENTS = Source("PAYMENTS.csv", "payments", (
    CUSTOMER,
    Column("fecha", "day"),
    Column("spent", "amount"),
    Column("descuento", "amount", required=False),
))  # fmt: skip
ACTIVE_USER = Source("ACTIVE_USER.csv", "active_user", (
    CUSTOMER,
    Column("last_login_mp_date_1", "day", required=False),
    Column("last_login_ml_date_1", "day", required=False),
    *by_month("mau_mp"),
    *by_month("mau_ml"),
))  # fmt: skip
DEMOGRAFICOS = Source("DEMOGRAFICOS.csv", "demograficos", (
    CUSTOMER,
    Column("gender", "gender"),
    Column("rango_edad", "age", ("age", "edad")),
    Column("tarjetas", "text", ("card_type",)),
    Column("estado", "text", ("state", "provincia"), required=False),
))  # fmt: skip
DINERO_CUENTA = Source("DINERO_CUENTA.csv", "dinero_cuenta", (
    CUSTOMER,
    Column("inversion", "investment"),
    *by_month("plata_cuenta"),
))  # fmt: skip
MARKETPLACE_DATA = Source("MARKETPLACE_DATA.csv", "marketplace_data", (
    CUSTOMER,
    Column("spent_ml", "amount"),
    Column("recency_ml", "day"),
    Column("frequency_ml", "amount"),
))  # fmt: skip
EVALUATE = Source("EVALUATE.csv", "evaluate", (CUSTOMER, Column("churn", "flag")), optional=True)
SOURCES = (PAYMENTS, ACTIVE_USER, DEMOGRAFICOS, DINERO_CUENTA, MARKETPLACE_DATA, EVALUATE)


# Finding the files ------------------------------------------------------------------------------------------------


def present(root: Place) -> list[Source]:
    """The sources whose files are there.

    Raises:
        MissingInput: a file that is needed is not.
    """
    there = [source for source in SOURCES if root.exists(source.file)]
    if missing := [source.file for source in SOURCES if source not in there and not source.optional]:
        raise MissingInput(
            f"{root.url}: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing. The churn flow needs "
            f"{', '.join(source.file for source in SOURCES if not source.optional)}, and takes {EVALUATE.file} if it "
            "is there; CHURN_DATA_ROOT names their folder."
        )
    return there


def hashes(connection: Connection, root: Place, may_read: bool) -> dict[str, str]:
    """SHA-256 of each file that is there; read again only where its size or times have changed.

    Args:
        may_read: whether files may be read and their hashes remembered; otherwise one that is not known has a text
            that equals no hash.

    Raises:
        MissingInput: a file that is needed is not there.
    """
    return {
        source.file: file_hashes.sha256(
            connection, root.at(source.file), root.version(source.file), partial(sha256, root, source.file), may_read
        )
        for source in present(root)
    }


def sha256(root: Place, file: str) -> str:
    """
    Raises:
        MissingInput: the file is not there, or may not be read.
    """
    with root.local(file) as path, path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def count_lines(root: Place, file: str) -> int:
    """Lines after the header."""
    with root.local(file) as path, path.open("rb") as content:
        blocks = iter(lambda: content.read(1 << 20), b"")
        ends, last = 0, b"\n"
        for block in blocks:
            ends, last = ends + block.count(b"\n"), block[-1:]
    return max(0, ends - (last == b"\n"))


# Reading the header -----------------------------------------------------------------------------------------------


def header(path: Path) -> tuple[list[str], str]:
    """The names of a file's columns, in lower case, and its delimiter.

    Raises:
        BadFile: the first line is no header.
    """
    try:
        with path.open("rb") as file:
            line = file.readline(MAX_HEADER_BYTES)
    except OSError as error:
        raise MissingInput(f"{path}: {error.strerror or error}.") from None
    if not line.strip(b"\xef\xbb\xbf\r\n "):
        raise BadFile(f"{path.name}, line 1: the file is empty. It must start with a header.")
    for start, what in OTHER_FILES.items():
        if line.startswith(start):
            raise BadFile(f"{path.name}, line 1: this is {what}. It must be plain CSV, as UTF-8 text.")
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise BadFile(_not_utf8(path, 1, line[error.start])) from None
    if not text.replace("\t", " ").isprintable():
        raise BadFile(f"{path.name}, line 1: this is no text. A CSV file must start with a header.")
    delimiter = max(",;\t|", key=text.count)
    names = next(csv.reader([text], delimiter=delimiter), [])
    return [name.strip().lower() for name in names], delimiter


def columns_of(source: Source, names: Sequence[str], file: str) -> dict[int, Column]:
    """Which columns of the file are which of ours: position -> column.

    Raises:
        BadFile: a required column is missing, or there twice.
    """
    found: dict[int, Column] = {}
    for column in source.columns:
        known_as = (column.name, *column.aliases)
        name = next((name for name in known_as if name in names), None)
        if name is not None and names.count(name) > 1:
            raise BadFile(f"{file}, line 1: column {name.upper()} is there twice.")
        if name is not None:
            found[names.index(name)] = column
        elif column.required:
            raise BadFile(
                f"{file}, line 1: column {' or '.join(known_as).upper()} is missing. "
                f"There is: {', '.join(names)[:200].upper()}."
            )
    return found


# Reading the values -----------------------------------------------------------------------------------------------


def connect(scratch: Path) -> duckdb.DuckDBPyConnection:
    """DuckDB in memory, and in ``scratch`` where memory does not suffice; knows how values are read."""
    import duckdb

    connection = duckdb.connect(config={
        "memory_limit": MEMORY, "temp_directory": str(scratch), "autoinstall_known_extensions": "false",
    })  # fmt: skip
    connection.execute(statements.text("churn/values"))
    return connection


def written(connection: duckdb.DuckDBPyConnection, path: Path, names: Sequence[str], delimiter: str) -> Any:
    """The file as it is written, every value as text; its columns are c0, c1, …"""
    return connection.read_csv(
        str(path), auto_detect=False, header=True, delimiter=delimiter, quotechar='"', escapechar='"',
        columns={f"c{position}": "VARCHAR" for position in range(len(names))},
    )  # fmt: skip


def typed(raw: Any, source: Source, columns: Mapping[int, Column]) -> Any:
    """The columns with their types, by our names, and ``problems``: a digit of base 4 for each, see ``OUTCOMES``.

    Columns that the file need not have and has not are there, without a value.
    """
    from duckdb import ColumnExpression, ConstantExpression, FunctionExpression

    read = raw.select(*(ColumnExpression(f"c{position}") for position in columns), *(
        FunctionExpression(f"read_{column.kind}", ColumnExpression(f"c{position}")).alias(column.name)
        for position, column in columns.items()
    ))  # fmt: skip
    wide = "INTEGER" if len(columns) <= 15 else "BIGINT"  # two bits each
    problems = ConstantExpression(0).cast(wide)
    for digit, (position, column) in enumerate(columns.items()):
        text, value = ColumnExpression(f"c{position}"), ColumnExpression(column.name)
        outcome = FunctionExpression("outcome", text, value, FunctionExpression(f"plain_{column.kind}", text))
        problems = problems + outcome.cast(wide) * ConstantExpression(4**digit).cast(wide)
    there = columns.values()
    ours = [
        ColumnExpression(column.name) if column in there
        else ConstantExpression(None).cast(TYPES[column.kind]).alias(column.name)
        for column in source.columns
    ]  # fmt: skip
    return read.select(*ours, problems.alias("problems"))


def outcomes(relation: Any, file: str, columns: Mapping[int, Column]) -> FileValues:
    """Count ``problems``: a handful of different numbers, however many rows."""
    names = [column.name for column in columns.values()]
    counts = {name: dict.fromkeys(OUTCOMES, 0) for name in names}
    rows = 0
    for problems, lines in relation.aggregate("problems, count(*)", "problems").fetchall():
        rows += lines
        for digit, name in enumerate(names):
            counts[name][OUTCOMES[problems // 4**digit % 4]] += lines
    return FileValues(file, rows, counts)


def refuse_unreadable(
    path: Path, raw: Any, outcome: FileValues, columns: Mapping[int, Column], max_bad_share: float
) -> None:
    """
    Raises:
        BadFile: of a column, more than ``max_bad_share`` of the values that are there cannot be read.
    """
    for position, column in columns.items():
        bad, there = outcome.of(column.name, "unreadable"), outcome.rows - outcome.of(column.name, "missing")
        if bad > max_bad_share * there:
            row, value = _first_unreadable(raw, position, column)
            line = _line_of(path, row, header(path)[1])
            raise BadFile(
                f"{outcome.file}, line {line}, column {column.name.upper()}: {value[:60]!r} is no {column.kind}. So it "
                f"is with {bad:,} of the {there:,} values there: more than CHURN_MAX_BAD_SHARE={max_bad_share:g}. "
                "Nothing was made of the file; look whether it is the right one."
            )


def _first_unreadable(raw: Any, position: int, column: Column) -> tuple[int, str]:
    from duckdb import ColumnExpression, FunctionExpression, SQLExpression

    text = ColumnExpression(f"c{position}")
    numbered = raw.select(
        SQLExpression("row_number() OVER ()").alias("row"), text.alias("text"),
        FunctionExpression(f"read_{column.kind}", text).alias("value"),
    )  # fmt: skip
    row, value = numbered.filter("value IS NULL AND bare(text) <> ''").select("row", "text").limit(1).fetchall()[0]
    return int(row), str(value)


def _line_of(path: Path, row: int, delimiter: str) -> int:
    """The line on which a row starts: blank lines are none, and a quoted value may hold line ends."""
    limit = csv.field_size_limit(MAX_LINE_BYTES)  # of the whole process: given back below
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader, before = csv.reader(file, delimiter=delimiter), 0
            for fields in reader:
                row -= bool(fields)
                if row < 0:
                    return before + 1
                before = reader.line_num
        return before
    finally:
        csv.field_size_limit(limit)


@contextmanager
def errors_explained(path: Path) -> Iterator[None]:
    """Tell in plain words what is wrong with a file that DuckDB cannot take.

    Raises:
        BadFile: with the line, where there is one.
    """
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        said = str(error)
        line = int(match[1]) if (match := re.search(r"CSV Error on Line: (\d+)", said)) else 0
        if "unicode" in said or "utf-8" in said:
            raise BadFile(_not_utf8(path, *_first_not_utf8(path))) from None
        if "invalid state" in said:
            raise BadFile(f"{path.name}: its line ends are mixed, or broken: each line must end alike.") from None
        if "unterminated quote" in said:
            raise BadFile(f"{path.name}, line {line}: a quote is opened and not closed as CSV wants it.") from None
        if match := re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", said):
            raise BadFile(f"{path.name}, line {line}: {match[2]} values, the header has {match[1]}.") from None
        where = f", line {line}" if line else ""
        raise BadFile(f"{path.name}{where}: cannot be read: {said.splitlines()[0][:200]}.") from None


def _first_not_utf8(path: Path) -> tuple[int, int]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return number, line[error.start]
    return 1, 0


def _not_utf8(path: Path, line: int, byte: int) -> str:
    return (
        f"{path.name}, line {line}: byte 0x{byte:02x} is no UTF-8 text; it looks like Latin-1 or Windows-1252. "
        f"Convert the file, for example: iconv -f LATIN1 -t UTF-8 {path.name}"
    )


def rows_per_day(relation: Any, day: str) -> dict[date, int]:
    """How many rows a column has of each day."""
    return dict(relation.filter(f"{day} IS NOT NULL").aggregate(f"{day}, count(*)", day).fetchall())


def usual_days(rows: Mapping[date, int], today: date) -> list[date]:
    """The days not after today that are no slip of the pen, in order."""
    past = {day: count for day, count in rows.items() if day <= today}
    enough = UNUSUAL * sum(past.values()) / max(1, len(past))
    return sorted(day for day, count in past.items() if count >= enough)


def known_until(relation: Any, days: Sequence[str], today: date) -> date | None:
    """The last day of which these columns tell; None where they tell of none."""
    return max((last for day in days for last in usual_days(rows_per_day(relation, day), today)[-1:]), default=None)
