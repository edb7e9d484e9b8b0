"""The one door to Great Expectations: judge tables by suites."""

from __future__ import annotations

import atexit
import gc
import importlib
import logging
import os
import sys
import threading
import types
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import WarehouseUnreachable
from pipelines.services.expectations import data_docs

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

_importing: threading.Thread | None = None


@dataclass(frozen=True)
class Suite:
    """Expectations about one table, by the reason that a failure is told with."""

    name: str
    schema: str
    table: str
    expectations: Mapping[str, Expectation]


@dataclass(frozen=True)
class Failure:
    """An expectation that did not hold, or could not be asked."""

    suite: str
    reason: str
    said: str


@dataclass(frozen=True)
class Judgement:
    """How many expectations each suite was asked, and which did not hold."""

    asked: Mapping[str, int]
    failures: Sequence[Failure]


class _Later(types.ModuleType):
    """Stands for a module until something of it is used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


def _load() -> Any:
    """Import Great Expectations: without telemetry, and without what it imports but judging a table never uses."""
    if "great_expectations" in sys.modules:
        return sys.modules["great_expectations"]
    os.environ["GX_ANALYTICS_ENABLED"] = "False"
    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # it logs hundreds of lines while it is imported
    stand_ins: dict[str, Any] = {name: _Later(name) for name in ("scipy.stats", "altair")} | {"pyspark": None}
    stand_ins = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(stand_ins)
    gc.disable()  # nothing of what is imported will be garbage: looking for it costs a tenth of the time
    try:
        import great_expectations
        import great_expectations.expectations
    finally:
        gc.enable()
        atexit.register(gc.freeze)  # nor at the end: half a second
        for name in stand_ins:
            del sys.modules[name]
    _count_keys_once()
    return great_expectations


def _count_keys_once() -> None:
    """Let ``ExpectCompoundColumnsToBeUnique`` group the table once; its own SQL joins the groups with the table again.

    The value is the same: how many rows share their key with another row. 1M rows: 0.6 s instead of 2.5 s.
    """
    from great_expectations.core.metric_domain_types import MetricDomainTypes
    from great_expectations.execution_engine import SqlAlchemyExecutionEngine
    from great_expectations.expectations.metrics.metric_provider import MetricProvider, metric_value
    from sqlalchemy import column, func, or_, select

    logging.getLogger("great_expectations").setLevel(logging.ERROR)  # it would warn of the replacement

    class RowsThatShareTheirKey(MetricProvider):  # type: ignore[misc, unused-ignore]
        metric_name = "compound_columns.unique.unexpected_count"
        domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")

        @metric_value(engine=SqlAlchemyExecutionEngine)  # type: ignore[untyped-decorator, unused-ignore]
        def _count(cls, execution_engine: Any, metric_domain_kwargs: Any, **_: Any) -> int:  # noqa: N805
            rows, _, names = execution_engine.get_compute_domain(metric_domain_kwargs, MetricDomainTypes.MULTICOLUMN)
            rows = rows.subquery() if hasattr(rows, "subquery") else rows
            key: list[Any] = [column(name) for name in names["column_list"]]
            shared = (
                select(func.count().label("rows"))
                .select_from(rows)
                .where(or_(*(part.is_not(None) for part in key)))
                .group_by(*key)
                .having(func.count() > 1)
                .subquery()
            )
            counted = execution_engine.execute_query(select(func.coalesce(func.sum(shared.c.rows), 0)))
            return int(counted.scalar())


def load_early() -> None:
    """Start the import (seconds) in a thread, so that it goes on while the database works."""
    global _importing
    if _importing is None:
        _importing = threading.Thread(target=_try_to_load, name="import great_expectations")
        os.register_at_fork(before=_importing.join)  # luigi --workers forks: no import lock may be held then
        _importing.start()


def _try_to_load() -> None:
    with suppress(Exception):  # the process may be ending; whoever needs the module meets the error
        _load()


def loaded() -> Any:
    """The module ``great_expectations``."""
    if _importing is not None:
        _importing.join()
    return _load()


def judge(url: str, suites: Sequence[Suite], site: Path, title: str) -> Judgement:
    """Ask every suite of its table; leave a page for each in the folder ``site``.

    The first look only asks yes or no, which costs one scan a suite. Where the answer is no, a second one brings counts
    and examples for the page.

    Args:
        url: SQLAlchemy URL of the database.
        suites: what to ask of which table.
        site: an empty folder.
        title: what the pages call this run.
    """
    gx = loaded()
    with _plainly(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own deprecations, and of PostgreSQL by its generic door
        context = gx.get_context(mode="ephemeral", project_config=_in_memory())
        source = context.data_sources.add_sql("warehouse", connection_string=url)
        asked = [_asked(gx, source, suite) for suite in suites]
        answers = [batch.validate(suite, result_format="BOOLEAN_ONLY") for batch, suite in asked]
        if failures := _failures(answers):
            answers = [batch.validate(suite, result_format="SUMMARY") for batch, suite in asked]
            failures = _failures(answers) or failures  # mended meanwhile? It was bad all the same
        source.get_engine().dispose()
        data_docs.write_pages(site, title, answers)
    return Judgement({answer.suite_name: len(answer.results) for answer in answers}, failures)


@contextmanager
def _plainly() -> Iterator[None]:
    """Tell in plain words that the database failed; nothing of what it said, that may hold a password."""
    from great_expectations.datasource.fluent.interfaces import TestConnectionError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, TestConnectionError) as error:
        raise WarehouseUnreachable(
            f"Great Expectations was interrupted by PostgreSQL ({type(error).__name__}); it needs a connection of its "
            "own beside the flow's. Nothing was decided; run again."
        ) from error


def _in_memory() -> Any:
    """A context that leaves nothing on disk: definitions are code, and the pages are written by us."""
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    return DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )


def _asked(gx: Any, source: Any, suite: Suite) -> tuple[Any, Any]:
    """A suite's table as a batch, and its expectations, each with its reason."""
    asset = source.add_table_asset(name=suite.name, table_name=suite.table, schema_name=suite.schema)
    expectations = gx.ExpectationSuite(name=suite.name)
    for reason, expectation in suite.expectations.items():
        expectation.meta = {"reason": reason}
        expectations.add_expectation(expectation)
    return asset.add_batch_definition_whole_table("all rows").get_batch(), expectations


def _failures(answers: list[Any]) -> list[Failure]:
    return [
        Failure(answer.suite_name, each.expectation_config.meta["reason"], _said(each))
        for answer in answers
        for each in answer.results
        if not each.success
    ]


def _said(result: Any) -> str:
    problems = result.exception_info or {}
    if "raised_exception" in problems:
        problems = {"": problems}
    for problem in problems.values():
        if problem.get("raised_exception"):
            return f"could not be asked: {str(problem.get('exception_message', '')).strip()}"
    found: Mapping[str, Any] = result.result or {}
    if found.get("unexpected_count"):
        return f"does not hold for {found['unexpected_count']:,} of {found['element_count']:,} rows"
    return "does not hold"
