"""The one door to Great Expectations: judge tables by suites, and write Data Docs that are private and work offline."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def _load() -> Any:
    """Import Great Expectations: without telemetry, and without what it imports but judging a table never uses."""
    if "great_expectations" in sys.modules:
        return sys.modules["great_expectations"]
    os.environ["GX_ANALYTICS_ENABLED"] = "False"
    _postpone("scipy.stats")
    hide_spark = "pyspark" not in sys.modules
    if hide_spark:
        sys.modules["pyspark"] = None  # type: ignore[assignment]
    try:
        import great_expectations
        import great_expectations.expectations
    finally:
        if hide_spark:
            del sys.modules["pyspark"]
    _count_keys_once()
    return great_expectations


def _postpone(name: str) -> None:
    """Let a module be imported by its first use, not by its import."""
    spec = importlib.util.find_spec(name)
    if name in sys.modules or spec is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    parent, _, child = name.rpartition(".")
    sys.modules[name] = module
    spec.loader.exec_module(module)
    setattr(sys.modules[parent], child, module)


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
        _importing = threading.Thread(target=_load, name="import great_expectations", daemon=True)
        _importing.start()


def loaded() -> Any:
    """The module ``great_expectations``."""
    if _importing is not None:
        _importing.join()
    return _load()


def judge(url: str, suites: Sequence[Suite], docs: Path, title: str) -> list[Failure]:
    """Ask every suite of its table; leave the answer as HTML in the folder ``docs``, whole or not at all.

    The first look only asks yes or no, which costs one scan a suite. Where the answer is no, a second one brings counts
    and examples for the page.

    Args:
        url: SQLAlchemy URL of the database.
        suites: what to ask of which table.
        docs: folder to make; one that is there is replaced.
        title: heading of the pages.

    Returns:
        What did not hold; empty where all did.
    """
    gx = loaded()
    docs.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".docs-", dir=docs.parent) as scratch:
        context = _context(gx, Path(scratch))
        source = context.data_sources.add_sql("warehouse", connection_string=url)
        definitions = [_definition(gx, context, source, suite) for suite in suites]
        result = _run(gx, context, definitions, title, "BOOLEAN_ONLY")
        failures = _failures(result)
        if failures:
            result = _run(gx, context, definitions, title, "SUMMARY")
        context.build_data_docs()
        site = Path(scratch) / "uncommitted" / "data_docs" / "local_site"
        _index(site, title, result, failures)
        make_private(site)
        shutil.rmtree(docs, ignore_errors=True)
        site.rename(docs)
        docs.chmod(0o755)
        source.get_engine().dispose()
    return failures


def _context(gx: Any, root: Path) -> Any:
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        FilesystemStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=FilesystemStoreBackendDefaults(root_directory=str(root)),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    return gx.get_context(project_config=config, mode="ephemeral")


def _definition(gx: Any, context: Any, source: Any, suite: Suite) -> Any:
    asset = source.add_table_asset(name=suite.name, table_name=suite.table, schema_name=suite.schema)
    batch = asset.add_batch_definition_whole_table("all rows")
    expectations = gx.ExpectationSuite(name=suite.name)
    for reason, expectation in suite.expectations.items():
        expectation.meta = {"reason": reason}
        expectations.add_expectation(expectation)
    return context.validation_definitions.add(
        gx.ValidationDefinition(name=suite.name, data=batch, suite=context.suites.add(expectations))
    )


def _run(gx: Any, context: Any, definitions: list[Any], title: str, result_format: str) -> Any:
    checkpoint = context.checkpoints.add_or_update(
        gx.Checkpoint(name=title, validation_definitions=definitions, result_format=result_format)
    )
    return checkpoint.run()


def _failures(result: Any) -> list[Failure]:
    return [
        Failure(answer.suite_name, each.expectation_config.meta["reason"], _said(each))
        for answer in result.run_results.values()
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
    return "does not hold"


_FOREIGN = re.compile(
    r"<script\b.*?</script>|<link\b[^>]*>|<img\b[^>]*//[^>]*>|<iframe\b.*?</iframe>|@font-face\s*{[^}]*}",
    re.DOTALL | re.IGNORECASE,
)
_ADDRESS = re.compile(r"""(?:url\()?['"]?https?://[^'")\s<>]*['"]?\)?""")
_STATUS_ICON = re.compile(r"""<i class="fas fa-(check-circle|times|exclamation-triangle) [^"]*"[^>]*></i>""")
_MARKS = {"check-circle": "✔", "times": "✘", "exclamation-triangle": "⚠"}


def make_private(site: Path) -> None:
    """Take out of every page what it would fetch from a foreign host: docs work offline and tell nobody."""
    style = f"<style>{(Path(__file__).parent / 'data_docs.css').read_text(encoding='utf-8')}</style></head>"
    for page in site.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        html = _STATUS_ICON.sub(lambda icon: _MARKS[icon[1]], html)
        html = _ADDRESS.sub('""', _FOREIGN.sub("", html)).replace("</head>", style, 1)
        page.write_text(html, encoding="utf-8")
    shutil.rmtree(site / "static", ignore_errors=True)


def _index(site: Path, title: str, result: Any, failures: list[Failure]) -> None:
    """Our own first page: the one of Great Expectations is empty without scripts from elsewhere."""
    rows = []
    for answer in result.run_results.values():
        name = answer.suite_name
        page = max((site / "validations" / name).rglob("*.html"))  # the second look, if there was one
        said = [f"{failure.reason}: {failure.said}" for failure in failures if failure.suite == name]
        status = (
            f'<span class="failed">✘ {escape("; ".join(said))}</span>' if said else '<span class="ok">✔ passed</span>'
        )
        rows.append(
            f'<tr><td><a href="{page.relative_to(site)}">{escape(name)}</a></td><td>{len(answer.results)}</td>'
            f'<td>{status}</td><td><a href="expectations/{name}.html">expectations</a></td></tr>'
        )
    (site / "index.html").write_text(
        f'<!DOCTYPE html><html lang="en"><head><meta charset="UTF-8"><title>{escape(title)}</title></head><body>'
        f'<div class="container-fluid"><h1>Data Docs</h1><p>{escape(title)}</p><table><tr><th>Suite</th>'
        f"<th>Expectations</th><th>Outcome</th><th></th></tr>{''.join(rows)}</table></div></body></html>",
        encoding="utf-8",
    )
