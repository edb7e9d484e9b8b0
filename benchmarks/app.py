"""The app beside a bare one (``app_bare.py``), in a real browser, on the model in production: ``make churn`` first.

Seconds from the start of the server to its first page, from a click to the answer, and from a file of 100,000 customers
to its download, with the memory of the server; each in turn, medians and their ratio.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.churn import registry
from pipelines.churn.declaration import DECLARED, NUMERIC
from pipelines.core.errors import MissingInput, PipelineError
from pipelines.services import console, tracking
from scripts import browser

STARTS, CLICKS, FILES = 5, 20, 3
ROWS = 100_000
CHANGED = DECLARED["days_since_activity"].label
# Within the page: what a browser is driven with is not measured.
ANSWER = """button => new Promise(done => {
    const shown = () => document.querySelector("[data-testid=stMetricValue]")?.innerText
    const before = shown(), began = performance.now()
    const look = () => [undefined, before].includes(shown()) ? setTimeout(look, 1) : done(performance.now() - began)
    button.click()
    look()
})"""


class Contender:
    """An app in a server of its own, and a page of it."""

    def __init__(self, program: str, chromium: Any, log: Path) -> None:
        where = {"MLFLOW_TRACKING_URI": tracking.uri()}
        self.server = browser.app({**os.environ, **where}, log, program)
        self.chromium = chromium

    def first_page(self) -> None:
        """From nothing to a page that can be read."""
        self.server.start()
        self.server.wait()
        self.page = self.chromium.new_page()
        self.page.goto(self.server.url)
        self.page.get_by_role("button", name="Score", exact=True).wait_for()

    def stop(self) -> None:
        self.page.close()
        self.server.stop()

    def answer(self, days: int) -> float:
        """Seconds from a click to another answer."""
        page = self.page
        page.get_by_label(CHANGED, exact=True).fill(str(days))
        page.wait_for_timeout(500)  # until nothing moves
        return float(page.get_by_role("button", name="Score", exact=True).evaluate(ANSWER)) / 1000

    def file(self, path: Path) -> float:
        """Seconds from an upload to what can be downloaded."""
        page = self.page
        page.get_by_text("A file of many").click()
        page.locator("input[type=file]").wait_for(state="attached")
        took = seconds(lambda: (page.locator("input[type=file]").set_input_files(path),
                                page.get_by_role("button", name="Download as CSV").wait_for()))  # fmt: skip
        page.get_by_text("By hand").click()
        page.get_by_role("button", name="Score", exact=True).wait_for()
        return took

    @contextmanager
    def memory(self) -> Iterator[list[int]]:
        """The most that the server has used meanwhile, in MB above what it had."""
        import psutil

        server, over, most = psutil.Process(self.server.process.pid), threading.Event(), [0]
        before = server.memory_info().rss

        def look() -> None:
            while not over.wait(0.01):
                most[0] = max(most[0], (server.memory_info().rss - before) >> 20)

        looking = threading.Thread(target=look)
        looking.start()
        yield most
        over.set()
        looking.join()


def seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def customers(path: Path) -> None:
    """A file of customers who differ."""
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(7)
    pd.DataFrame({name: random.integers(0, 90, ROWS) for name in NUMERIC}).to_csv(path, index=False)


def show(what: str, ours: list[float], bare: list[float]) -> None:
    first, second = statistics.median(ours), statistics.median(bare)
    print(f"{what:<42}{first:8.3f}{second:9.3f}{first / second:8.2f}")


def compare(chromium: Any, folder: Path) -> None:
    customers(folder / "customers.csv")
    programs = ("app/main.py", "benchmarks/app_bare.py")
    starts: list[list[float]] = [[], []]
    for turn in range(STARTS + 1):
        both = [Contender(program, chromium, folder / "log") for program in programs]
        for each, took in zip(both, starts, strict=True):
            took.append(seconds(each.first_page))
            if turn < STARTS:
                each.stop()
    try:
        first = [each.answer(1) for each in both]
        clicks = [[each.answer(2 + turn) for turn in range(CLICKS)] for each in both]
        files: list[list[float]] = [[], []]
        megabytes: list[list[float]] = [[], []]
        for _ in range(FILES):
            for each, took, most in zip(both, files, megabytes, strict=True):
                with each.memory() as found:
                    took.append(each.file(folder / "customers.csv"))
                most.append(float(found[0]))
    finally:
        for each in both:
            each.stop()
    print(f"{'':<42}{'ours':>8}{'bare':>9}{'ratio':>8}")
    show("start of the server to the first page, s", starts[0][1:], starts[1][1:])  # the first fills the disk's cache
    show("a click to the first answer, s", first[:1], first[1:])
    show("a click to the next answers, s", *clicks)
    show(f"a file of {ROWS:,} to its download, s", *files)
    show("memory for it, MB", *megabytes)
    print("The bare one tells no why, looks at no value of a file, and escapes no formula.")


def main() -> int:
    try:
        if tracking.version_of(registry.CHURN_MODEL, registry.PRODUCTION) is None:
            raise MissingInput("There is no model in production: make churn")
        with tempfile.TemporaryDirectory(prefix="kpi-delivery-") as folder, browser.browser() as chromium:
            compare(chromium, Path(folder))
    except PipelineError as problem:
        console.error(problem)
        return problem.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
