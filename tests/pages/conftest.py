"""The app in this process (Streamlit's AppTest), in a world of the churn flow or in none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit
from streamlit.testing.v1 import AppTest

from pipelines.core.statements import ROOT
from pipelines.services import tracking
from pipelines.services.settings import Settings, settings
from tests.churn import World


def forget() -> None:
    """What this process remembers of the world that it was in."""
    settings.cache_clear()
    tracking.client.cache_clear()
    tracking._own_store.cache_clear()
    streamlit.cache_data.clear()
    streamlit.cache_resource.clear()


def enter(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    """Settings of a world, and no others."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    forget()


@pytest.fixture(autouse=True)
def remembers_nothing() -> Iterator[None]:
    yield
    forget()


@pytest.fixture
def inside(lived: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """This process is in the world that has lived."""
    enter(monkeypatch, STATE_DIR=str(lived.state), POSTGRES_DSN=lived.dsn())
    return lived


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This process is in a world where nothing has run; its folder of state, which is not there."""
    enter(monkeypatch, STATE_DIR=str(tmp_path / "state"))
    return tmp_path / "state"


def opened(page: str = "Score", **more: str) -> AppTest:
    """The app, on a page, by an address that may say more."""
    app = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=60)
    for name, value in {"page": page, **more}.items():
        app.query_params[name] = value
    return ran(app)


def ran(app: AppTest) -> AppTest:
    """Run to the end, without an exception that people would see."""
    app.run()
    assert not app.exception, [each.message for each in app.exception]
    return app


def click(app: AppTest, label: str) -> AppTest:
    next(each for each in app.button if each.label == label).click()
    return ran(app)


def words(app: AppTest) -> str:
    """All that the page says outside of tables."""
    kinds = (app.title, app.subheader, app.caption, app.markdown, app.info, app.warning, app.error, app.code)
    return "\n".join(str(each.value) for kind in kinds for each in kind)


def metrics(app: AppTest) -> dict[str, str]:
    return {each.label: each.value for each in app.metric}
