"""Data Docs: what Great Expectations found, as pages that are private and work offline."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.services import console

if TYPE_CHECKING:
    from pipelines.services.expectations import Judgement

_FOREIGN = re.compile(
    r"<script\b.*?</script>|<link\b[^>]*>|<img\b[^>]*>|<iframe\b.*?</iframe>|@font-face\s*{[^}]*}",
    re.DOTALL | re.IGNORECASE,
)
_ADDRESS = re.compile(r"""(?:url\()?['"]?https?://[^'")\s<>]*['"]?\)?""", re.IGNORECASE)
_STATUS_ICON = re.compile(r"""<i class="fas fa-(check-circle|times|exclamation-triangle) [^"]*"[^>]*></i>""")
_SUITE_LINK = re.compile(r"""<a href="[./]*expectations/[^>]*>(.*?)</a>""", re.DOTALL)
_HANDLER = re.compile(r' on[a-z]+="\w+\(\)"')  # of buttons that are not shown; the policy below would complain of them
_HOME_LINK = re.compile(r'href="[./]*index[.]html"')
# Values of rows stand in the pages as they are: whatever they hold, no browser runs or fetches it.
_NOTHING_LIVE = (
    '<meta http-equiv="Content-Security-Policy" '
    """content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">"""
)
_MARKS = {"check-circle": "✔", "times": "✘", "exclamation-triangle": "⚠"}


@lru_cache
def _page_view() -> Any:
    """The view that renders pages; it compiles its templates once, where a site builder does so for every page."""
    from great_expectations.render.view import DefaultJinjaPageView
    from jinja2 import FileSystemBytecodeCache

    from pipelines.services.settings import settings

    compiled = settings().home / "templates"
    compiled.mkdir(parents=True, exist_ok=True)
    view = DefaultJinjaPageView()
    view.env.bytecode_cache = FileSystemBytecodeCache(str(compiled))
    return view


def private(html: str) -> str:
    """A page of Great Expectations without what it would fetch from foreign hosts: it works offline."""
    html = _STATUS_ICON.sub(lambda icon: _MARKS[icon[1]], html)
    html = _SUITE_LINK.sub(lambda link: link[1], _ADDRESS.sub('""', _FOREIGN.sub("", html)))
    html = _HANDLER.sub("", _HOME_LINK.sub('href="index.html"', html))
    return html.replace("<head>", f"<head>{_NOTHING_LIVE}", 1).replace(
        "</head>", f"<style>{_style()}</style></head>", 1
    )


def _style() -> str:
    return (Path(__file__).parent / "data_docs.css").read_text(encoding="utf-8")


def write_pages(site: Path, title: str, answers: list[Any]) -> None:
    """A page per suite, as Great Expectations renders it."""
    from great_expectations.render.renderer import ValidationResultsPageRenderer

    now = datetime.now(UTC)
    for answer in answers:
        answer.meta["run_id"] = {"run_name": title, "run_time": now.isoformat()}
        page = _page_view().render(ValidationResultsPageRenderer().render(answer))
        page = page.replace(f"{now:%Y-%m-%dT%H:%M:%SZ}", console.moment(now))  # it takes all times for UTC
        (site / f"{answer.suite_name}.html").write_text(private(page), encoding="utf-8")


def write_front_page(
    site: Path, title: str, outcome: str, judgement: Judgement, rejects: Sequence[tuple[str, str, str]]
) -> None:
    """``index.html``: what came of it, which suite held, and the rejects as (reason, rows, the first of them)."""
    suites = [
        (f'<a href="{name}.html">{name}</a>', str(expectations), _held(name, judgement))
        for name, expectations in judgement.asked.items()
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


def _held(suite: str, judgement: Judgement) -> str:
    said = [escape(f"✘ {each.reason} {each.said}") for each in judgement.failures if each.suite == suite]
    return f'<span class="failed">{"<br>".join(said)}</span>' if said else '<span class="ok">✔ passed</span>'


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are HTML."""
    lines = ["".join(f"<th>{heading}</th>" for heading in headings)]
    lines += ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
