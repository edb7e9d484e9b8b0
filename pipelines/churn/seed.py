"""Load the files as they are into ``raw``, for people who look with SQL; no flow waits for it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from psycopg import sql
from psycopg.errors import CharacterNotInRepertoire

from pipelines.churn import sources
from pipelines.churn.sources import BadFile, Source
from pipelines.services.artifacts import Place
from pipelines.services.warehouse import Connection

TYPES: Mapping[str, str] = {"BIGINT": "bigint", "DOUBLE": "numeric", "DATE": "date", "TIMESTAMP": "timestamp"}
BLOCK = 1 << 20  # bytes


def seed(tx: Connection, root: Place) -> dict[str, int]:
    """Replace the raw tables of the files that are there; rows per table.

    A column is a number, a day or a time where all of its values are, and text elsewhere; names are those of the file.

    Raises:
        MissingInput: a file that is needed is not there.
        BadFile: a file cannot be read; nothing of any was loaded.
    """
    return {source.table: _load(tx, root, source) for source in sources.present(root)}


def _load(tx: Connection, root: Place, source: Source) -> int:
    with root.local(source.file) as path:
        written, delimiter = sources.header(path)
        names = [_as_column(name, position) for position, name in enumerate(written, 1)]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise BadFile(f"{path.name}, line 1: column {twice.upper()} is there twice.")
        types = _types(path, names, delimiter)
        table = sql.Identifier("raw", source.table)
        tx.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table))
        columns = [sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(TYPES.get(kind, "text")))
                   for name, kind in zip(names, types, strict=True)]  # fmt: skip
        tx.execute(sql.SQL("CREATE TABLE {} ({})").format(table, sql.SQL(", ").join(columns)))
        options = sql.SQL("COPY {} FROM STDIN (FORMAT csv, HEADER true, DELIMITER {}, ENCODING 'UTF8')").format(
            table, sql.Literal(delimiter)
        )
        try:
            with path.open("rb") as file, tx.cursor().copy(options) as copy:
                file.seek(3 if file.read(3) == b"\xef\xbb\xbf" else 0)
                while block := file.read(BLOCK):
                    copy.write(block)
        except CharacterNotInRepertoire as error:  # DuckDB has read it as UTF-8; NUL is the one that it takes
            line = (error.diag.context or "").partition("line ")[2] or "?"
            raise BadFile(
                f"{path.name}, line {line}: holds a NUL byte, which PostgreSQL cannot store. Remove it, then run again."
            ) from None
        tx.execute(sql.SQL("ANALYZE {}").format(table))
        row = tx.execute(sql.SQL("SELECT count(*) AS rows FROM {}").format(table)).fetchone()
        assert row is not None
        return int(row["rows"])


def _as_column(name: str, position: int) -> str:
    """A name of the header as PostgreSQL can have it: short enough, not empty, none of its own columns."""
    name = name.encode()[:63].decode(errors="ignore") or f"column_{position}"
    return f"{name}_" if name in ("ctid", "tableoid", "xmin", "xmax", "cmin", "cmax") else name


def _types(path: Path, names: list[str], delimiter: str) -> list[str]:
    """What DuckDB takes each column for, having read all of it."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="kpi-delivery-") as scratch, sources.errors_explained(path):
        connection = sources.connect(Path(scratch))
        len(sources.written(connection, path, names, delimiter))  # whole, or refused with its line
        try:
            sniffed = connection.read_csv(
                str(path), header=True, delimiter=delimiter, quotechar='"', escapechar='"', sample_size=-1,
                names=[f"c{position}" for position in range(len(names))],
            )  # fmt: skip
        except duckdb.Error:
            return ["VARCHAR"] * len(names)
        return [str(kind) for kind in sniffed.types]
