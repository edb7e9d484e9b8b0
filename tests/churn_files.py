"""What the tests of the churn flow share: the six files from a few rows, and what the flow makes of them."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow

from pipelines.churn import cleaning, features, sources
from pipelines.churn.results import CleanTables
from pipelines.core.statements import text
from pipelines.services.artifacts import Place

TODAY = date(2019, 6, 30)
HEADERS = {
    "payments": ("CUS_CUST_ID_BUY", "FECHA", "SPENT", "DESCUENTO"),
    "active_user": ("CUS_CUST_ID_BUY", "last_login_mp_date_1", "last_login_ml_date_1",
                    *(f"MAU_{app}_{month}" for app in ("MP", "ML") for month in range(1, 7))),
    "demograficos": ("CUS_CUST_ID_BUY", "GENDER", "RANGO_EDAD", "TARJETAS", "ESTADO"),
    "dinero_cuenta": ("CUS_CUST_ID_BUY", "INVERSION", *(f"PLATA_CUENTA_{month}" for month in range(1, 6))),
    "marketplace_data": ("CUS_CUST_ID_BUY", "SPENT_ML", "RECENCY_ML", "FREQUENCY_ML"),
    "evaluate": ("CUS_CUST_ID_BUY", "CHURN"),
}  # fmt: skip
GOOD = {  # one sound row each; EVALUATE is not given unless a test does
    "payments": [(1, date(2019, 5, 1), 5, None)],
    "active_user": [(1, date(2019, 5, 1), date(2019, 4, 1), *range(1, 7), *range(11, 17))],
    "demograficos": [(1, "female", "04.Entre 31 y 35 años", "Credit Card", "Chaco")],
    "dinero_cuenta": [(1, "investing", 1, 2, 3, 4, 5)],
    "marketplace_data": [(1, 100, date(2019, 4, 1), 3)],
}
FILES = {source.table: source.file for source in sources.SOURCES}
Rows = Iterable[Sequence[object]]


@dataclass(frozen=True)
class Cleaned:
    """The clean tables, and what cleaning counted."""

    store: Place
    tables: CleanTables

    def table(self, name: str) -> pyarrow.Table:
        return features.read(self.store, f"{self.tables.folder}/{name}.parquet")

    def rows(self, name: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.table(name).to_pylist()]

    def user(self, customer: int = 1) -> dict[str, Any]:
        return next(row for row in self.table("users").to_pylist() if row["customer_id"] == customer)

    def account(self, table: str) -> dict[str, dict[str, int]]:
        """The counts of a file's columns; those that are 0 left out."""
        columns = next(values.columns for values in self.tables.files if values.file == FILES[table])
        return {name: {what: rows for what, rows in counts.items() if rows} for name, counts in columns.items()}

    def rows_read(self, table: str) -> int:
        return next(values.rows for values in self.tables.files if values.file == FILES[table])

    def frame_file(self, cutoff: date) -> str:
        return features.frame(self.store, self.tables, "v", cutoff)

    def frame(self, cutoff: date) -> pyarrow.Table:
        return features.read(self.store, self.frame_file(cutoff))

    def active(self, cutoff: date, until: date) -> set[int]:
        """Who paid from a cutoff on, before a day."""
        with features.engine(self.store, self.tables.folder) as ask:
            return set(ask(text("churn/active"), {"cutoff": cutoff, "until": until})["customer_id"].to_pylist())


def csv_text(table: str, rows: Rows, header: Sequence[str] | None = None) -> bytes:
    """A file as Python's csv module writes it; None is an empty value."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(HEADERS[table] if header is None else header)
    writer.writerows(rows)
    return buffer.getvalue().encode()


def write_files(folder: Path, **given: Rows | bytes | None) -> Place:
    """The files: rows under ``HEADERS``, or bytes as they are; None is no file, and ``GOOD`` stands for the rest.

    Where there is no row, a line of nobody stands: a file must have one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for table, content in {**GOOD, **given}.items():
        if content is not None:
            nobody = [("",) * len(HEADERS[table])]
            written = content if isinstance(content, bytes) else csv_text(table, list(content) or nobody)
            (folder / FILES[table]).write_bytes(written)
    return Place(str(folder))


def clean_place(root: Place, store: Path, today: date = TODAY, max_bad_share: float = 0.1) -> Cleaned:
    """Clean the files that are there."""
    files = [source.file for source in sources.present(root)]
    place = Place(str(store))
    return Cleaned(place, cleaning.clean(root, files, place, "clean", today, max_bad_share))


def clean(today: date = TODAY, max_bad_share: float = 0.1, **given: Rows | bytes | None) -> Cleaned:
    """Write files as ``write_files`` does, in a new folder of the tests' own, and clean them."""
    folder = Path(tempfile.mkdtemp(prefix="churn-"))  # in pytest's own folder: see tests/churn_code/conftest.py
    return clean_place(write_files(folder / "files", **given), folder / "store", today, max_bad_share)


def days_from(day: date, *numbers: int) -> list[date]:
    return [day + timedelta(days=number) for number in numbers]
