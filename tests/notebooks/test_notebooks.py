"""The notebooks as they are committed, as people run them from top to bottom, and the JupyterLab that opens them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from jupyter_client import BlockingKernelClient
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from pipelines.churn.declaration import CATEGORIES, NUMERIC
from pipelines.core.statements import ROOT
from scripts.browser import free_port
from tests import helpers
from tests.churn import World

NOTEBOOKS = ROOT / "notebooks"
CRYPTO, CHURN = "explore_crypto.ipynb", "explore_churn.ipynb"
BOTH = pytest.mark.parametrize("name", [CRYPTO, CHURN])
COMMAND = {CRYPTO: "make crypto", CHURN: "make churn"}
WRITE = "with warehouse.reading() as connection:\n    connection.execute('CREATE TABLE public.mine ()')"
SHOWN = 1e-6  # of a number of a table


# Running them -----------------------------------------------------------------------------------------------------


def edited(name: str, cell: str, old: str, new: str) -> str:
    """The source of a cell in which a reader has changed a value."""
    source = next(each.source for each in nbformat.read(NOTEBOOKS / name, 4).cells if each.id == cell)
    assert old in source
    return source.replace(old, new, 1)


def run(name: str, env: dict[str, str], *more: str) -> dict[str, Any]:
    """What the cells of a notebook show, by their ids, and those of ``more`` after them, by their number.

    No cell of the notebook itself may end with an error, or say anything on standard error.
    """
    notebook = nbformat.read(NOTEBOOKS / name, 4)
    own = [cell.id for cell in notebook.cells]
    for number, source in enumerate(more):
        notebook.cells.append(new_code_cell(source, id=str(number), metadata={"tags": ["raises-exception"]}))
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute(env=env, cwd=str(NOTEBOOKS))
    shown = {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    bad = [each for cell in own for each in shown.get(cell, []) if each.output_type in ("error", "stream")]
    assert bad == [], bad
    return shown


def words(outputs: list[Any]) -> str:
    """The text of what a cell shows, tables left out."""
    return "\n".join(each.data.get("text/markdown", "") for each in outputs if "data" in each)


def rows(outputs: list[Any], number: int = 0) -> list[list[str]]:
    """The lines of a table that a cell shows, headings included."""
    tables = [each.data["text/html"] for each in outputs if "text/html" in each.data]
    lines = re.findall(r"<tr.*?</tr>", tables[number], re.DOTALL)
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", line, re.DOTALL) for line in lines]


def pictures(outputs: list[Any]) -> int:
    return sum("image/png" in each.data for each in outputs)


def traces(world: World) -> dict[str, str]:
    """Every table of a world's database and every file of its state, each as a digest."""
    tables = world.rows(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    every_row = "SELECT md5(string_agg(line::text, '' ORDER BY line::text)) AS digest FROM {} AS line"
    found = {table["name"]: str(world.rows(every_row.format(table["name"]))[0]["digest"]) for table in tables}
    files = [path for path in world.state.rglob("*") if path.is_file()]
    return found | {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# As they are committed --------------------------------------------------------------------------------------------


@BOTH
def test_it_is_committed_without_outputs_as_jupyterlab_writes_it(name: str) -> None:
    text = (NOTEBOOKS / name).read_text(encoding="utf-8")
    notebook = nbformat.read(NOTEBOOKS / name, 4)
    nbformat.validate(notebook)
    assert text == nbformat.writes(notebook) + "\n"
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        assert re.fullmatch(r"[a-z-]+", cell.id), "an id is a name that stays"
        assert cell.metadata == {}
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None), cell.id


@BOTH
def test_it_has_no_other_way_to_the_database_than_the_one_that_cannot_write(name: str) -> None:
    text = (NOTEBOOKS / name).read_text(encoding="utf-8")
    assert set(re.findall(r"\bwarehouse\.(\w+)", text)) == {"reading"}
    assert not re.search(r"psycopg|sqlalchemy|sqlite|postgresql:|SELECT ", text)


# Where there is nothing yet ---------------------------------------------------------------------------------------


def say_what_to_type(worlds: dict[str, dict[str, str]]) -> bool:
    """Whether each notebook, in its world, shows its command and no picture."""
    with ThreadPoolExecutor() as both:
        for name, shown in zip(worlds, both.map(run, worlds, worlds.values()), strict=True):
            everything = [each for outputs in shown.values() for each in outputs]
            assert f"`{COMMAND[name]}`" in words(everything), name
            assert pictures(everything) == 0, name
    return True


def test_where_nothing_has_run_they_say_what_to_type_and_make_nothing(tmp_path: Path) -> None:
    env = {**os.environ, "STATE_DIR": str(tmp_path / "none"), "POSTGRES_DSN": "", "PYTHONPATH": str(ROOT)}
    assert say_what_to_type({CRYPTO: env, CHURN: env})
    assert not (tmp_path / "none").exists()


def test_where_only_the_other_flow_has_run_they_say_what_to_type(loaded: World, lived: World) -> None:
    assert say_what_to_type({CRYPTO: lived.env(), CHURN: loaded.env()})


# Crypto -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loaded(server, state: Path) -> World:  # noqa: ARG001 - it is there before
    """A world in which a file with bad rows was loaded, the bad ones set aside; one event is inactive since."""
    world = World(state / "loaded", "loaded")
    days = ("28/1/2023", "30/1/2023", "31/1/2023", "1/2/2023")  # nothing on the 29th
    good = [("BRASIL", user, days[user % 4], ("BTC", "ETH")[user % 3 > 0], "1200.5", "1.3") for user in range(1, 81)]
    bad = [
        ("CHILE", 901, days[0], "ETH", "10", "1"), ("CHILE", 902, days[0], "ETH", "-10", "1"),
        ("MEXICO", 903, "31/2/2023", "ETH", "10", "1"), ("MEXICO", 904, days[0], "ETH", "-10", "1"),
        ("CHILE", 905, days[1], "BTC", "10", "1"),
    ]  # fmt: skip
    file = helpers.write_csv(world.folder / "history.csv", [*good, *bad])
    world.luigi("CryptoMerge", "--date", str(helpers.DAY), "--source", str(file), "--on-invalid", "quarantine")
    world.execute("UPDATE prod.bt_crypto_events SET is_active = false WHERE user_id = 7")
    return world


def test_crypto_shows_the_runs_the_rejects_and_production_as_the_database_has_them(loaded: World) -> None:
    before = traces(loaded)
    newest = 'rejects["run_date"].iloc[-1], rejects["reason"].iloc[-1]'
    another = edited(CRYPTO, "rejected-rows", newest, '"2023-02-01", "purchase_price_negative"')
    shown = run(CRYPTO, loaded.env(), another, WRITE)
    assert traces(loaded) == before

    runs = loaded.rows("SELECT * FROM dqm.dq_runs ORDER BY dq_run_id DESC")
    assert [line[1:6] for line in rows(shown["last-runs"])[1:]] == [
        [str(run[key]) for key in ("run_date", "suite_name", "outcome", "rows_judged", "rows_rejected")] for run in runs
    ]
    assert {run["rows_rejected"] for run in runs} == {0, 5}
    for reason, rejected in {key: value for run in runs for key, value in run["reasons"].items()}.items():
        assert f"'{reason}': {rejected}" in rows(shown["last-runs"])[2][6]

    rejects = loaded.rows(
        "SELECT run_date, reason, disposition, count(*) AS rows"
        " FROM dqm.bt_crypto_events_rejects, unnest(reasons) AS reason GROUP BY 1, 2, 3 ORDER BY 1 DESC, 2 DESC"
    )
    assert [line[1:] for line in rows(shown["rejects-by-day"])[1:]] == [list(map(str, row.values())) for row in rejects]
    assert {row["reason"]: row["rows"] for row in rejects} == {
        "site_id_unknown": 3, "purchase_price_negative": 2, "purchase_date_no_calendar_day": 1,
    }  # fmt: skip
    assert pictures(shown["rejects-by-day"]) == 1

    for cell, reason in (("rejected-rows", rejects[0]["reason"]), ("0", "purchase_price_negative")):
        ids = loaded.rows(f"SELECT ingest_id FROM dqm.bt_crypto_events_rejects WHERE '{reason}' = ANY (reasons)")
        heading, *lines = rows(shown[cell])
        assert reason in words(shown[cell])
        assert [line[heading.index("ingest_id")] for line in lines] == [str(row["ingest_id"]) for row in ids]
        assert all(line[heading.index("source_file")].endswith("history.csv") for line in lines)

    assert rows(shown["production-count"])[1][1:] == ["79", "1", "5", "0"]
    events = loaded.rows(
        "SELECT purchase_date AS day, crypto_type, count(*) AS events, sum(purchase_value) AS value"
        " FROM prod.bt_crypto_events WHERE is_active GROUP BY 1, 2"
    )
    lines = {line[0]: line[1:] for line in rows(shown["production-by-day"])[2:]}
    assert set(map(float, lines["2023-01-29"])) == {0}
    for number, crypto in enumerate(("BTC", "ETH")):
        for row in (row for row in events if row["crypto_type"] == crypto):
            line = lines[str(row["day"])]
            assert (float(line[number]), float(line[number + 2])) == (row["events"], pytest.approx(float(row["value"])))
    assert pictures(shown["production-by-day"]) == 2

    assert "read-only transaction" in shown["1"][0].evalue


# Churn ------------------------------------------------------------------------------------------------------------


def test_churn_shows_the_features_the_models_and_their_answers_as_they_are(lived: World) -> None:
    import mlflow.pyfunc

    newest = pd.DataFrame(lived.rows(
        "SELECT * FROM features.churn_weekly_features"
        " WHERE snapshot_date = (SELECT max(snapshot_date) FROM features.churn_weekly_features) ORDER BY customer_id"
    ))  # fmt: skip
    snapshot, named = str(newest["snapshot_date"][0]), newest["customer_id"].iloc[-1]
    before = traces(lived)
    another = edited(CHURN, "customer", "CUSTOMER = None", f"CUSTOMER = {named}")
    changed = edited(CHURN, "change", '"days_since_activity", range(1, 91)', '"mau_mp_1", range(0, 30)')
    shown = run(CHURN, lived.env(), another, changed, WRITE)
    assert traces(lived) == before

    labelled, churned = newest["labeled_churn"].count(), int((newest["labeled_churn"] == 1).sum())
    assert rows(shown["weeks"])[1][1:5] == [snapshot, str(len(newest)), str(labelled), str(churned)]
    assert f"Snapshot {snapshot}: {len(newest):,} customers." in words(shown["medians"])
    groups = dict(rows(shown["medians"])[2:])
    assert groups == {
        "stayed": str(labelled - churned), "churned": str(churned), "not known yet": str(len(newest) - labelled),
    }  # fmt: skip
    heading, *lines = rows(shown["medians"], 1)
    medians = next(dict(zip(heading[1:], line[1:], strict=True)) for line in lines if line[0].startswith("Days since"))
    of_churned = newest.loc[newest["labeled_churn"] == 1, "days_since_activity"].median()
    assert float(medians["churned"]) == pytest.approx(of_churned, abs=0.001)
    assert pictures(shown["distributions"]) == 1

    auc = lived.mlflow(
        "SELECT name, version, value FROM model_versions JOIN latest_metrics ON run_id = run_uuid WHERE key = 'roc_auc'"
    )
    aliases = {(model, version): alias for model in ("churn-model", "churn-logreg")
               for alias, version in lived.aliases(model).items()}  # fmt: skip
    found = {tuple(line[1:3]): (line[3], float(line[5])) for line in rows(shown["models"])[1:]}
    assert found == {
        (model, str(version)): (aliases[model, str(version)], pytest.approx(value, abs=SHOWN))
        for model, version, value in auc
    }
    assert len(found) == 3

    stays = mlflow.pyfunc.load_model(str(lived.logged(lived.aliases()["production"])))
    churns = mlflow.pyfunc.load_model(str(lived.logged(lived.aliases("churn-logreg")["production"], "churn-logreg")))

    def answers(frame: pd.DataFrame) -> list[tuple[float, float]]:
        gone = churns.predict(frame[[*NUMERIC, *CATEGORIES]])[:, 1]
        return [(pytest.approx(one, abs=SHOWN), pytest.approx(other, abs=SHOWN))
                for one, other in zip(stays.predict(frame[list(NUMERIC)]), gone, strict=True)]  # fmt: skip

    for model, meaning in (("churn-model", "pays again within 30 days"), ("churn-logreg", "pays nothing for 60 days")):
        version = lived.aliases(model)["production"]
        told = f"`{model}`, version {version}: the probability **that the customer {meaning}**"
        assert told in words(shown["meanings"])
    unsure = newest.loc[[abs(stays.predict(newest[list(NUMERIC)]) - 0.5).argmin()]]
    last = newest.iloc[[-1]]
    for cell, customer in (("customer", unsure), ("0", last)):
        assert f"Customer {customer['customer_id'].item()} " in words(shown[cell])
        heading, line = rows(shown[cell])
        assert heading[1:] == ["Probability to stay active (churn-model)", "Probability to churn (churn-logreg)"]
        assert tuple(map(float, line[1:])) == answers(customer)[0]
    for cell, customer, feature in (("change", unsure, "days_since_activity"), ("1", last, "mau_mp_1")):
        for line in rows(shown[cell])[2:]:
            assert tuple(map(float, line[1:])) == answers(customer.assign(**{feature: float(line[0])}))[0]
        assert pictures(shown[cell]) == 1

    assert "read-only transaction" in shown["2"][0].evalue


# JupyterLab -------------------------------------------------------------------------------------------------------


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[str, str, Path]]:
    """What ``make notebooks`` opens in the browser, for a user who has a kernel of this name: address, token, home."""
    assert shutil.which("make"), "install make: it is what a newcomer types"
    data = tmp_path / ".local" / "share" / "jupyter"
    (theirs := data / "kernels" / "python3").mkdir(parents=True)
    spec = {"argv": ["false"], "display_name": "another Python", "language": "python"}
    (theirs / "kernel.json").write_text(json.dumps(spec))
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" >"{opened}.new" && mv "{opened}.new" "{opened}"\n')
    browser.chmod(0o755)
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER_", "MAKE", "MFLAGS"))}
    env |= {"HOME": str(tmp_path), "BROWSER": str(browser), "JUPYTER_PORT": str(port), "STATE_DIR": "somewhere",
            "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"), "JUPYTER_PATH": str(data), "JUPYTER_PREFER_ENV_PATH": "0",
            }  # fmt: skip
    # The environment is there: it is the one of the tests.
    command = ["make", "-o", f"{sys.prefix}/.ready", "notebooks", f"VENV={sys.prefix}"]
    said = tmp_path / "log"
    with said.open("w") as log, subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True
    ) as run:  # fmt: skip
        try:
            while not opened.exists():
                assert run.poll() is None, said.read_text()
                time.sleep(0.1)
            page = Path(opened.read_text().strip().removeprefix("file://")).read_text()
            found = re.search(r"url=(http://[^/]+)/lab\?token=(\w+)", page)
            assert found, page
            assert found[1] == f"http://127.0.0.1:{port}"
            yield found[1], found[2], tmp_path
        finally:
            os.killpg(run.pid, signal.SIGTERM)  # JupyterLab ends its kernels


