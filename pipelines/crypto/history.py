"""Raw history: generated, or loaded from a file. Rows are added, never changed or removed."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import IO, TYPE_CHECKING

from psycopg.types.json import Jsonb

from pipelines.core.errors import GateFailed, MissingInput, PipelineError, Refusal
from pipelines.core.statements import query
from pipelines.crypto.results import History
from pipelines.crypto.window import Window
from pipelines.services.warehouse import Connection, Row, one

if TYPE_CHECKING:
    import pyarrow

COLUMNS = ("site_id", "user_id", "purchase_date", "crypto_type", "purchase_price", "purchase_units")
ALIASES: Mapping[str, str] = {"price": "purchase_price", "units": "purchase_units"}
MAX_LINE_BYTES = 1 << 20
# The text format of COPY. It escapes its own delimiters, so no character of a file has to stand for anything else.
ESCAPES: Mapping[str, str] = {"\\": r"\\", "\t": r"\t", "\r": r"\r"}  # in whole lines; the backslash comes first
ESCAPES_IN_A_VALUE: Mapping[str, str] = {**ESCAPES, "\n": r"\n"}
# Bytes that are no text, as "surrogateescape" decodes them, and NUL, which PostgreSQL cannot store: \xNN, escaped.
DAMAGED: Mapping[int, str] = {code: rf"\\x{code & 0xFF:02x}" for code in (0, *range(0xDC80, 0xDD00))}


# Generated history ------------------------------------------------------------------------------------------------


def generate(tx: Connection, window: Window, min_rows: int, sites: tuple[str, ...], types: tuple[str, ...]) -> History:
    """Top each day of the window up to ``min_rows`` rows; days to come stay empty.

    The rows of a day depend on the day and on how many it had, so that a rerun after a crash makes the same ones.
    """
    there = {
        row["day"]: row["rows"]
        for row in tx.execute(query("crypto/rows_per_day"), window.bound())
        if row["rows"] < min_rows and row["day"] <= window.today
    }
    if not there:
        return History(generated=0)
    tx.execute(query("crypto/make_generated"))
    with tx.cursor().copy("COPY generated FROM STDIN") as copy:
        for day, rows in there.items():
            copy.write(fake_purchases(day, rows, min_rows - rows, sites, types))
    added = 0
    for day, rows in there.items():
        added += tx.execute(query("crypto/insert_generated"), {"day": day, "lacking": min_rows - rows}).rowcount
    return History(generated=added)


def fake_purchases(day: date, there: int, rows: int, sites: tuple[str, ...], types: tuple[str, ...]) -> str:
    """``rows`` purchases for a day that has ``there``, and some to spare, each of another user, as COPY reads it."""
    from faker import Faker

    fake = Faker("es_AR")
    fake.seed_instance(day.toordinal() * 10_000_000 + there)
    random = fake.random
    spare = rows + rows // 50 + 50
    users = random.sample(range(100_000, 100_000 + max(900_000, 20 * spare)), spare)
    where, what = random.choices(sites, k=spare), random.choices(types, k=spare)
    usual = {"BTC": 30_000.0, "ETH": 1_800.0, "USDC": 1.0}
    drift = {name: usual.get(name, 100.0) * random.uniform(0.9, 1.1) for name in types}
    lines = []
    for user, site, crypto in zip(users, where, what, strict=True):
        price = max(drift[crypto] * random.gauss(1, 0.01), 0.0001)
        units = max(random.expovariate(price / 2_000), 0.00000001)
        lines.append(f"{site}\t{user}\t{day}\t{crypto}\t{price:.4f}\t{units:.8f}\n")
    return "".join(lines)


# History from a file ----------------------------------------------------------------------------------------------


class BadFile(PipelineError):
    """A file cannot be read as history; nothing of it was loaded."""

    is_retryable = False


def sha256_of(path: Path) -> str:
    """The content of a file, as what ``ops.loaded_files`` knows it by.

    Raises:
        MissingInput: there is no such file, or it may not be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MissingInput(f"--source {path}: {error.strerror or error}.") from None


def source_version(connection: Connection, path: Path, may_read: bool) -> str:
    """The SHA-256 of a file; ``may_read`` as in ``file_hashes.sha256``."""
    from pipelines.services import file_hashes
    from pipelines.services.artifacts import Place

    path = path.resolve()
    version = Place(str(path.parent)).version(path.name)
    return file_hashes.sha256(connection, str(path), version, lambda: sha256_of(path), may_read)


