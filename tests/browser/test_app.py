"""The app, as people see it: in a real browser, on the models and the rows of real runs."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from playwright.sync_api import Locator, Page, expect

from app.score import BARS
from pipelines.churn import uploads
from pipelines.churn.declaration import FEATURES, Feature
from tests.browser.conftest import DAY, Apps, Visit, settled
from tests.churn import World

PAGES = ("Score", "Model", "Drift", "Data quality")
NUMBERS = {each.name: each for each in FEATURES if not each.is_category}
# Roles of charts, tables, pictures, pages in pages.
DRAWN = {
    "Score": {"graphics-document", "table"},
    "Model": {"image", "table"},
    "Drift": {"graphics-document", "Iframe"},
    "Data quality": {"graphics-document", "region", "Iframe"},
}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}


# What the registry says -------------------------------------------------------------------------------------------


def registered(world: World, rows: pd.DataFrame, model: str = "churn-model") -> Any:
    """The probabilities of the model in production, as anybody gets them who knows MLflow only."""
    loaded = load(world.tracking, model, world.aliases(model)["production"])
    names = loaded.metadata.get_input_schema().input_names()
    found = np.asarray(loaded.predict(rows[names].astype({each: float for each in names if each in NUMBERS})))
    return found if found.ndim == 1 else found[:, 1]


@cache
def load(tracking: str, model: str, version: str) -> Any:  # noqa: ARG001 - of another version it is another model
    """What is in production while it is this version."""
    import mlflow

    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    mlflow.set_tracking_uri(tracking)
    mlflow.set_registry_uri(tracking)
    try:
        return mlflow.pyfunc.load_model(f"models:/{model}@production")
    finally:
        mlflow.set_tracking_uri(before[0])
        mlflow.set_registry_uri(before[1])


def auc(world: World, version: str) -> float:
    asked = "SELECT value FROM latest_metrics JOIN model_versions ON run_uuid = run_id WHERE key = 'roc_auc'"
    return world.mlflow(f"{asked} AND model_versions.name = 'churn-model' AND version = {version}")[0][0]


def customers(world: World, week: str | None = None, most: int = 300) -> pd.DataFrame:
    """Customers of the feature store, with what is known of them."""
    of = f"WHERE snapshot_date = '{week}'" if week else ""
    return pd.DataFrame(
        world.rows(f"SELECT * FROM features.churn_weekly_features {of} ORDER BY customer_id DESC LIMIT {most}")
    )


@pytest.fixture
def registry(filled: World) -> Iterator[Any]:
    """MLflow's own client for the world's registry; production is again what it was for the next test."""
    from mlflow import MlflowClient

    client = MlflowClient(filled.tracking, filled.tracking)
    before = client.get_registered_model("churn-model")
    yield client
    for alias, version in before.aliases.items():
        client.set_registered_model_alias("churn-model", alias, version)
    for key, value in before.tags.items():
        client.set_registered_model_tag("churn-model", key, value)


# What people do ---------------------------------------------------------------------------------------------------


def type_in(page: Page, values: Mapping[str, float]) -> None:
    """Fill in fields of the form by their labels."""
    for name, value in values.items():
        if NUMBERS[name].is_flag:
            choose(page, NUMBERS[name].label, "yes" if value else "no")
        else:
            page.get_by_label(NUMBERS[name].label, exact=True).fill(f"{value:g}")


def press(page: Page, button: str) -> None:
    """Once the page has shown all: what is asked of a page that is about to change is lost."""
    settled(page)
    page.get_by_role("button", name=button, exact=True).click()


def choose(page: Page, label: str, option: str) -> None:
    """The option of a list that begins so: typed, and taken."""
    settled(page)
    field = page.get_by_role("combobox", name=label, exact=True)
    field.press_sequentially(option)
    expect(page.get_by_role("option")).to_have_count(1)
    field.press("ArrowDown")
    field.press("Enter")
    expect(field).to_have_value(re.compile(f"^{re.escape(option)}"))


def shown(page: Page, label: str) -> Locator:
    """The large number below a label."""
    return page.get_by_test_id("stMetric").filter(has_text=label).get_by_test_id("stMetricValue")


def cells(page: Page, region: str, count: int | None = None) -> list[list[str]]:
    """The rows of a table that is drawn, as a screen reader finds them, once there are any, or so many."""
    rows = page.get_by_role("region", name=region).locator("canvas tbody tr")
    rows.first.wait_for(state="attached")
    if count is not None:
        expect(rows).to_have_count(count)
    return [row.locator("td").all_inner_texts() for row in rows.all()]


def upload(page: Page, name: str, rows: pd.DataFrame | bytes) -> None:
    page.get_by_text("A file of many").click()
    content = rows if isinstance(rows, bytes) else rows.to_csv(index=False).encode()
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})


def downloaded(page: Page, button: str = "Download as CSV") -> list[dict[str, str]]:
    with page.expect_download() as waiting:
        press(page, button)
    return list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text(encoding="utf-8"))))


def is_drawn(chart: Locator) -> None:
    """There is a picture with marks that can be seen, and words for it."""
    marks = chart.locator("svg .mark-rect path, svg .mark-symbol path")
    expect(marks.locator("visible=true").first).to_be_visible()
    expect(chart).to_have_attribute("aria-label", re.compile(r"\w"))


# Score ------------------------------------------------------------------------------------------------------------


def test_a_customer_is_scored_by_hand_as_the_registered_model_does(filled: World, apps: Apps, visit: Visit) -> None:
    page = visit(apps.full)
    expect(page.get_by_text("churn-model version 2 (@production) answers, in production since 20")).to_be_visible()
    answers = []
    for changed in (
        {"days_since_activity": 3, "payments_30d": 12, "spent_90d": 4321.5, "has_inversion": 1},
        {"days_since_activity": 75, "payments_30d": 0, "spent_90d": -20, "has_inversion": 0},
    ):
        type_in(page, changed)
        press(page, "Score")
        values = {name: each.default for name, each in NUMBERS.items()} | changed
        expected = registered(filled, pd.DataFrame([values]))[0]
        expect(shown(page, "Probability to stay active")).to_have_text(f"{expected:.4f}")
        expect(shown(page, "Class")).to_have_text("stays" if expected >= 0.5 else "leaves")
        answers.append(expected)
    assert abs(answers[0] - answers[1]) > 0.05


def test_why_is_told_by_a_picture_and_by_a_table(apps: Apps, visit: Visit) -> None:
    page = visit(apps.full)
    type_in(page, {"days_since_activity": 3})
    press(page, "Score")
    is_drawn(page.get_by_test_id("stVegaLiteChart"))
    table = page.get_by_role("table", name="What is known of the customer, and how far each fact moves the answer")
    expect(table.get_by_role("row")).to_have_count(len(NUMBERS) + 1)
    rows = [row.get_by_role("cell").all_inner_texts() for row in table.get_by_role("row").all()[1:]]
    assert {row[0] for row in rows} == {each.label for each in NUMBERS.values()}
    effects = [float(row[2]) for row in rows]
    assert effects == sorted(effects, key=abs, reverse=True)
    assert abs(effects[0]) > 0.05
    for row, effect in zip(rows, effects, strict=True):
        if abs(effect) > 0.001:
            assert row[3] == ("towards staying" if effect > 0 else "towards leaving")
    bars = page.locator(".role-axis-label text:not([opacity='0'])").filter(has_text=re.compile("[a-z]{3}"))
    expect(bars).to_have_count(BARS + 1)  # each with its name
    told = page.get_by_test_id("stVegaLiteChart").get_attribute("aria-label") or ""
    assert f"{rows[0][0]}: {rows[0][1]}" in told


@pytest.mark.parametrize(
    ("model", "label"),
    [("churn-model", "Probability to stay active"), ("churn-logreg", "Probability to churn")],
)
def test_a_customer_of_the_feature_store_is_scored_as_the_registered_model_does(
    filled: World, apps: Apps, visit: Visit, model: str, label: str
) -> None:
    weeks = [str(row["week"]) for row in filled.rows(
        "SELECT DISTINCT snapshot_date AS week FROM features.churn_weekly_features ORDER BY 1 DESC")]  # fmt: skip
    one = customers(filled, weeks[1]).iloc[[7]]
    page = visit(apps.full)
    page.get_by_role("radiogroup", name="Model").get_by_text(model).click()
    page.get_by_text("From the feature store").click()
    choose(page, "Week (day of the snapshot)", weeks[1])
    page.get_by_label("Customer id", exact=True).fill(f"{one['customer_id'].item()}")
    press(page, "Look up and score")
    expect(shown(page, label)).to_have_text(f"{registered(filled, one, model)[0]:.4f}")
    is_drawn(page.get_by_test_id("stVegaLiteChart"))

    page.get_by_label("Customer id", exact=True).fill("999999999999")
    press(page, "Look up and score")
    expect(page.get_by_text(f"Customer 999999999999 is not among those of {weeks[1]}")).to_be_visible()


def test_a_file_is_scored_as_the_registered_model_does(filled: World, apps: Apps, visit: Visit) -> None:
    rows = customers(filled)
    expected = registered(filled, rows)
    page = visit(apps.full)
    upload(page, "many.csv", rows[["customer_id", *NUMBERS, "estado"]].assign(note="=1+1"))
    expect(shown(page, "Rows scored")).to_have_text(f"{len(rows)}")
    expect(shown(page, "Class “stays”")).to_have_text(f"{(expected >= 0.5).sum()}")
    expect(page.get_by_text("Columns that the model does not look at, ignored: estado, note.")).to_be_visible()
    is_drawn(page.get_by_test_id("stVegaLiteChart"))
    first = cells(page, "The first answers of many.csv")[0]
    assert first[1] == f"{rows['customer_id'][0]}"
    assert float(first[2]) == pytest.approx(expected[0], abs=5e-5)

    answers = downloaded(page)
    assert [each["customer_id"] for each in answers] == [f"{each}" for each in rows["customer_id"]]
    assert [float(each["probability"]) for each in answers] == pytest.approx(expected.tolist(), abs=1e-12)
    assert {(each["model"], each["version"]) for each in answers} == {("churn-model", "2")}


def test_wrong_values_of_a_file_are_listed_row_by_row(filled: World, apps: Apps, visit: Visit) -> None:
    rows = customers(filled, most=4)[[*NUMBERS]].astype(object)
    rows.loc[1, "spent_7d"], rows.loc[3, "payments_30d"] = "a lot", "inf"
    page = visit(apps.full)
    upload(page, "wrong.csv", rows)
    expect(page.get_by_text("wrong.csv: 2 problems. Nothing of it was scored.")).to_be_visible()
    assert cells(page, "What is wrong with the file, row by row", 2) == [
        ["2", "spent_7d", "“a lot” is not a number"],
        ["4", "payments_30d", "is infinite"],
    ]
    expect(page.get_by_text("Rows scored")).to_have_count(0)


def test_a_file_that_is_too_large_is_refused_by_name(apps: Apps, visit: Visit, tmp_path: Path) -> None:
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate((uploads.MOST_MEGABYTES + 1) << 20)
    page = visit(apps.full)
    page.get_by_text("A file of many").click()
    page.locator("input[type=file]").set_input_files(large)
    told = page.get_by_test_id("stFileUploader")
    expect(told).to_contain_text("large.csv")
    expect(told).to_contain_text(f"must be {uploads.MOST_MEGABYTES}.0MB or smaller")
    expect(page.get_by_text("Rows scored")).to_have_count(0)


# The registry is asked every time ---------------------------------------------------------------------------------


def test_after_a_rollback_the_same_app_answers_by_the_other_version(
    filled: World, registry: Any, apps: Apps, visit: Visit
) -> None:
    page = visit(apps.full)
    default = pd.DataFrame([{name: each.default for name, each in NUMBERS.items()}])
    answers = []
    for version in ("2", "1"):
        press(page, "Score")
        expected = registered(filled, default)[0]
        expect(page.get_by_text(f"Answered by churn-model version {version} (@production)")).to_be_visible()
        expect(shown(page, "Probability to stay active")).to_have_text(f"{expected:.4f}")
        expect(page.get_by_text(re.compile(f"version {version} .* in production since 20"))).to_be_visible()
        answers.append(f"{expected:.4f}")
        if version == "2":
            filled.command("models", "rollback", "churn-model")
    assert answers[0] != answers[1]
    assert registry.get_registered_model("churn-model").aliases["production"] in ("1", 1)


def test_since_when_is_not_told_where_somebody_moved_the_alias(registry: Any, apps: Apps, visit: Visit) -> None:
    registry.set_registered_model_alias("churn-model", "production", "1")
    page = visit(apps.full)
    told = "churn-model version 1 (@production) answers, in production since a moment that was not noted"
    expect(page.get_by_text(told)).to_be_visible()
    press(page, "Score")
    expect(page.get_by_text("Answered by churn-model version 1")).to_be_visible()
    page = visit(apps.full, "Model")
    expect(page.get_by_text("Version 1, since a moment that was not noted.")).to_be_visible()


# What is away -----------------------------------------------------------------------------------------------------


def is_calm(page: Page, told: str) -> None:
    """Told in plain words, with a way on, and without any inside of ours."""
    expect(page.get_by_text(told)).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert "Traceback" not in page.locator("body").inner_text()


def test_without_any_model_a_rule_of_thumb_answers_and_says_so(apps: Apps, visit: Visit) -> None:
    page = visit(apps.bare)
    expect(page.get_by_text("Local heuristic. churn-model has no version in production yet")).to_be_visible()
    answers = []
    for days in (1, 90):
        type_in(page, {"days_since_activity": days})
        press(page, "Score")
        expect(page.get_by_text("Answered by the local heuristic.")).to_be_visible()
        is_drawn(page.get_by_test_id("stVegaLiteChart"))
        expect(shown(page, "Probability to stay active")).not_to_have_text(answers[0] if answers else "")
        answers.append(shown(page, "Probability to stay active").inner_text())
    assert float(answers[0]) > float(answers[1])
    for name, told in (
        ("Model", "churn-model has no version yet."),
        ("Drift", "Nothing has run yet"),
        ("Data quality", "Nothing has run yet"),
    ):
        page.get_by_role("radiogroup", name="Page").get_by_text(name, exact=True).click()
        expect(page.get_by_text(told)).to_be_visible()
    assert not apps.nothing.exists(), "who only looks makes nothing"


def test_a_database_that_is_away_is_told_calmly_and_scoring_goes_on(filled: World, apps: Apps, visit: Visit) -> None:
    apps.mlflow.wait()
    for name in ("Data quality", "Drift"):
        is_calm(visit(apps.apart, name), "PostgreSQL cannot be used")
    page = visit(apps.apart)
    press(page, "Score")
    default = pd.DataFrame([{name: each.default for name, each in NUMBERS.items()}])
    expect(shown(page, "Probability to stay active")).to_have_text(f"{registered(filled, default)[0]:.4f}")
    page.get_by_text("From the feature store").click()
    is_calm(page, "PostgreSQL cannot be used")


def test_mlflow_that_is_away_is_told_calmly_and_asked_again(apps: Apps, visit: Visit) -> None:
    apps.mlflow.wait()
    score, model = visit(apps.apart), visit(apps.apart, "Model")
    press(score, "Score")
    expect(score.get_by_text("Answered by churn-model version 2")).to_be_visible()
    apps.mlflow.stop()
    try:
        press(score, "Score")
        is_calm(score, f"MLflow at {apps.mlflow.url} refuses or does not answer")
        model.get_by_role("radiogroup", name="Model").get_by_text("churn-logreg").click()
        is_calm(model, f"MLflow at {apps.mlflow.url} refuses or does not answer")
        press(score, "Try again")
        is_calm(score, "refuses or does not answer")
    finally:
        apps.mlflow.start()
        apps.mlflow.wait()
    press(score, "Try again")
    expect(score.get_by_text("churn-model version 2 (@production) answers")).to_be_visible()
    press(score, "Score")
    expect(score.get_by_text("Answered by churn-model version 2")).to_be_visible()
    press(model, "Try again")
    expect(model.get_by_role("heading", name="All versions")).to_be_visible()


# The other pages --------------------------------------------------------------------------------------------------


def test_the_models_are_told_apart_and_explained(filled: World, apps: Apps, visit: Visit) -> None:
    page = visit(apps.full, "Model")
    told = page.get_by_role("table", name="Metrics of the version in production and of the previous one")
    expect(told).to_contain_text("version 2, production")
    expect(told).to_contain_text("version 1, previous")
    expect(shown(page, "AUC")).to_have_text(f"{auc(filled, '2'):.4f}")
    expect(told).to_contain_text(f"{auc(filled, '1'):.4f}")
    expect(page.get_by_text(re.compile(r"^Promoted: AUC .* at least 0.005"))).to_be_visible()
    for of, words in (("SHAP", "SHAP values"), ("ROC", "The ROC curve"), ("calibration", "Calibration: predicted")):
        picture = page.get_by_role("img", name=words)
        picture.scroll_into_view_if_needed()
        page.wait_for_function("picture => picture.complete", arg=picture.element_handle())
        assert picture.evaluate("picture => picture.naturalWidth") > 0, of
    history = page.get_by_role("table", name="All versions of churn-model, newest first").get_by_role("row")
    expect(history).to_have_count(3)
    expect(history.nth(1)).to_contain_text("promote")
    expect(history.nth(2)).to_contain_text("there is no production model yet")


def test_drift_is_drawn_and_the_report_opens_within_the_page(apps: Apps, visit: Visit) -> None:
    page = visit(apps.full, "Drift")
    is_drawn(page.get_by_test_id("stVegaLiteChart").first)
    page.get_by_text("Open the report of Evidently").click()
    report = page.frame_locator("iframe[title*='s report of']").frame_locator("iframe")
    expect(report.get_by_text("Dataset Drift", exact=True)).to_be_visible()
    expect(report.get_by_text("mau_ml_2")).to_be_visible()
    with page.expect_download() as waiting:
        press(page, "Download the report")
    assert waiting.value.suggested_filename.endswith(".html")
    assert "mau_ml_2" in Path(waiting.value.path()).read_text(encoding="utf-8")


def test_rejected_rows_are_counted_found_and_downloaded_without_formulas(apps: Apps, visit: Visit) -> None:
    page = visit(apps.full, "Data quality")
    gates = cells(page, "The gates that ran last, newest first", 2)
    assert [each[:5] for each in gates] == [
        [DAY, "suite_staging_candidate", "passed", "60", "0"],
        [DAY, "suite_raw_history", "quarantined", "63", "3"],
    ]
    assert gates[1][6] == "site_id_unknown 2, purchase_price_negative 1"
    is_drawn(page.get_by_test_id("stVegaLiteChart"))
    assert {each[3] for each in cells(page, f"Rejected rows of {DAY}, any reason", 3)} == {"=1+1", "CHILE", "MEXICO"}
    choose(page, "Reason", "purchase_price_negative")
    (rejected,) = cells(page, f"Rejected rows of {DAY}, purchase_price_negative", 1)
    assert (rejected[1], rejected[3], rejected[7]) == ("purchase_price_negative", "MEXICO", "-3")
    choose(page, "Reason", "site_id_unknown")
    assert {each[3] for each in cells(page, f"Rejected rows of {DAY}, site_id_unknown", 2)} == {"=1+1", "CHILE"}
    assert {each["site_id"] for each in downloaded(page)} == {"'=1+1", "CHILE"}, "no spreadsheet runs it"


def test_data_docs_open_within_the_page(apps: Apps, visit: Visit) -> None:
    page = visit(apps.full, "Data quality")
    choose(page, "Data Docs of", f"{DAY}, suite_raw_history: quarantined")
    page.get_by_text("Open the Data Docs").click()
    front = page.frame_locator("iframe[title$='What came of it']").frame_locator("iframe")
    expect(front.get_by_text("site_id_unknown").first).to_be_visible()
    page.get_by_role("tab", name="suite_raw_history", exact=True).click()
    suite = page.frame_locator("iframe[title$=': suite_raw_history']").frame_locator("iframe")
    expect(suite.get_by_text("site_id", exact=True).first).to_be_visible()


# For everybody ----------------------------------------------------------------------------------------------------


def test_a_phone_shows_all_pages_without_scrolling_sideways(apps: Apps, visit: Visit) -> None:
    page = visit(apps.full, **PHONE)
    wider = "() => [document.documentElement, ...document.querySelectorAll('body, #root, [data-testid=stMain]')]"
    wider += ".map(each => each.scrollWidth - each.clientWidth)"
    for name, ready in zip(PAGES, ("Person", "All versions", "Drift", "Rejected rows"), strict=True):
        page.get_by_role("radiogroup", name="Page").get_by_text(name, exact=True).tap()
        expect(page.get_by_role("heading", name=ready, exact=True)).to_be_visible()
        assert page.evaluate(wider) == [0] * 4, name
    page.get_by_role("radiogroup", name="Page").get_by_text("Score", exact=True).tap()
    page.get_by_label("Days since the last payment", exact=True).fill("5")
    page.get_by_role("button", name="Score", exact=True).tap()
    expect(shown(page, "Probability to stay active")).to_be_in_viewport()
    is_drawn(page.get_by_test_id("stVegaLiteChart"))
    assert page.evaluate(wider) == [0] * 4


def test_a_score_needs_no_mouse(filled: World, apps: Apps, visit: Visit) -> None:
    page = visit(apps.full)
    feature = NUMBERS["days_since_activity"]
    expect(page.get_by_role("button", name="Score", exact=True)).to_be_visible()
    tab_to(page, feature)
    page.keyboard.press("Control+A")
    page.keyboard.type("12")
    tab_to(page, "Score")
    page.keyboard.press("Enter")
    values = {name: each.default for name, each in NUMBERS.items()} | {feature.name: 12}
    expected = registered(filled, pd.DataFrame([values]))[0]
    expect(shown(page, "Probability to stay active")).to_have_text(f"{expected:.4f}")


def tab_to(page: Page, what: Feature | str) -> None:
    """Press Tab until a field, or a button, has the focus."""
    wanted = what if isinstance(what, str) else what.label
    focused = (
        "() => [document.activeElement.type, document.activeElement.ariaLabel ?? document.activeElement.innerText]"
    )
    for _ in range(150):
        page.keyboard.press("Tab")
        kind, words = page.evaluate(focused)
        if words.strip() == wanted and kind != "radio":
            return
    raise AssertionError(f"Tab does not reach {wanted}")


def test_what_is_drawn_is_told_in_words_too(apps: Apps, visit: Visit) -> None:
    """As the browser tells it to who cannot see it."""
    for name, expected in DRAWN.items():
        page = visit(apps.full, name)
        if name == "Score":
            press(page, "Score")
        elif name != "Model":
            page.get_by_text(re.compile("^Open the ")).click()
            expect(page.frame_locator("iframe").first.frame_locator("iframe").locator("table").first).to_be_attached()
        give_up = time.monotonic() + 30
        while not expected <= {*told_aloud(page)} and time.monotonic() < give_up:
            page.wait_for_timeout(200)
        drawn = told_aloud(page)
        assert expected <= {*drawn}, name
        assert all(all(words) for words in drawn.values()), drawn


def told_aloud(page: Page) -> dict[str, list[str]]:
    """By role, the words of each thing that is drawn."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    kinds = set[str]().union(*DRAWN.values())
    found: dict[str, list[str]] = {}
    for each in tree:
        if not each["ignored"] and (role := each["role"]["value"]) in kinds:
            found.setdefault(role, []).append(each["name"]["value"])
    return found


def test_only_this_machine_is_served(apps: Apps) -> None:
    """Without a word about it in the command."""
    for app in (apps.full, apps.bare, apps.apart):
        assert app.process is not None
        listening = [
            each.laddr.ip for each in psutil.Process(app.process.pid).net_connections() if each.status == "LISTEN"
        ]
        assert listening == ["127.0.0.1"]
