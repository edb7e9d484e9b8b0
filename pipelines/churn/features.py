"""What is known of a customer before a cutoff: declared once, computed by one SQL text on DuckDB or on Spark."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.churn import sources
from pipelines.churn.declaration import FEATURES
from pipelines.churn.results import CleanTables
from pipelines.core import statements
from pipelines.core.errors import PipelineError
from pipelines.services.artifacts import Place
from pipelines.services.settings import settings

if TYPE_CHECKING:
    import pyarrow

LABEL_DAYS = 30  # training: active in so many days up to the snapshot; features stop before them
CHURN_DAYS = 60  # weekly: churned is who pays nothing for so many days after the cutoff
CHURN_WEEKS = math.ceil(CHURN_DAYS / 7)  # so many weekly snapshots have no label yet where EVALUATE does not tell it
HISTORY_DAYS = 90  # a customer belongs to a cohort who paid in so many days before its cutoff
MONTH_DAYS = 30  # what an extract calls a month back


# Dates ------------------------------------------------------------------------------------------------------------


def snapshot_of(day: date, last_day: date) -> date:
    """The snapshot of a run: its date, or the first day that the payments do not reach."""
    return min(day, last_day + timedelta(days=1))


def week_of(day: date, last_day: date) -> date:
    """The weekly snapshot of a run: its date; where the payments end before, the last Sunday that they reach."""
    snapshot = snapshot_of(day, last_day)
    return snapshot if snapshot == day else sundays(snapshot, 1)[0]


def sundays(until: date, weeks: int) -> list[date]:
    """The last Sundays not after a day, oldest first."""
    last = until - timedelta(days=until.isoweekday() % 7)
    return [last - timedelta(weeks=back) for back in reversed(range(weeks))]


def weeks_before(cutoff: date, weeks: int, first_day: date) -> list[date]:
    """The weekly snapshots before one, oldest first, as far back as there were payments for a week or more."""
    return [day for day in sundays(cutoff - timedelta(days=1), weeks) if day >= first_day + timedelta(weeks=1)]


# Frames -----------------------------------------------------------------------------------------------------------


def bound(cutoff: date, known_until: Mapping[str, date]) -> dict[str, Any]:
    """The values that ``features.sql`` binds.

    Args:
        cutoff: the first day of which nothing may be known.
        known_until: by file, the last day of which it tells.
    """

    def known(source: sources.Source) -> date:
        return known_until[source.file]

    def month(source: sources.Source) -> int:
        """The newest month back that had ended at the cutoff; of those beyond a year nothing is told."""
        ended = 1 + max(0, math.ceil(((known(source) - cutoff).days + 1) / MONTH_DAYS))
        return min(ended, sources.MONTHS + 1)

    return {
        "cutoff": cutoff, **{f"ago_{days}": cutoff - timedelta(days=days) for days in (7, 30, 60, 90)},
        "visits_month": month(sources.ACTIVE_USER), "balance_month": month(sources.DINERO_CUENTA),
        "marketplace_known": known(sources.MARKETPLACE_DATA) < cutoff,
        "investment_known": known(sources.DINERO_CUENTA) < cutoff,
        "logins_known": known(sources.ACTIVE_USER) < cutoff,
        **{feature.name: feature.default for feature in FEATURES},
    }  # fmt: skip


def frame(store: Place, clean: CleanTables, version: str, cutoff: date) -> str:
    """The features at a cutoff as Parquet, computed if they are not there yet; one row per customer of the cohort.

    Args:
        store: where the clean tables are, and where the frame goes.
        clean: the clean tables.
        version: of the code that computes features.
        cutoff: the first day of which nothing is known.

    Returns:
        The name of the file in ``store``. Columns: ``customer_id``, ``FEATURES`` with their defaults,
        ``last_payment_date`` and ``last_login_date``.
    """
    name = f"{clean.folder}/features-{version[:12]}-{cutoff}.parquet"
    if not store.exists(name):
        with engine(store, clean.folder) as ask, store.writing(name) as path:
            ask(statements.text("churn/features"), bound(cutoff, clean.known_until), path)
    return name


def read(store: Place, name: str, columns: list[str] | None = None) -> pyarrow.Table:
    """A frame as an Arrow table."""
    import pyarrow.parquet

    with _whole(store.at(name)), store.local(name) as path:
        return pyarrow.parquet.read_table(path, columns=columns)


class NoCohort(PipelineError):
    """Nobody paid in the days before a cutoff."""

    is_retryable = False


def require_cohort(customers: int, cutoff: date, clean: CleanTables) -> None:
    """
    Raises:
        NoCohort: there is no customer.
    """
    if not customers:
        raise NoCohort(
            f"Nobody paid in the {HISTORY_DAYS} days before {cutoff}. "
            f"The payments go from {clean.first_day} to {clean.last_day}."
        )


@contextmanager
def _whole(where: str) -> Iterator[None]:
    """Tell in plain words that Parquet of ours cannot be read.

    Raises:
        PipelineError: what to remove.
    """
    try:
        yield
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("duckdb", "_duckdb", "pyarrow"):
            raise
        said = next(iter(str(error).splitlines()), "")[:200]
        raise PipelineError(f"{where} is damaged ({said}). Remove it and run again: it is made anew.") from None


# Engines ----------------------------------------------------------------------------------------------------------


def runs_on_spark(payments_bytes: int) -> bool:
    """Whether a cluster is named, or the payments are more than this machine can go through on its disk."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return not settings().spark_master_url.startswith("local") or payments_bytes > 4 * machine