def load_file(
    tx: Connection, path: Path, sha256: str, window: Window, on_invalid: str, max_reject_share: float
) -> History | Refusal:
    """Load a CSV (plain or gzip) or Parquet file into raw history, once.

    Lines that cannot become a row go to rejects with file and line. With ``halt`` one of them stops the load;
    with ``quarantine`` the others are loaded, as long as the unreadable share stays under ``max_reject_share``.

    Returns:
        Counts; or a refusal, with the rejects as evidence.

    Raises:
        BadFile: the file as a whole cannot be read; it names the file and, where there is one, line and column.
    """
    if known := tx.execute(query("crypto/read_loaded_file"), {"sha256": sha256}).fetchone():
        return History(
            file=str(path), already_loaded_as=known["path"], lines=known["lines"], loaded=0,
            unreadable=known["unreadable"],
        )  # fmt: skip
    tx.execute(query("crypto/make_source_lines"))
    positions = _copy_lines(tx, path)
    if sha256_of(path) != sha256:
        raise BadFile(f"{path} changed while it was being read; nothing was loaded. Run again when it is whole.")
    tx.execute(query("crypto/read_source_lines"), {**positions, "fields": len(COLUMNS)})
    counts = one(tx, "crypto/count_source_rows", {})
    lines, unreadable = counts["lines"], counts["unreadable"]
    halted = unreadable > 0 and (on_invalid == "halt" or unreadable >= max_reject_share * lines)
    reasons = _keep_evidence(tx, path, sha256, window, on_invalid, halted, counts) if unreadable else {}
    if halted:
        share, or_else = "", "load the others with --on-invalid quarantine"
        if on_invalid == "quarantine":
            share = f", {unreadable / lines:.1%} of them: not under MAX_REJECT_SHARE={max_reject_share:g}"
            or_else = "raise MAX_REJECT_SHARE"
        return Refusal(GateFailed(
            f"{path}: {unreadable:,} of {lines:,} lines cannot be read, the first at line {counts['first_unreadable']}"
            f"{share} ({', '.join(f'{reason}: {rows:,}' for reason, rows in reasons.items())}). "
            f"Nothing of the file was loaded. `python -m pipelines rejects --date {window.run_date}` shows the "
            f"lines and why; mend the file and run again, or {or_else}."
        ))  # fmt: skip
    tx.execute(query("crypto/insert_source_rows"), {"path": str(path)})
    done = {"lines": lines, "loaded": lines - unreadable, "unreadable": unreadable}
    tx.execute(
        query("crypto/note_loaded_file"), {**done, "sha256": sha256, "path": str(path), "bytes": path.stat().st_size}
    )
    outside = one(tx, "crypto/count_outside", window.bound())["rows"]
    return History(file=str(path), **done, outside_the_window=outside)


def _keep_evidence(
    tx: Connection, path: Path, sha256: str, window: Window, on_invalid: str, halted: bool, counts: Row
) -> dict[str, int]:
    reasons = {row["reason"]: row["rows"] for row in tx.execute(query("crypto/count_source_reasons"))}
    about = {"snapshot_id": f"file {sha256[:12]}", **window.bound()}
    disposition = "halted" if halted else "quarantined"
    tx.execute(
        query("crypto/reject_source_rows"), {**about, "disposition": disposition, "file": str(path), "sha256": sha256}
    )
    tx.execute(query("crypto/note_dq_run"), {
        **about, "suite_name": "source_file", "on_invalid": on_invalid, "outcome": disposition, "docs_path": None,
        "rows_judged": counts["lines"], "rows_rejected": counts["unreadable"], "reasons": Jsonb(reasons),
    })  # fmt: skip
    return reasons


def _copy_lines(tx: Connection, path: Path) -> dict[str, int]:
    """Copy a file's lines to ``source_lines``; return the position of each column, counted from 1."""
    pieces = _pieces(path)
    positions = _positions(path, next(pieces, b""))
    with tx.cursor().copy(query("crypto/copy_source_lines")) as copy:
        for lines in pieces:
            copy.write(_with_flags(lines))
    return positions


def _with_flags(lines: bytes) -> bytes:
    """Adds the second column of COPY to each line: whether the line is damaged, that is, not UTF-8 text."""
    if _is_text(lines):
        return lines.replace(b"\n", b"\tf\n")
    return b"".join(
        line + b"\tf\n" if _is_text(line) else _as_evidence(line) + b"\tt\n"
        for line in lines.removesuffix(b"\n").split(b"\n")
    )


def _is_text(lines: bytes) -> bool:
    """Whether PostgreSQL can store the bytes as text: UTF-8 without NUL."""
    try:
        lines.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in lines


def _as_evidence(line: bytes) -> bytes:
    """A damaged line with each byte that is no text as Python writes it: ``\\xNN``."""
    return line.decode("utf-8", "surrogateescape").translate(DAMAGED).encode()


def _escaped(lines: bytes) -> bytes:
    """Whole lines, damaged or not, in the text format of COPY."""
    lines = lines.replace(b"\r\n", b"\n")
    for character, escape in ESCAPES.items():
        lines = lines.replace(character.encode(), escape.encode())
    return lines if lines.endswith(b"\n") else lines + b"\n"