def ask(address: str, token: str, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address + path, data, {"Authorization": f"token {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def test_make_notebooks_opens_jupyterlab_with_the_kernel_of_this_environment(lab: tuple[str, str, Path]) -> None:
    address, token, home = lab
    there = {each["name"] for each in ask(address, token, "/api/contents")["content"] if each["type"] == "notebook"}
    assert {CRYPTO, CHURN} <= there
    with pytest.raises(urllib.error.HTTPError, match="403"):
        ask(address, "guessed", "/api/contents")
    assert "another Python" not in json.dumps(ask(address, token, "/api/kernelspecs"))
    session = {"path": CRYPTO, "name": "", "type": "notebook", "kernel": {"name": "python3"}}
    kernel = ask(address, token, "/api/sessions", session)["kernel"]["id"]
    client = BlockingKernelClient(connection_file=str(home / "runtime" / f"kernel-{kernel}.json"))
    client.load_connection_file()
    client.start_channels()
    try:
        wait_for(client, seconds=60)
        wanted = {"python": "sys.executable", "code": "pipelines.__file__", "state": "str(settings().home)"}
        first = "import sys, pipelines; from pipelines.services.settings import settings"
        reply = client.execute(first, user_expressions=wanted, reply=True, timeout=60)["content"]
        told = {name: each["data"]["text/plain"].strip("'") for name, each in reply["user_expressions"].items()}
    finally:
        client.stop_channels()
    assert Path(told["python"]).parent == Path(sys.prefix, "bin")
    assert told["code"] == str(ROOT / "pipelines" / "__init__.py")
    assert told["state"] == str(ROOT / "somewhere")
    assert not (ROOT / "somewhere").exists()


def wait_for(client: BlockingKernelClient, seconds: float) -> None:
    """Until a kernel answers; the client calls one dead that is not up yet."""
    give_up = time.monotonic() + seconds
    while True:
        try:
            return client.wait_for_ready(timeout=seconds)
        except RuntimeError:
            assert time.monotonic() < give_up, "the kernel does not answer"
            time.sleep(0.2)