@contextmanager
def engine(store: Place, folder: str) -> Iterator[Any]:
    """A function over the clean tables, on DuckDB or Spark: ``ask(text, values)`` returns an Arrow table,
    ``ask(text, values, path)`` writes it as Parquet."""
    if runs_on_spark(store.size(f"{folder}/payments.parquet")):
        with on_spark(store, folder) as ask:
            yield ask
    else:
        with on_duckdb(store, folder) as ask:
            yield ask


@contextmanager
def on_duckdb(store: Place, folder: str) -> Iterator[Any]:
    """The tables in DuckDB."""
    from pipelines.churn.cleaning import TABLES

    with _whole(store.at(folder)), tempfile.TemporaryDirectory(prefix="kpi-delivery-") as scratch, ExitStack() as local:
        connection = sources.connect(Path(scratch))
        for table in TABLES:
            path = local.enter_context(store.local(f"{folder}/{table}.parquet"))
            connection.read_parquet(str(path)).create_view(table)

        def ask(text: str, values: Mapping[str, Any], into: Path | None = None) -> pyarrow.Table | None:
            found = connection.sql(text, params=dict(values))
            return found.to_arrow_table() if into is None else found.to_parquet(str(into), compression="snappy")

        yield ask


@contextmanager
def on_spark(store: Place, folder: str) -> Iterator[Any]:
    """The tables in Spark; the SQL transpiled."""
    from pipelines.churn.cleaning import TABLES
    from pipelines.services import spark

    session = spark.session()
    for table in TABLES:
        session.read.parquet(spark.url(store.at(f"{folder}/{table}.parquet"))).createOrReplaceTempView(table)

    def ask(text: str, values: Mapping[str, Any], into: Path | None = None) -> pyarrow.Table | None:
        import pyarrow.parquet

        found = session.sql(in_sparks_words(text), args=dict(values)).toArrow()
        return found if into is None else pyarrow.parquet.write_table(found, into, compression="snappy")

    yield ask


def in_sparks_words(text: str) -> str:
    """Translates SQL from DuckDB's dialect to Spark's; values stay parameters."""
    import sqlglot
    from sqlglot import exp

    def from_one(node: exp.Expr) -> exp.Expr:
        """A place in a list counts from 1 in DuckDB; in Spark's brackets from 0, in its function from 1."""
        if isinstance(node, exp.Bracket):
            return exp.Anonymous(this="ELEMENT_AT", expressions=[node.this, *node.expressions])
        return node

    return sqlglot.parse_one(text, read="duckdb").transform(from_one).sql(dialect="spark", comments=False)