def _positions(path: Path, line: bytes) -> dict[str, int]:
    header = line.decode("utf-8", "surrogateescape").removeprefix("\ufeff").rstrip("\r\n")
    if not header.strip():
        raise BadFile(f"{path}, line 1: the file is empty. It must start with the header {','.join(COLUMNS)}.")
    try:
        names = [name.strip().lower() for name in next(csv.reader([header]), [])]
    except csv.Error:
        names = []
    names = [ALIASES.get(name, name) for name in names]
    if sorted(names) == sorted(COLUMNS):
        return {name: names.index(name) + 1 for name in COLUMNS}
    problems = [f"column {name} is missing" for name in COLUMNS if name not in names]
    problems += [f"column {name[:40]!r} is unknown" for name in names if name not in COLUMNS]
    problems += [f"column {name} is there twice" for name in COLUMNS if names.count(name) > 1]
    if not header.replace("\t", " ").isprintable():  # damaged bytes are not: they are lone surrogates here
        problems = ["this is no text: neither CSV nor Parquet"]
    elif delimiter := next((each for each in ";\t|" if header.count(each) >= len(COLUMNS) - 1), None):
        problems = [f"the delimiter is {delimiter!r}, it must be a comma"]
    raise BadFile(
        f"{path}, line 1: {'; '.join(problems[:8])}. The header must name {','.join(COLUMNS)}, in any order. "
        "Nothing was loaded."
    )


def _pieces(path: Path) -> Iterator[bytes]:
    """The header of a file, then its lines in pieces of whole lines, in the text format of COPY."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
            file.seek(0)
            if magic == b"PAR1":
                yield from _parquet_lines(path)
            elif magic[:2] == b"\x1f\x8b":
                with gzip.open(file) as unpacked:
                    yield from _text_lines(path, unpacked)
            else:
                yield from _text_lines(path, file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadFile(f"{path} is a damaged gzip file ({error}). Nothing was loaded; fetch it again.") from None


def _text_lines(path: Path, file: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    header = file.readline(MAX_LINE_BYTES + 1)
    if len(header.removesuffix(b"\n")) > MAX_LINE_BYTES:
        raise _too_long(path, 1)
    yield header
    pending, lines = b"", 1
    while block := file.read(MAX_LINE_BYTES):
        whole, newline, rest = block.rpartition(b"\n")
        if newline:
            piece = pending + whole + newline
            if piece.find(b"\n") > MAX_LINE_BYTES:
                raise _too_long(path, lines + 1)
            lines += piece.count(b"\n")
            yield _escaped(piece)
            pending = rest
        else:
            pending += block
        if len(pending) > MAX_LINE_BYTES:
            raise _too_long(path, lines + 1)
    if pending:
        yield _escaped(pending)


def _too_long(path: Path, line: int) -> BadFile:
    return BadFile(f"{path}, line {line}: longer than {MAX_LINE_BYTES:,} bytes: no history. Nothing was loaded.")


def _parquet_lines(path: Path) -> Iterator[bytes]:
    """A Parquet file as CSV lines, so that its rows are judged as any others; line n+1 is row n."""
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    plain = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield ",".join(file.schema_arrow.names).replace("\n", " ").encode()
            for batch in file.iter_batches():
                text = io.BytesIO()
                columns = [_as_text(batch.column(i), name, path) for i, name in enumerate(batch.schema.names)]
                pyarrow.csv.write_csv(pyarrow.table(columns, names=batch.schema.names), text, plain)
                yield text.getvalue()
    except (pyarrow.ArrowException, OSError) as error:
        raise BadFile(f"{path} is a damaged Parquet file ({error}). Nothing was loaded; fetch it again.") from None


def _as_text(column: pyarrow.Array, name: str, path: Path) -> pyarrow.Array:
    """A column as strings, in the text format of COPY; a date as DD/MM/YYYY."""
    import pyarrow
    import pyarrow.compute as pc

    try:
        if pyarrow.types.is_date(column.type) or pyarrow.types.is_timestamp(column.type):
            return pc.strftime(column, format="%d/%m/%Y")
        if pyarrow.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), None, column)
            whole = pc.and_(pc.equal(column, pc.floor(column)), pc.less_equal(pc.abs(column), 2.0**53))
            ids = pc.if_else(whole, column, None).cast(
                pyarrow.int64()
            )  # with a missing one among them, pandas writes 3.0
            return pc.if_else(whole, ids.cast(pyarrow.string()), column.cast(pyarrow.string()))
        column = column.cast(pyarrow.string())
        for character, escape in ESCAPES_IN_A_VALUE.items():
            column = pc.replace_substring(column, pattern=character, replacement=escape)
        return column
    except pyarrow.ArrowException:
        raise BadFile(f"{path}, column {name}: {column.type} cannot be read as text. Nothing was loaded.") from None
