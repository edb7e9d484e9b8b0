"""A file of many customers, scored: read in pieces, judged value by value, refused as a whole if any is wrong."""

from __future__ import annotations

import bisect
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from pipelines.churn.answers import Answers
from pipelines.churn.declaration import Feature
from pipelines.core.errors import PipelineError

if TYPE_CHECKING:
    import pyarrow

MOST_MEGABYTES = 50
MOST_ROWS = 1_000_000
MOST_SKIPPED = 10_000  # rows of a wrong length, until it is given up
MOST_LETTERS = 200  # of a word or an id
MOST_LISTED = 500  # problems; all are counted
MOST_UNPACKED = 1 << 30  # bytes of the columns of a Parquet file
PIECE_ROWS, PIECE_BYTES = 50_000, 4 << 20
ID, FILE_ID = "customer_id", "cus_cust_id_buy"  # as the feature store has it; as the churn files have it
MISSING = ("", "nan", "NaN", "NA", "N/A", "null", "NULL", "None", "<NA>")
DELIMITERS = ",;\t|"
NUMBER = r"^[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?0*\d{1,2})?|(?i:inf|infinity))$"


class UnusableFile(PipelineError):
    """A file that cannot be scored, as a whole."""

    is_retryable = False


@dataclass(frozen=True)
class Problem:
    """What is wrong, and where: ``row`` counts from 1, without the header and empty lines; None is the whole column."""

    row: int | None
    column: str
    said: str


class WrongValues(UnusableFile):
    """Columns or values are wrong: ``problems`` lists the first of them, row by row; ``count`` is of all."""

    def __init__(self, name: str, problems: list[Problem], count: int) -> None:
        super().__init__(f"{name}: {count:,} problem{'' if count == 1 else 's'}. Nothing of it was scored.")
        self.problems, self.count = problems, count


@dataclass(frozen=True)
class Scored:
    """The answers, a row per row of the file, in its order.

    Attributes:
        table: ``row`` (from 1), ``customer_id`` (as written) if the file has it, ``probability``, ``class``, ``model``,
            ``version``.
        ignored: columns of the file that the model does not look at.
        missing: by feature, how many values were missing and count as its default.
    """

    table: pyarrow.Table
    ignored: list[str]
    missing: dict[str, int]


def score(name: str, content: BinaryIO, answers: Answers, progress: Callable[[float], None]) -> Scored:
    """Score a CSV or Parquet file, by the ending of its name.

    Args:
        content: the file; it is read once, in pieces.
        progress: is told the share that is done, 0 to 1.

    Raises:
        UnusableFile: too large, empty, damaged, or neither CSV nor Parquet.
        WrongValues: columns are missing, or values are wrong; nothing was scored.
    """
    import numpy as np
    import pyarrow

    size = content.seek(0, io.SEEK_END)
    content.seek(0)
    if size > MOST_MEGABYTES << 20:
        raise UnusableFile(f"{name} has {size >> 20:,} MB: files of up to {MOST_MEGABYTES} MB are scored. Split it.")
    reading = _Reading(name, content, answers)
    probabilities, ids, rows = [], [], 0
    try:
        for piece in reading.pieces():
            if rows + piece.num_rows > MOST_ROWS:
                raise UnusableFile(f"{name} has more than {MOST_ROWS:,} rows. Split it.")
            values = {each.name: reading.values(piece[each.name], each, rows) for each in answers.features}
            if ID in piece.schema.names:
                ids.append(reading.words(piece[ID], ID, rows))
            rows += piece.num_rows
            if not reading.wrong:  # otherwise only the rest of the problems is of interest
                frame = answers.rows({column: found.to_pandas() for column, found in values.items()})
                probabilities.append(answers.predict(frame))
            progress(min(1.0, content.tell() / size))
    except (pyarrow.ArrowException, csv.Error, UnicodeDecodeError, OSError) as error:
        reading.require_rows_of_one_length()
        said = next(iter(str(error).splitlines()), "")[:200]
        if "straddling object" in said:
            said = "a value begins with a quotation mark, and does not end"
        raise UnusableFile(f"{name} cannot be read: {said}. Nothing of it was scored.") from None
    reading.require_right()
    if not rows:
        raise UnusableFile(f"{name} has no row below its header.")
    found = np.concatenate(probabilities)
    table = pyarrow.table({
        "row": np.arange(1, rows + 1),
        **({ID: pyarrow.chunked_array(ids)} if ids else {}),
        "probability": found,
        "class": [answers.of_class(each) for each in found],
        "model": [answers.model] * rows,
        "version": [answers.version or "local heuristic"] * rows,
    })  # fmt: skip
    return Scored(table, reading.ignored, reading.missing)


