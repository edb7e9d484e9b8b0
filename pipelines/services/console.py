"""What a person sees: one line per stage, a short table at the end, an error in plain words.

On a terminal the line is live (rich); elsewhere it is a plain log line.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import PipelineError

if TYPE_CHECKING:
    from rich.console import Console

Say = Callable[[dict[str, Any]], None]
Rows = list[tuple[str, str]]


@lru_cache
def terminal() -> Console:
    """Standard error: standard output stays free for results."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


@lru_cache
def _log() -> logging.Logger:
    log = logging.getLogger("pipelines")
    log.setLevel(logging.INFO)
    if not logging.getLogger().handlers or logging.getLogger().level > logging.INFO:
        handler = logging.StreamHandler(sys.stderr)
        formatter = logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S")
        formatter.converter = _in_zone
        handler.setFormatter(formatter)
        log.addHandler(handler)
        log.propagate = False
    return log


def _in_zone(seconds: float | None) -> time.struct_time:
    """A moment as the project's clock shows it; where the settings are wrong, as the machine's does."""
    from pipelines.services.settings import settings

    with suppress(PipelineError):
        return datetime.fromtimestamp(seconds or 0, settings().zone).timetuple()
    return time.localtime(seconds)


def moment(when: datetime) -> str:
    """A time in the project's zone, in which dates are, too."""
    from pipelines.services.settings import settings

    return f"{when.astimezone(settings().zone):%Y-%m-%d %H:%M:%S %Z}"


def plain(text: str) -> str:
    """Text from outside as a terminal may show it: no markup, no control character."""
    from rich.markup import escape

    return escape("".join(each if each.isprintable() or each == "\n" else f"\\x{ord(each):02x}" for each in text))


def note(text: str) -> None:
    """A line about the run itself."""
    if terminal().is_terminal:
        terminal().print(f"[yellow]•[/] {plain(text)}")
    else:
        _log().info(text)


@contextmanager
def stage(name: str, key: str, quiet: bool) -> Iterator[Say]:
    """Tell that a stage runs, and how it ended."""
    told: dict[str, Any] = {}
    started = time.monotonic()
    if quiet:
        yield told.update
        return
    if not terminal().is_terminal:
        _log().info("%s (%s) …", name, key)
        yield told.update
        counts = in_words(told)
        _log().info("%s done in %.1f s%s", name, time.monotonic() - started, f": {counts}" if counts else "")
        return
    with terminal().status(f"{name} [dim]({plain(key)})[/]"):
        yield told.update
    seconds = time.monotonic() - started
    terminal().print(f"[green]✓[/] {name:<36} {seconds:6.1f} s  [dim]{in_words(told)}[/]")


def in_words(details: dict[str, Any]) -> str:
    """The counts of a result, in one line."""
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in details.items() if type(count) is int)


def rows(count: int) -> str:
    """A number of rows, in words."""
    return f"{count:,} row{'' if count == 1 else 's'}"


def error(problem: PipelineError) -> None:
    """What happened, where, and what to do next."""
    if terminal().is_terminal:
        terminal().print(f"[bold red]✗[/] {plain(str(problem))}")
    else:
        _log().error("ERROR %s", problem)


def result(text: str) -> None:
    """A line on standard output."""
    print(text)  # noqa: T201


def table(title: str, rows: Sequence[tuple[str, str]], values: str = "right") -> None:
    """Names and numbers on standard output; ``values`` that are words stand better at the left."""
    grid(title, [("", "left"), ("", values)], rows)


def grid(title: str, columns: list[tuple[str, str]], rows: Sequence[tuple[str, ...]]) -> None:
    """A table on standard output; ``columns`` are (heading, justification)."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD, show_header=any(c for c, _ in columns))
    cells = [[plain(cell) for cell in row] for row in rows]
    for number, (heading, justify) in enumerate(columns):
        wraps = heading in ("reasons", "for example")
        width = 30 if wraps else max(len(text) for text in [heading, *(row[number] for row in cells)])
        shown.add_column(heading, justify=justify, overflow="fold", no_wrap=not wraps, min_width=width)  # type: ignore[arg-type]
    for row in cells:
        shown.add_row(*row)
    out = Console(highlight=False)
    if not out.is_terminal:
        out = Console(highlight=False, width=120)
    # On a narrow terminal lines wrap; cropped, a number would be another number.
    out.width = max(out.width, shown.__rich_measure__(out, out.options.update(width=1000)).minimum)
    out.print(f"[italic]{plain(title)}[/]", soft_wrap=True)  # its own line: a table's title is as narrow as its rows
    out.print(shown)
