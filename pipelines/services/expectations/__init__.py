"""The one door to Great Expectations: validates tables by suites and writes Data Docs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.core.errors import WarehouseUnreachable
from pipelines.services.expectations import data_docs
from pipelines.services.expectations.loading import EarlyImport, loaded
from pipelines.services.expectations.suites import Failure, Suite, ValidationResult

__all__ = ["VERSION", "EarlyImport", "Failure", "Suite", "ValidationResult", "loaded", "validate"]

# Part of the code version of every stage that validates here. Raise it with a change of this package, or an upgrade of
# Great Expectations, that may change which expectations fail, a count, or Data Docs. A faster way to the same result
# leaves it.
VERSION = 1


def validate(url: str, suites: Sequence[Suite], site: Path, title: str) -> ValidationResult:
    """Validates each suite's table and writes a page per suite.

    The first validation returns success or failure only, which costs one scan per suite. Where an expectation fails, a
    second one adds counts and examples for the page.

    Args:
        url: SQLAlchemy URL of the database.
        suites: the suites to validate.
        site: an empty folder for the pages.
        title: the name of the run on the pages.

    Raises:
        WarehouseUnreachable: the database refused or failed.
    """
    gx = loaded()
    with _database_errors_named(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own deprecations, and its advice to use another class for PostgreSQL
        context = gx.get_context(mode="ephemeral", project_config=_config_in_memory())
        source = context.data_sources.add_sql("warehouse", connection_string=url)
        batches = [_batch_and_suite(gx, source, suite) for suite in suites]
        results = [batch.validate(suite, result_format="BOOLEAN_ONLY") for batch, suite in batches]
        if failures := _failures(results):
            results = [batch.validate(suite, result_format="SUMMARY") for batch, suite in batches]
            failures = _failures(results) or failures  # rows may have changed in between; a failure still counts
        source.get_engine().dispose()
        data_docs.write_pages(site, title, results)
    return ValidationResult({result.suite_name: len(result.results) for result in results}, failures)


@contextmanager
def _database_errors_named() -> Iterator[None]:
    """Raises errors of the database without their text, which may hold a password."""
    from great_expectations.datasource.fluent.interfaces import TestConnectionError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, TestConnectionError) as error:
        raise WarehouseUnreachable(
            f"Great Expectations was interrupted by PostgreSQL ({type(error).__name__}); it needs a connection of its "
            "own beside the flow's. Nothing was decided; run again."
        ) from error


def _config_in_memory() -> Any:
    """A context that writes nothing to disk: suites are code, and ``data_docs`` writes the pages."""
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    return DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,  # 1.24.1 has no telemetry; releases that have it obey this
    )


def _batch_and_suite(gx: Any, source: Any, suite: Suite) -> tuple[Any, Any]:
    """The whole table as a batch, and the suite as Great Expectations has it, with the reject codes as metadata."""
    asset = source.add_table_asset(name=suite.name, table_name=suite.table, schema_name=suite.schema)
    gx_suite = gx.ExpectationSuite(name=suite.name)
    for reject_code, expectation in suite.expectations.items():
        expectation.meta = {"reject_code": reject_code}
        gx_suite.add_expectation(expectation)
    return asset.add_batch_definition_whole_table("all rows").get_batch(), gx_suite


def _failures(results: list[Any]) -> list[Failure]:
    return [
        Failure(result.suite_name, each.expectation_config.meta["reject_code"], _message(each))
        for result in results
        for each in result.results
        if not each.success
    ]


def _message(result: Any) -> str:
    exceptions = result.exception_info or {}
    if "raised_exception" in exceptions:
        exceptions = {"": exceptions}
    for exception in exceptions.values():
        if exception.get("raised_exception"):
            return f"could not be asked: {str(exception.get('exception_message', '')).strip()}"
    details: Mapping[str, Any] = result.result or {}
    if details.get("unexpected_count"):
        return f"does not hold for {details['unexpected_count']:,} of {details['element_count']:,} rows"
    return "does not hold"
