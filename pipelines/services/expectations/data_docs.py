"""Data Docs: validation results as pages that are private and work offline."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.services import console

if TYPE_CHECKING:
    from pipelines.services.expectations.suites import ValidationResult

_FOREIGN = re.compile(
    r"<script\b.*?</script>|<link\b[^>]*>|<img\b[^>]*>|<iframe\b.*?</iframe>|@font-face\s*{[^}]*}",
    re.DOTALL | re.IGNORECASE,
)
_ADDRESS = re.compile(r"""(?:url\()?['"]?https?://[^'")\s<>]*['"]?\)?""", re.IGNORECASE)
_STATUS_ICON = re.compile(r"""<i class="fas fa-(check-circle|times|exclamation-triangle) [^"]*"[^>]*></i>""")
_SUITE_LINK = re.compile(r"""<a href="[./]*expectations/[^>]*>(.*?)</a>""", re.DOTALL)
_HANDLER = re.compile(r' on[a-z]+="\w+\(\)"')  # of hidden buttons; the policy below would log an error for each
_HOME_LINK = re.compile(r'href="[./]*index[.]html"')
# The pages show values of rows as they are: whatever they hold, no browser runs or fetches it.
_NOTHING_LIVE = (
    '<meta http-equiv="Content-Security-Policy" '
    """content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">"""
)
_MARKS: Mapping[str, str] = {"check-circle": "✔", "times": "✘", "exclamation-triangle": "⚠"}


def private(html: str) -> str:
    """A page of Great Expectations without what a browser would fetch from other hosts: it works offline."""
    html = _STATUS_ICON.sub(lambda icon: _MARKS[icon[1]], html)
    html = _SUITE_LINK.sub(lambda link: link[1], _ADDRESS.sub('""', _FOREIGN.sub("", html)))
    html = _HANDLER.sub("", _HOME_LINK.sub('href="index.html"', html))
    return html.replace("<head>", f"<head>{_NOTHING_LIVE}", 1).replace(
        "</head>", f"<style>{_style()}</style></head>", 1
    )


def write_pages(site: Path, title: str, results: list[Any]) -> None:
    """Writes a page per suite, as Great Expectations renders it.

    Args:
        site: the folder of the pages.
        title: the name of the run on the pages.
        results: validation results of Great Expectations, one per suite.
    """
    from great_expectations.render.renderer import ValidationResultsPageRenderer

    view = _page_view()
    now = datetime.now(UTC)
    for result in results:
        result.meta["run_id"] = {"run_name": title, "run_time": now.isoformat()}
        page = view.render(ValidationResultsPageRenderer().render(result))
        page = page.replace(f"{now:%Y-%m-%dT%H:%M:%SZ}", console.moment(now))  # it prints every time in UTC
        (site / f"{result.suite_name}.html").write_text(private(page), encoding="utf-8")


def write_front_page(
    site: Path, title: str, outcome: str, result: ValidationResult, rejects: Sequence[tuple[str, str, str]]
) -> None:
    """Writes ``index.html``: the outcome, a line per suite, and the rejects.

    Args:
        site: the folder of the pages.
        title: the name of the run on the page.
        outcome: what the gate did, in one sentence.
        result: what ``validate`` returned.
        rejects: reject code, number of rows and the first row, of each rule that rejected rows.
    """
    suites = [
        (f'<a href="{name}.html">{name}</a>', str(expectations), _suite_outcome(name, result))
        for name, expectations in result.expectation_counts.items()
    ]
    body = f"<h1>Data Docs</h1><p>{escape(title)}</p><p><strong>{escape(outcome)}</strong></p>"
    body += _table(("Suite", "Expectations", "Outcome"), suites)
    if rejects:
        cells = [tuple(escape(cell) for cell in row) for row in rejects]
        body += "<h2>Rejected rows, by reason</h2>" + _table(("Reason", "Rows", "The first"), cells)
    head = f'{_NOTHING_LIVE}<meta charset="UTF-8"><title>{escape(title)}</title><style>{_style()}</style>'
    body = f'<div class="container-fluid">{body}</div>'
    page = f'<!DOCTYPE html><html lang="en"><head>{head}</head><body>{body}</body></html>'
    (site / "index.html").write_text(page, encoding="utf-8")


def _page_view() -> Any:
    """The view that renders pages. It keeps compiled templates in STATE_DIR: 0.03 s / 0.09 s to write two pages."""
    from great_expectations.render.view import DefaultJinjaPageView
    from jinja2 import FileSystemBytecodeCache

    from pipelines.services.settings import settings

    compiled = settings().home / "templates"
    compiled.mkdir(parents=True, exist_ok=True)
    view = DefaultJinjaPageView()
    view.env.bytecode_cache = FileSystemBytecodeCache(str(compiled))
    return view


def _style() -> str:
    return (Path(__file__).parent / "data_docs.css").read_text(encoding="utf-8")


def _suite_outcome(suite: str, result: ValidationResult) -> str:
    failed = [escape(f"✘ {each.reject_code} {each.message}") for each in result.failures if each.suite == suite]
    return f'<span class="failed">{"<br>".join(failed)}</span>' if failed else '<span class="ok">✔ passed</span>'


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table; headings and cells are HTML."""
    lines = ["".join(f"<th>{heading}</th>" for heading in headings)]
    lines += ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
