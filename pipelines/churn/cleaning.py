"""Make the files clean: typed Parquet, and an account of every value that was missing, unreadable or rewritten."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.churn import sources
from pipelines.churn.results import CleanTables, FileValues
from pipelines.churn.sources import BadFile, Source
from pipelines.core import statements
from pipelines.services.artifacts import Place

if TYPE_CHECKING:
    import duckdb

TABLES = ("payments", "users", "visits", "balances", "evaluate")


@dataclass(frozen=True)
class _Payments:
    """Counts of the payments, and their days."""

    values: FileValues
    payments: int
    future: int
    first_day: date
    last_day: date


def clean(
    root: Place, files: Collection[str], store: Place, folder: str, today: date, max_bad_share: float
) -> CleanTables:
    """Read the files of ``root`` and leave ``TABLES`` as Parquet.

    Args:
        root: where the CSV files are.
        files: the names of those to read; sources that are not among them are taken as absent.
        store, folder: where to leave the tables.
        today: payments after it are kept, but no snapshot is taken for their sake.
        max_bad_share: of a column, how many values may be unreadable (0 to 1).

    Raises:
        BadFile: a file is not what it should be; it names the file, and line and column where there are.
    """
    with tempfile.TemporaryDirectory(prefix="kpi-delivery-") as scratch, ExitStack() as local:
        connection = sources.connect(Path(scratch))
        path = local.enter_context(root.local(sources.PAYMENTS.file))
        paid = _clean_payments(connection, path, store, folder, today, max_bad_share)
        account, known = [paid.values], {sources.PAYMENTS.file: paid.last_day}
        users = [source for source in sources.SOURCES if source is not sources.PAYMENTS and source.file in files]
        for source in users:
            path = local.enter_context(root.local(source.file))
            account.append(_load(connection, source, path, max_bad_share))
            if until := sources.known_until(connection.table(source.table), source.days, today):
                known[source.file] = until
        customers = _write(connection, statements.text("churn/users"), "users", store, folder)
        _write(connection, statements.text("churn/visits"), "visits", store, folder)
        _write(connection, statements.text("churn/balances"), "balances", store, folder)
        evaluate = "churn/evaluate" if sources.EVALUATE.file in files else "churn/no_evaluate"
        _write(connection, statements.text(evaluate), "evaluate", store, folder)
        duplicates = sum(_duplicates(connection, source) for source in users)
    latest = max(known.values())
    return CleanTables(
        folder=folder, payments=paid.payments, dropped=paid.values.rows - paid.payments, future=paid.future,
        first_day=paid.first_day, last_day=paid.last_day, users=customers, duplicates=duplicates,
        known_until={values.file: known.get(values.file, latest) for values in account}, files=tuple(account),
    )  # fmt: skip


def _clean_payments(
    connection: duckdb.DuckDBPyConnection, path: Path, store: Place, folder: str, today: date, max_bad_share: float
) -> _Payments:
    """One pass from CSV to Parquet, in any order of rows; what became of them is counted there."""
    source = sources.PAYMENTS
    names, delimiter = sources.header(path)
    columns = sources.columns_of(source, names, path.name)
    with sources.errors_explained(path), store.writing(f"{folder}/payments.parquet") as target:
        raw = sources.written(connection, path, names, delimiter)
        connection.execute("SET preserve_insertion_order = false")
        sources.typed(raw, source, columns).create_view(source.table)
        _write_parquet(connection, source.table, target)
        connection.execute("SET preserve_insertion_order = true")
        clean = connection.read_parquet(str(target))
        outcome = sources.outcomes(clean, source.file, columns)
        sources.refuse_unreadable(path, raw, outcome, columns, max_bad_share)
        days = sources.rows_per_day(clean.filter("cus_cust_id_buy IS NOT NULL"), "fecha")
        usual = sources.usual_days(days, today)
        if not usual:
            raise BadFile(
                f"{source.file}: none of its {outcome.rows:,} rows has a customer and a day not after {today}."
            )
    future = sum(count for day, count in days.items() if day > today)
    return _Payments(outcome, sum(days.values()), future, usual[0], usual[-1])


def _load(connection: duckdb.DuckDBPyConnection, source: Source, path: Path, max_bad_share: float) -> FileValues:
    """A user file in DuckDB, ``line`` telling the order of its rows."""
    names, delimiter = sources.header(path)
    columns = sources.columns_of(source, names, path.name)
    with sources.errors_explained(path):
        raw = sources.written(connection, path, names, delimiter)
        sources.typed(raw, source, columns).create(f"{source.table}_as_read")  # in the order of the file
        connection.table(f"{source.table}_as_read").select("rowid AS line, *").create_view(source.table)
        table = connection.table(source.table)
        outcome = sources.outcomes(table, source.file, columns)
        sources.refuse_unreadable(path, raw, outcome, columns, max_bad_share)
    if not outcome.rows:
        raise BadFile(f"{source.file}, line 1: the file has a header and no row. Look whether its export is whole.")
    return outcome


def _write(connection: duckdb.DuckDBPyConnection, text: str, name: str, store: Place, folder: str) -> int:
    """Writes a clean table, the result of a query over the files; returns its rows."""
    connection.sql(text).create_view(f"clean_{name}")
    with store.writing(f"{folder}/{name}.parquet") as target:
        return _write_parquet(connection, f"clean_{name}", target)


def _write_parquet(connection: duckdb.DuckDBPyConnection, name: str, target: Path) -> int:
    text = statements.text("churn/write_parquet")
    return int(connection.execute(text, {"name": name, "path": str(target)}).fetchall()[0][0])


def _duplicates(connection: duckdb.DuckDBPyConnection, source: Source) -> int:
    """Lines of a user file that another, later line of the same customer replaces."""
    ids = connection.table(source.table).filter("cus_cust_id_buy IS NOT NULL")
    lines, customers = ids.aggregate("count(*), count(DISTINCT cus_cust_id_buy)").fetchall()[0]
    return int(lines - customers)