@dataclass
class _Reading:
    """A file while it is read, and what was found wrong with it."""

    name: str
    content: BinaryIO
    answers: Answers
    problems: list[Problem] = field(default_factory=list)
    wrong: int = 0
    ignored: list[str] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=dict)
    skipped: list[int] = field(default_factory=list)  # rows not kept: of each, how many were kept before it

    def row(self, kept: int) -> int:
        """Which row of the file a kept one is, both from 1."""
        return kept + bisect.bisect_left(self.skipped, kept)

    def say(self, row: int | None, column: str, said: str) -> None:
        self.wrong += 1
        self.problems.append(Problem(row, column, said))
        if len(self.problems) > 10 * MOST_LISTED:
            self.keep_first()

    def keep_first(self) -> None:
        """Of the problems those that are listed: of the first rows."""
        self.problems = sorted(self.problems, key=lambda each: each.row or 0)[:MOST_LISTED]

    def require_rows_of_one_length(self) -> None:
        if len(self.skipped) > MOST_SKIPPED:
            raise UnusableFile(
                f"{self.name}: more than {MOST_SKIPPED:,} of its rows have another number of values than its header. "
                "Nothing of it was scored."
            )

    def require_right(self) -> None:
        if self.wrong:
            self.keep_first()
            raise WrongValues(self.name, self.problems, self.wrong)

    # Columns -------------------------------------------------------------------------------------------------------

    def pieces(self) -> Iterator[pyarrow.RecordBatch]:
        """The columns that are used, by our names, in pieces of a bounded size."""
        if not self.content.read(1):
            raise UnusableFile(f"{self.name} is empty.")
        self.content.seek(0)
        kind = self.name.lower().rpartition(".")[2]
        if kind not in ("csv", "parquet"):
            raise UnusableFile(f"{self.name} is neither .csv nor .parquet.")
        return self.csv() if kind == "csv" else self.parquet()

    def places(self, columns: list[str]) -> dict[str, int]:
        """Where each feature stands among the columns, and ``customer_id`` if it is there.

        Raises:
            WrongValues: a feature has no column, or more than one.
        """
        known = [each.strip().lower() for each in columns]
        if ID not in known:
            known = [ID if each == FILE_ID else each for each in known]
        wanted = [*(each.name for each in self.answers.features), ID]
        for each in wanted:
            times = known.count(each)
            if times > 1:
                self.say(None, each, f"stands {times} times in the header")
            elif not times and each != ID:
                self.say(None, each, "is missing")
        self.require_right()
        self.ignored = [written for written, each in zip(columns, known, strict=True) if each not in wanted]
        return {each: known.index(each) for each in wanted if each in known}

    def csv(self) -> Iterator[pyarrow.RecordBatch]:
        import pyarrow
        import pyarrow.csv as arrow

        try:
            header = self.content.readline(1 << 20).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise UnusableFile(f"{self.name}: its header is not UTF-8 text.") from None
        if "\r" in header.removesuffix("\n").removesuffix("\r"):
            raise UnusableFile(f"{self.name}: its lines end as on old Macs (CR alone). Save it with LF or CRLF.")
        delimiter = max(DELIMITERS, key=header.count)
        columns = next(csv.reader(io.StringIO(header), delimiter=delimiter), [])
        places = self.places(columns)
        if not self.content.read(1):
            return
        self.content.seek(-1, io.SEEK_CUR)
        names = {place: each for each, place in places.items()}

        def skip(row: Any) -> str:
            self.say(row.number, "(all)", f"has {row.actual_columns} values, the header {row.expected_columns}")
            self.skipped.append(row.number - 1 - len(self.skipped))
            return "skip" if len(self.skipped) <= MOST_SKIPPED else "error"

        # As bytes: whether they are numbers or text is judged value by value.
        yield from arrow.open_csv(
            self.content,
            arrow.ReadOptions(
                use_threads=False, block_size=PIECE_BYTES,
                column_names=[names.get(place, f"({place})") for place in range(len(columns))],
            ),
            arrow.ParseOptions(delimiter=delimiter, invalid_row_handler=skip, newlines_in_values=True),
            arrow.ConvertOptions(
                column_types=dict.fromkeys(places, pyarrow.binary()), include_columns=[*places], check_utf8=False,
                strings_can_be_null=True, null_values=[""],  # the rest of MISSING only in features: "NA" may be an id
            ),
        )  # fmt: skip

    def parquet(self) -> Iterator[pyarrow.RecordBatch]:
        from pyarrow.parquet import ParquetFile

        file = ParquetFile(self.content)
        columns, types = file.schema_arrow.names, file.schema_arrow.types
        places = self.places(columns)
        for each, place in places.items():
            if not (_is_number(types[place]) or _is_text(types[place])):
                self.say(None, each, f"is of type {types[place]}: a number or a text is needed")
        self.require_right()
        facts, names = file.metadata, {columns[place]: each for each, place in places.items()}
        # Of all columns: asked of a single one, what a damaged file says may end the process.
        unpacked = sum(facts.row_group(group).total_byte_size for group in range(facts.num_row_groups))
        if facts.num_rows > MOST_ROWS or unpacked > MOST_UNPACKED:
            raise UnusableFile(f"{self.name} has {facts.num_rows:,} rows, which are too many or too large. Split it.")
        # A long word that many rows share is read once.
        words = [columns[place] for place in places.values() if _is_text(types[place])]
        for piece in ParquetFile(self.content, read_dictionary=words).iter_batches(PIECE_ROWS, columns=[*names]):
            yield piece.rename_columns([names[each] for each in piece.schema.names])

    # Values --------------------------------------------------------------------------------------------------------

    def values(self, column: Any, feature: Feature, before: int) -> Any:
        """A column of a piece as the model takes it: text or float64, null where it is missing or wrong.

        Args:
            before: rows of the file before this piece.
        """
        import pyarrow.compute as pc

        if feature.is_category:
            found = pc.utf8_lower(self.read_words(column, feature.name, before))
        else:
            found = self.numbers(column, feature.name, before)
        if missing := pc.sum(pc.is_null(found, nan_is_null=True)).as_py():
            self.missing[feature.name] = self.missing.get(feature.name, 0) + missing
        return found

    def numbers(self, column: Any, name: str, before: int) -> Any:
        """A column of a piece as numbers."""
        import pyarrow
        import pyarrow.compute as pc

        if not _is_number(column.type):
            column = self.read_words(column, name, before)
            wrong = pc.invert(pc.match_substring_regex(column, NUMBER))
            column = self.without(wrong, column, name, before, "“{}” is not a number")
            column = pc.replace_substring_regex(column, r"^\+", "")  # Arrow reads none with it
        found = column.cast(pyarrow.float64(), safe=False)  # the nearest one there is
        return self.without(pc.is_inf(found), found, name, before, "is infinite")

    def read_words(self, column: Any, name: str, before: int) -> Any:
        """Reads a column of a piece as trimmed text, null where the text says that the value is missing."""
        import pyarrow
        import pyarrow.compute as pc

        words = pc.utf8_trim_whitespace(self.words(column, name, before))
        return pc.if_else(pc.is_in(words, pyarrow.array(MISSING)), None, words)

    def words(self, column: Any, name: str, before: int) -> Any:
        """A column of a piece as text that is not too long."""
        import pyarrow
        import pyarrow.compute as pc
        from pyarrow import types

        said = f"has more than {MOST_LETTERS} letters"
        if types.is_dictionary(column.type):
            if (pc.max(pc.binary_length(column.dictionary)).as_py() or 0) > 4 * MOST_LETTERS:
                self.say(None, name, said)
                return pyarrow.nulls(len(column), pyarrow.string())
            column = column.cast(column.type.value_type)
        if _is_text(column.type):
            column = column.cast(pyarrow.binary())  # what a file says is text need not be text
        try:
            words = column.cast(pyarrow.string())
        except pyarrow.ArrowInvalid:
            wrong = pyarrow.array([not _is_utf8(each) for each in column.to_pylist()])
            words = self.without(wrong, column, name, before, "“{}” is not UTF-8 text").cast(pyarrow.string())
        return self.without(pc.greater(pc.utf8_length(words), MOST_LETTERS), words, name, before, said)

    def without(self, wrong: Any, values: Any, name: str, before: int, said: str) -> Any:
        """The values, null where they are wrong; what is said of them may quote them."""
        import pyarrow.compute as pc

        wrong = pc.fill_null(wrong, False)
        places = pc.indices_nonzero(wrong)
        self.wrong += max(0, len(places) - MOST_LISTED)  # not listed
        for place in places[:MOST_LISTED].to_pylist():
            self.say(self.row(before + place + 1), name, said.format(_short(values[place].as_py())))
        return pc.if_else(wrong, None, values)


def _is_utf8(value: bytes | None) -> bool:
    try:
        return value is None or value.isascii() or bool(value.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    kinds = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_null)
    return any(is_kind(kind) for is_kind in kinds)


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        return _is_text(kind.value_type)
    kinds = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(is_kind(kind) for is_kind in kinds)


def _short(value: Any) -> str:
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return f"{text[:40]}{'…' if len(text) > 40 else ''}"
