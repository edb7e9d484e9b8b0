"""A real Chromium, and real apps for it: with all there is, with nothing, and with MLflow as a server."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from scripts import browser
from scripts.browser import Server
from tests.churn import World
from tests.helpers import COLUMNS, HISTORY

expect.set_options(timeout=30_000)

NETWORK_CHANGED = "net::ERR_NETWORK_CHANGED"  # the machine got or lost an interface, of a container that starts, say
OURS = re.compile(r"(http|ws)://127\.0\.0\.1:|data:|blob:|about:")
DAY = "2023-02-01"
ROWS = f"""
INSERT INTO {HISTORY} ({", ".join(COLUMNS)})
SELECT 'BRASIL', 200000 + number, '1/2/2023', 'ETH', 1200, 1.3 FROM generate_series(1, 60) AS number
UNION ALL VALUES ('=1+1', 1, '1/2/2023', 'ETH', 1200, 1.3), ('CHILE', 2, '31/1/2023', 'BTC', 1200, 1.3),
                 ('MEXICO', 3, '1/2/2023', 'BTC', -3, 1.3)
"""


def is_of_the_page(said: ConsoleMessage) -> bool:
    """Whether the page itself has written an error to the console."""
    return said.type == "error" and NETWORK_CHANGED not in said.text


@pytest.fixture(scope="module")
def filled(lived: World) -> Iterator[World]:
    """The world of the models, and a day of crypto of which three rows were set aside."""
    lived.execute(ROWS)
    lived.luigi("CryptoMerge", "--date", DAY, "--on-invalid", "quarantine", MIN_ROWS_PER_DAY="0")
    yield lived
    lived.restore()


@dataclass(frozen=True)
class Apps:
    """Each is `streamlit run app/main.py`."""

    full: Server
    bare: Server  # nothing has ever run
    apart: Server  # MLflow is a server of its own, and the database is away
    mlflow: Server  # it takes longest: who needs it waits for it
    nothing: Path  # STATE_DIR of the bare one


@pytest.fixture(scope="module")
def apps(filled: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apps]:
    folder = tmp_path_factory.mktemp("apps")
    nothing = folder / "nothing"
    mlflow = mlflow_server(filled, folder)
    empty = {name: value for name, value in filled.env().items() if name != "POSTGRES_DSN"}
    away = f"host=127.0.0.1 port={browser.free_port()} dbname=away"
    found = Apps(
        browser.app(filled.env(), folder / "full.log"),
        browser.app({**empty, "STATE_DIR": str(nothing)}, folder / "bare.log"),
        browser.app(filled.env(MLFLOW_TRACKING_URI=mlflow.url, POSTGRES_DSN=away), folder / "apart.log"),
        mlflow, nothing,
    )  # fmt: skip
    servers = (found.full, found.bare, found.apart, found.mlflow)
    try:
        for each in servers:
            each.start()
        for each in servers[:3]:
            each.wait()
        yield found
    finally:
        for each in servers:
            each.stop()


def mlflow_server(world: World, folder: Path) -> Server:
    """As compose.yaml has it, on a copy of the world's store."""
    store = shutil.copy(world.state / "mlflow" / "mlflow.db", folder / "mlflow.db")
    port = browser.free_port()
    command = [
        browser.program("mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--serve-artifacts", "--artifacts-destination", str(folder), "--allowed-hosts", "127.0.0.1:*",
    ]  # fmt: skip
    env = {
        **os.environ, "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{store}", "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }  # fmt: skip
    return Server(command, port, env, folder / "mlflow.log", "/health")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser.browser() as started:
        yield started


@pytest.fixture(scope="module")
def desk(chromium: Browser) -> BrowserContext:
    """What pages share: the app's scripts are fetched once."""
    return chromium.new_context()


def settled(page: Page) -> None:
    """Until the app has shown all that it is at."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


Visit = Callable[..., Page]


@pytest.fixture
def visit(chromium: Browser, desk: BrowserContext) -> Iterator[Visit]:
    """Open a page as somebody does. Whatever the test did there: no error in the console, no other host was asked."""
    pages: list[Page] = []
    errors: list[str] = []
    asked: set[str] = set()

    def opened(app: Server, name: str = "Score", **options: Any) -> Page:
        page = chromium.new_page(**options) if options else desk.new_page()
        pages.append(page)
        page.set_default_timeout(30_000)
        page.on("console", lambda said: errors.append(said.text) if is_of_the_page(said) else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.add(request.url))
        page.on("websocket", lambda socket: asked.add(socket.url))
        page.goto(f"{app.url}/?page={quote(name)}")
        expect(page.get_by_role("heading", name=name, exact=True, level=1)).to_be_visible()
        settled(page)
        return page

    yield opened
    for each in pages:
        each.close()
    assert not errors
    assert asked
    assert not [each for each in asked if not OURS.match(each)]
