"""Changes that the door makes to Great Expectations, each for a gain that was measured.

Measured as ``python -m benchmarks.gx_patches`` does, on two cores, Python 3.11, great-expectations 1.24.1: CPU seconds
of whole processes in turn, medians of 7, "with / without" where the other patches stay. All together: 1.22 s / 3.35 s
to import and exit.
``tests/kernel/test_gx_patches.py`` and ``tests/flow/test_gx_door.py`` fail when a release makes a patch needless or
wrong; then remove that patch.
"""

from __future__ import annotations

import gc
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import Any

FindSpec = Callable[[str, Sequence[str] | None], ModuleSpec | None]
LAZY_MODULES = ("scipy.stats", "altair")
KEY_METRIC = "compound_columns.unique.unexpected_count"


def import_great_expectations() -> Any:
    """Imports Great Expectations with all patches, or waits for the thread that is importing it.

    Returns:
        The module ``great_expectations``.
    """
    silence_logs()
    if "great_expectations" not in sys.modules:
        with lazy_modules(*LAZY_MODULES), without_pyspark(), collector_paused():
            import great_expectations.expectations
        exempt_from_collection()
    import great_expectations  # blocks on Python's import lock while another thread imports it

    count_rows_by_key()
    return great_expectations


@contextmanager
def lazy_modules(*names: str) -> Iterator[None]:
    """Loads modules on first use, not where they are imported: ``scipy.stats`` and ``altair``.

    Great Expectations uses them for Kolmogorov-Smirnov and Kullback-Leibler expectations only. They stay lazy after
    this context and work for everybody.

    Gain: scipy.stats 1.22 s / 1.72 s, altair 1.22 s / 1.31 s.
    """
    with _found_by(_lazy_spec, *names):
        yield


@contextmanager
def without_pyspark() -> Iterator[None]:
    """Hides PySpark from Great Expectations, which then works as where PySpark is not installed.

    Gain: 1.22 s / 1.42 s.
    """
    with _found_by(_no_spec, "pyspark"):
        yield


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pauses the garbage collector: of 540,000 new objects the import leaves 3,000 as garbage.

    Gain: 1.22 s / 1.52 s.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def exempt_from_collection() -> None:
    """Exempts all present objects from garbage collection: the next full ones, and that at exit, skip them.

    Gain: 1.22 s / 1.95 s.
    """
    gc.freeze()


def silence_logs() -> None:
    """Logs errors of Great Expectations only.

    Gain: 211 lines at level INFO during the import, where Airflow's log keeps that level, and the warning that
    ``count_rows_by_key`` overwrites a metric.
    """
    logging.getLogger("great_expectations").setLevel(logging.ERROR)


def count_rows_by_key() -> None:
    """Replaces the count of ``ExpectCompoundColumnsToBeUnique`` in SQL by one that groups the table once.

    The count of Great Expectations joins the groups with the table again. Both count the rows that share their key with
    another row; a key with a NULL equals no other.

    Gain: 2.52 s / 7.65 s (loaded machine) to validate a key of four columns in 1M rows, one process, medians of 5.
    """
    from great_expectations.core.metric_domain_types import MetricDomainTypes
    from great_expectations.execution_engine import SqlAlchemyExecutionEngine
    from great_expectations.expectations.metrics.metric_provider import MetricProvider, metric_value
    from great_expectations.expectations.registry import get_sqlalchemy_metric_provider
    from sqlalchemy import and_, column, func, select

    if get_sqlalchemy_metric_provider(KEY_METRIC)[0].__module__ == __name__:
        return

    class RowsWithRepeatedKey(MetricProvider):  # type: ignore[misc, unused-ignore]
        metric_name = KEY_METRIC
        domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")

        @metric_value(engine=SqlAlchemyExecutionEngine)  # type: ignore[untyped-decorator, unused-ignore]
        def _count(cls, execution_engine: Any, metric_domain_kwargs: Any, **_: Any) -> int:  # noqa: N805
            rows, _, names = execution_engine.get_compute_domain(metric_domain_kwargs, MetricDomainTypes.MULTICOLUMN)
            rows = rows.subquery() if hasattr(rows, "subquery") else rows
            key: list[Any] = [column(name) for name in names["column_list"]]
            repeated = (
                select(func.count().label("rows"))
                .select_from(rows)
                .where(and_(*(part.is_not(None) for part in key)))
                .group_by(*key)
                .having(func.count() > 1)
                .subquery()
            )
            total = execution_engine.execute_query(select(func.coalesce(func.sum(repeated.c.rows), 0)))
            return int(total.scalar())


def _lazy_spec(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    spec = PathFinder.find_spec(name, path)
    if spec is not None and spec.loader is not None:
        spec.loader = LazyLoader(spec.loader)
    return spec


def _no_spec(name: str, _: Sequence[str] | None) -> None:
    raise ModuleNotFoundError(f"{name} is hidden from Great Expectations.", name=name)


@contextmanager
def _found_by(find: FindSpec, *names: str) -> Iterator[None]:
    """Lets ``find`` decide where this thread finds these modules; other threads import as usual."""
    finder = _Finder(find, names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder(MetaPathFinder):
    def __init__(self, find: FindSpec, names: Sequence[str]) -> None:
        self._find, self._names, self._thread = find, names, threading.get_ident()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None  # noqa: ARG002
    ) -> ModuleSpec | None:  # fmt: skip
        is_changed = fullname in self._names and threading.get_ident() == self._thread
        return self._find(fullname, path) if is_changed else None
