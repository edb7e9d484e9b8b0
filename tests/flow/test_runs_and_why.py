"""``python -m pipelines runs`` and ``why``: what the ledger has, and what makes a stage stale."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import luigi
import pytest
from luigi.task_register import Register

from pipelines import CryptoMerge, __main__
from pipelines.core.errors import PipelineError
from pipelines.core.statements import ROOT
from pipelines.services import console
from pipelines.services.warehouse import Connection
from tests.helpers import DAY, insert_rows, rows_of, set_settings

DATE = ("--date", "2023-02-01")
KEY = "2023-02-01, 5 days"
STAGES = ["build_events_candidate", "ge_validate_raw", "ge_validate_candidate", "merge_to_prod"]
GOOD = [("ARGENTINA", user, "1/2/2023", "BTC", 20000, 2) for user in range(1, 21)]
Command = Callable[..., str]


@pytest.fixture
def command(database: Connection, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:  # noqa: ARG001
    """``python -m pipelines`` in this process, as a new one; returns standard output, or the error where it fails."""

    errors: list[PipelineError] = []
    monkeypatch.setattr(console, "error", errors.append)  # the log may write to the standard error of another test

    def call(*arguments: str, code: int = 0) -> str:
        Register.clear_instance_cache()
        errors.clear()
        monkeypatch.setattr(sys, "argv", ["pipelines", *arguments])
        capsys.readouterr()
        try:
            found = __main__.main()
        except SystemExit as error:  # argparse
            found = int(str(error.code))
        shown = capsys.readouterr()
        assert found == code, (shown, errors)
        return shown.err + "".join(map(str, errors)) if code else shown.out

    return call


def run(connection: Connection, succeeds: bool = True, **parameters: object) -> str:
    """Run the flow in this process; return the id of the run."""
    Register.clear_instance_cache()
    task = CryptoMerge(**{"date": DAY, "no_top_up": True, "quiet": True, **parameters})
    assert luigi.build([task], local_scheduler=True, log_level="CRITICAL") is succeeds
    return str(rows_of(connection, "ops.runs", order="run_id")[-1]["run_id"])


def facts(table: str) -> list[list[str]]:
    """The rows of a table that ``why`` shows: stage, what, which, was, is."""
    lines = [line for line in table.splitlines() if line.startswith("  ") and line.strip(" ─")]
    columns = [lines[0].index(name) for name in ("stage", "what", "which", "was", "is")] + [None]
    return [[line[start:end].strip() for start, end in pairwise(columns)] for line in lines[1:]]


# runs -------------------------------------------------------------------------------------------------------------


def test_runs_are_listed_newest_first(database: Connection, command: Command) -> None:
    assert "There is no such run." in command("runs")
    insert_rows(database, *GOOD)
    first = run(database)
    insert_rows(database, ("CHILE", 99, "1/2/2023", "BTC", 1, 1))
    refused = run(database, succeeds=False)
    shown = command("runs")
    assert shown.index(refused[-8:]) < shown.index(first[-8:])
    [line] = [line for line in shown.splitlines() if first[-8:] in line]
    assert line.split()[3:7] == ["-03", "CryptoMerge", "2023-02-01", "luigi"]
    assert line.split()[7] == "succeeded"
    assert line.split()[-2:] == ["4", "0"]

    assert first[-8:] not in command("runs", "--failed")
    assert refused[-8:] in command("runs", "--failed")
    assert first[-8:] not in command("runs", "--limit", "1")
    assert refused[-8:] in command("runs", "--limit", "1", "--flow", "crypto")
    assert "There is no such run." in command("runs", "--flow", "churn")
    assert "'0' is not a whole number above 0" in command("runs", "--limit", "0", code=2)


def test_a_run_is_shown_by_its_id_or_a_part_of_it(database: Connection, command: Command) -> None:
    insert_rows(database, *GOOD, ("CHILE", 99, "1/2/2023", "BTC", 1, 1))
    first = run(database, succeeds=False)
    second = run(database, on_invalid="quarantine", window_days=5)
    whole = command("runs", "show", first)
    assert whole == command("runs", "show", first[-8:]) == command("runs", "show", first[:18]) or first[:18] in second
    assert whole == command("runs", "show", first.upper())
    assert first in whole
    assert "CryptoMerge of the crypto flow" in whole
    assert "refused" in whole
    assert "exit code" in whole
    assert whole.count("site_id_unknown: 1 row") == 1, "the run's error is that of its stage"
    good = command("runs", "show", second)
    assert "on_invalid=quarantine" in good
    assert "quiet" not in good
    assert [line.split()[0] for line in good.splitlines() if KEY in line] == [
        "ge_validate_raw", "ge_validate_candidate", "merge_to_prod", "build_events_candidate",
    ]  # fmt: skip

    assert "more than one run has an id that begins or ends so" in command("runs", "show", first[:4], code=2)
    assert "no run has an id that begins or ends so" in command("runs", "show", "nobody", code=20)


# why --------------------------------------------------------------------------------------------------------------


def test_why_before_the_first_run_and_after_it(database: Connection, command: Command) -> None:
    insert_rows(database, *GOOD)
    assert facts(command("why", "ge_validate_raw", *DATE, "--no-top-up")) == [
        [stage, "materialization", KEY, "", "never made, refused, forgotten, or of another shape"]
        for stage in STAGES[:2]
    ]
    run_id = run(database)
    for stage in STAGES:
        shown = command("why", stage, *DATE, "--no-top-up")
        assert shown.startswith(f"{stage} of crypto ({KEY}) is current: made ")
        assert shown.strip().endswith(f"by run {run_id[-8:]}.")


def test_why_names_the_setting_and_the_option(
    database: Connection, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_rows(database, *GOOD)
    run(database)
    shown = facts(command("why", "ge_validate_raw", *DATE, "--no-top-up", "--on-invalid", "quarantine"))
    assert shown == [
        ["ge_validate_raw", "parameter", "max_reject_share", "", "0.1"],
        ["ge_validate_raw", "parameter", "on_invalid", "halt", "quarantine"],
    ]
    set_settings(monkeypatch, CRYPTO_SITES="ARGENTINA,CHILE")
    assert "is current" in command("why", "build_events_candidate", *DATE, "--no-top-up")
    shown = facts(command("why", "merge_to_prod", *DATE, "--no-top-up"))
    assert [each[:3] for each in shown] == [
        ["ge_validate_raw", "parameter", "sites"],
        ["ge_validate_candidate", "parameter", "sites"],
        ["ge_validate_candidate", "upstream stage", f"ge_validate_raw {KEY}"],
        ["merge_to_prod", "upstream stage", f"ge_validate_candidate {KEY}"],
    ]
    assert shown[0][3:] == ["['ARGENTINA', 'BRASIL', 'MEXICO']", "['ARGENTINA', 'CHILE']"]
    other = command("why", "build_events_candidate", *DATE, "--no-top-up", "--window-days", "3")
    assert facts(other)[0][2] == "2023-02-01, 3 days"


def test_why_names_the_source_that_changed(database: Connection, command: Command) -> None:
    insert_rows(database, *GOOD)
    run(database)
    insert_rows(database, ("BRASIL", 1, "1/6/2022", "ETH", 1200, 1))
    assert "is current" in command("why", "merge_to_prod", *DATE, "--no-top-up"), "it is outside of the window"
    insert_rows(database, ("BRASIL", 1, "31/1/2023", "ETH", 1200, 1))
    assert facts(command("why", "build_events_candidate", *DATE, "--no-top-up")) == [
        ["build_events_candidate", "source version", "in_window", "20", "21"]
    ]
    downstream = facts(command("why", "merge_to_prod", *DATE, "--no-top-up"))
    assert [each[:2] for each in downstream] == [
        ["build_events_candidate", "source version"], *([stage, "upstream stage"] for stage in STAGES[1:]),
    ]  # fmt: skip


def test_why_knows_that_another_run_has_overwritten_staging(database: Connection, command: Command) -> None:
    insert_rows(database, *GOOD)
    run(database)
    run(database, date=DAY.replace(day=2))
    assert "is current" in command("why", "build_events_candidate", "--date", "2023-02-02", "--no-top-up")
    assert facts(command("why", "build_events_candidate", *DATE, "--no-top-up")) == [
        ["build_events_candidate", "materialization", KEY, "there", "gone, or overwritten by another run"]
    ]
    assert "is current" in command("why", "merge_to_prod", *DATE, "--no-top-up"), "as a run finds it, too"


def test_a_materialization_that_somebody_else_wrote_is_stale_and_no_crash(
    database: Connection, command: Command
) -> None:
    insert_rows(database, *GOOD)
    run(database)
    for written in ("result = '[1]'", "result = 'null'", "made_from = '[1]', fingerprint = ''"):
        database.execute(f"UPDATE ops.materializations SET {written}")
        assert "is stale" in command("why", "merge_to_prod", *DATE, "--no-top-up")
        run(database)
        assert "is current" in command("why", "merge_to_prod", *DATE, "--no-top-up")


def test_why_names_the_file_and_the_function_that_changed(database: Connection, tmp_path: Path) -> None:
    insert_rows(database, *GOOD)
    run(database)
    for name in ("pipelines", "sql"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "luigi.cfg", tmp_path)

    def why(stage: str) -> list[list[str]]:
        argv = [sys.executable, "-m", "pipelines", "why", stage, *DATE, "--no-top-up"]
        env = {**os.environ, "PYTHONPATH": str(tmp_path), "COLUMNS": "200"}
        done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
        return [] if "is current" in done.stdout else facts(done.stdout)

    assert why("merge_to_prod") == []
    upsert = tmp_path / "sql/crypto/upsert.sql"
    upsert.write_text(upsert.read_text() + "\n-- a comment\n")
    assert why("merge_to_prod") == []
    upsert.write_text(upsert.read_text().replace("updated_at = ", "updated_at =  + ", 1) + "\nSELECT 1")
    merge = tmp_path / "pipelines/crypto/merge.py"
    changed = merge.read_text().replace("if vanishing > max_share * active", "if vanishing >= max_share * active")
    assert changed != merge.read_text()
    merge.write_text(changed)
    shown = why("merge_to_prod")
    assert {(stage, what, Path(which).name) for stage, what, which, _, _ in shown} == {
        ("merge_to_prod", "SQL file", "upsert.sql"),
        ("merge_to_prod", "function", "pipelines.crypto.merge._refuse_outage"),
    }
    assert all(was and now and was != now for *_, was, now in shown)
    assert why("ge_validate_candidate") == []


def test_why_of_a_name_that_both_flows_have(command: Command) -> None:
    shown = command("why", "notify_success", *DATE)
    assert "notify_success of crypto" in shown
    assert "notify_success of churn" in shown
    of_crypto = command("why", "notify_success", *DATE, "--window-days", "3")
    assert "notify_success of crypto (2023-02-01, 3 days)" in of_crypto
    assert "churn" not in of_crypto, "it has no such option"


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("merge_to_production",), "merge_to_production is no stage. Choose one of"),
        (("merge_to_prod", "--windows", "5"), "--windows is no option of merge_to_prod, which takes --date"),
        (("merge_to_prod", "window_days=5"), "window_days=5 is no option"),
        (("merge_to_prod", "--window-days"), "--window-days: its value is missing"),
        (("merge_to_prod", "--window-days", "many"), "--window-days"),
        (("merge_to_prod", "--date", "yesterday"), "'yesterday' is not a date"),
    ],
)
def test_why_refuses_what_it_does_not_know(command: Command, arguments: tuple[str, ...], shown: str) -> None:
    assert shown in command("why", *arguments, code=2)


# Commands that are runs -------------------------------------------------------------------------------------------


def test_a_command_that_writes_is_a_run_of_its_own(
    database: Connection, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_settings(monkeypatch, MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path / 'none.db'}")
    shown = command("models", "rollback", "churn-model", code=20)
    [run] = rows_of(database, "ops.runs")
    assert (run["flow"], run["root_task"], run["engine"]) == ("churn", "models rollback", "python")
    assert run["parameters"] == {"model": "churn-model"}
    assert (run["outcome"], run["exit_code"]) == ("refused", 20)
    assert run["error"] in shown
