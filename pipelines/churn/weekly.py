"""Weekly features in PostgreSQL: built per snapshot, replaced as a whole, read back for training and scoring."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from pipelines.churn import features
from pipelines.churn.declaration import FEATURES
from pipelines.churn.features import CHURN_DAYS
from pipelines.churn.results import CleanTables, WeeklyFeatures
from pipelines.core import statements
from pipelines.core.statements import query
from pipelines.services.artifacts import Place
from pipelines.services.warehouse import Connection, one

if TYPE_CHECKING:
    import pandas
    import pyarrow


def build(tx: Connection, store: Place, clean: CleanTables, version: str, snapshot: date) -> WeeklyFeatures:
    """Replace a snapshot's rows of ``features.churn_weekly_features``.

    Raises:
        NoCohort: there is none; nothing was written.
    """
    frame = features.read(store, features.frame(store, clean, version, snapshot))
    features.require_cohort(frame.num_rows, snapshot, clean)
    labelled = label(store, clean, frame, snapshot)
    tx.execute(query("churn/forget_snapshot"), {"snapshot": snapshot})
    copy(tx, "churn/copy_features", labelled)
    counts = one(tx, "churn/count_snapshot", {"snapshot": snapshot})
    return WeeklyFeatures((snapshot,), counts["rows"], counts["labelled"], counts["churned"])


def are_there(connection: Connection, snapshots: Sequence[date]) -> bool:
    """Whether each of these snapshots has rows."""
    return int(one(connection, "churn/snapshots_there", {"snapshots": list(snapshots)})["there"]) == len(snapshots)


def label(store: Place, clean: CleanTables, frame: pyarrow.Table, snapshot: date) -> pyarrow.Table:
    """The rows of the table: ``labeled_churn`` is that of EVALUATE, or whether nothing was paid for 60 days.

    Empty where those days have not passed, as far as the payments tell.
    """
    import duckdb

    until = snapshot + timedelta(days=CHURN_DAYS)
    with features.engine(store, clean.folder) as ask:
        active = ask(statements.text("churn/active"), {"cutoff": snapshot, "until": until})
    connection = duckdb.connect()
    connection.register("frame", frame)
    connection.register("active", active)
    with store.local(f"{clean.folder}/evaluate.parquet") as path:
        connection.read_parquet(str(path)).create_view("evaluate")
        passed = until <= clean.last_day + timedelta(days=1)
        values = {"snapshot": snapshot, "passed": passed}
        return connection.sql(statements.text("churn/label_weekly"), params=values).to_arrow_table()


def copy(tx: Connection, statement: str, table: pyarrow.Table) -> None:
    """COPY an Arrow table, column by column in the order of the statement, in pieces."""
    import pyarrow.csv

    plain = pyarrow.csv.WriteOptions(include_header=False)
    with tx.cursor().copy(query(statement)) as target:
        for batch in table.to_batches(max_chunksize=100_000):
            piece = io.BytesIO()
            pyarrow.csv.write_csv(batch, piece, plain)
            target.write(piece.getvalue())


def read(tx: Connection, snapshots: Sequence[date]) -> pandas.DataFrame:
    """The rows of these snapshots: ``customer_id``, ``snapshot_date``, features, ``labeled_churn`` and ``holdout``."""
    import pyarrow.csv

    with tx.cursor().copy(query("churn/read_features"), {"snapshots": list(snapshots)}) as source:
        text = b"".join(bytes(block) for block in source)
    types = {feature.name: _arrow_type(feature.is_category) for feature in FEATURES}
    options = pyarrow.csv.ConvertOptions(column_types=types, true_values=["t"], false_values=["f"])
    rows: pandas.DataFrame = pyarrow.csv.read_csv(io.BytesIO(text), convert_options=options).to_pandas()
    return rows


def _arrow_type(is_category: bool) -> Any:
    import pyarrow

    return pyarrow.string() if is_category else pyarrow.float64()
