"""The ledger against real runs of ``luigi``: ended, refused, failed, interrupted, killed, several at once."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import luigi
import pytest
from luigi.task_register import Register
from psycopg import conninfo

from pipelines import CryptoMerge
from pipelines.core import ledger
from pipelines.core.statements import ROOT
from pipelines.crypto import merge
from pipelines.services import project, warehouse
from pipelines.services.warehouse import Connection, Row
from tests import helpers
from tests.helpers import DAY, insert_rows, rows_of, set_settings

KEY = "2023-02-01, 5 days"
HISTORY = "generate_fake_history_last_5_days"
STAGES = ["build_events_candidate", "ge_validate_raw", "ge_validate_candidate", "merge_to_prod"]
ALL = [HISTORY, *STAGES, "vacuum_analyze_prod", "notify_success"]
GOOD = [("ARGENTINA", user, "1/2/2023", "BTC", 20000, 2) for user in range(1, 21)]
MERGE = ("CryptoMerge", "--date", "2023-02-01", "--no-top-up")
# Where the tests run in the background of a shell, SIGINT is ignored.
INTERRUPTIBLE = """
import signal, sys, luigi.cmdline
signal.signal(signal.SIGINT, signal.default_int_handler)
luigi.cmdline.luigi_run(sys.argv[1:])
"""


# Commands and what they leave -------------------------------------------------------------------------------------


def start(*options: str, folder: Path = ROOT, interruptible: bool = False, **env: str) -> subprocess.Popen[str]:
    """Begin the command ``luigi`` as a user types it."""
    typed = [str(Path(sys.executable).with_name("luigi"))]
    argv = [sys.executable, "-c", INTERRUPTIBLE] if interruptible else typed
    return subprocess.Popen(
        [*argv, "--module", "pipelines", *options], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    """Wait for a command, look at its exit code, and return what it wrote to standard error."""
    _, errors = process.communicate(timeout=300)
    assert process.returncode == code, errors
    assert "Traceback" not in errors, errors
    return errors


def runs(connection: Connection) -> list[Row]:
    """The runs of the ledger, oldest first."""
    return rows_of(connection, "ops.runs", order="run_id")


def last_run(connection: Connection) -> Row:
    return runs(connection)[-1]


def stages(connection: Connection, run: Row) -> list[tuple[str, str]]:
    """What the stages of a run did."""
    return [(row["stage"], row["outcome"]) for row in ledger.stages_of(connection, run["run_id"])]


def each(names: list[str], outcome: str) -> list[tuple[str, str]]:
    return [(name, outcome) for name in names]


def production(connection: Connection) -> list[Row]:
    columns = "site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, purchase_value, is_active"
    return rows_of(connection, "prod.bt_crypto_events", columns, "1, 2, 3, 4")


def build(root: luigi.Task) -> bool:
    """Run a root task in this process."""
    return bool(luigi.build([root], local_scheduler=True, log_level="CRITICAL"))


def root(**parameters: Any) -> CryptoMerge:
    Register.clear_instance_cache()
    return CryptoMerge(date=DAY, no_top_up=True, quiet=True, **parameters)


def wait_for(event: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not event():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def run_waits(connection: Connection) -> Callable[[], bool]:
    """Whether a session of a run waits for a lock of another session."""
    waiting = (
        "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        " AND starts_with(application_name, %s)"
    )
    return lambda: connection.execute(waiting, (ledger.SESSION,)).rowcount > 0


@contextmanager
def locked(table: str) -> Iterator[None]:
    """While it lasts, runs wait where they come to a table."""
    with warehouse.connect() as holder, holder.transaction():
        holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def uncommitted(stage: str) -> Iterator[None]:
    """While it lasts, a stage that has done its work waits before it writes its materialization."""
    with warehouse.connect() as holder, holder.transaction(force_rollback=True):
        holder.execute(
            "INSERT INTO ops.materializations (flow, stage, key, fingerprint, result, seconds)"
            " VALUES ('crypto', %s, %s, '', '{}', 0)",
            (stage, KEY),
        )
        yield


def end_sessions(connection: Connection) -> None:
    """What a crash of the server, or of the network, does to runs."""
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE starts_with(application_name, %s)",
        (ledger.SESSION,),
    )


# Runs that end ----------------------------------------------------------------------------------------------------


def test_a_run_and_its_rerun(database: Connection) -> None:
    insert_rows(database, *GOOD)
    first = start(*MERGE, "--quiet", "--window-days", "5")
    ended(first)
    run = last_run(database)
    assert run["run_id"].version == 7
    assert {name: run[name] for name in ("flow", "root_task", "run_date", "engine", "host", "process_id")} == {
        "flow": "crypto", "root_task": "CryptoMerge", "run_date": DAY, "engine": "luigi",
        "host": socket.gethostname(), "process_id": first.pid,
    }  # fmt: skip
    assert (run["dag_id"], run["dag_run_id"]) == (None, None)
    assert run["project_version"] == project.version()()
    assert run["parameters"] == {
        "date": "2023-02-01", "window_days": "5", "on_invalid": "halt", "no_top_up": "True",
        "allow_mass_deactivation": "False",
    }  # fmt: skip
    assert (run["outcome"], run["exit_code"], run["error"]) == ("succeeded", 0, None)
    assert run["finished_at"] > run["started_at"]
    did = ledger.stages_of(database, run["run_id"])
    assert [(row["stage"], row["key"], row["outcome"], row["error"]) for row in did] == [
        (stage, KEY, "ran", None) for stage in STAGES
    ]
    assert all(run["started_at"] < row["finished_at"] < run["finished_at"] and row["seconds"] > 0 for row in did)
    assert did[0]["source_versions"]["in_window"] == len(GOOD)
    assert (did[1]["result"]["judged"], did[3]["result"]["inserted"]) == (len(GOOD), len(GOOD))

    ended(start(*MERGE))
    before, rerun = runs(database)
    assert before == run
    assert (rerun["outcome"], rerun["exit_code"]) == ("succeeded", 0)
    assert stages(database, rerun) == each(STAGES, "skipped")


def test_a_gate_that_refuses(database: Connection) -> None:
    insert_rows(database, *GOOD, ("CHILE", 99, "1/2/2023", "BTC", 1, 1))
    shown = ended(start(*MERGE), code=30)
    run = last_run(database)
    assert (run["outcome"], run["exit_code"]) == ("refused", 30)
    assert "site_id_unknown: 1 row" in run["error"]
    assert run["error"] in shown
    assert shown.count("site_id_unknown") == 1
    assert stages(database, run) == [("build_events_candidate", "ran"), ("ge_validate_raw", "refused")]
    refused = ledger.stages_of(database, run["run_id"])[-1]
    assert (refused["error"], refused["fingerprint"], refused["result"]) == (run["error"], None, None)


def test_an_exception_that_nobody_foresaw(database: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    insert_rows(database, *GOOD)

    def fail(*_: Any) -> None:
        raise ZeroDivisionError("as if by a bug")

    with monkeypatch.context() as patch:
        patch.setattr(merge, "merge", fail)
        assert not build(root())
    run = last_run(database)
    assert (run["outcome"], run["exit_code"], run["error"]) == ("failed", 30, "as if by a bug")
    assert stages(database, run) == [*each(STAGES[:3], "ran"), ("merge_to_prod", "failed")]
    assert ledger.stages_of(database, run["run_id"])[-1]["error"] == "as if by a bug"
    assert build(root())
    assert stages(database, last_run(database)) == [("merge_to_prod", "ran"), *each(STAGES[:3], "skipped")]


def test_a_run_that_loses_its_session_is_recorded_by_another(database: Connection) -> None:
    insert_rows(database, *GOOD)
    with locked("prod.bt_crypto_events"):
        process = start(*MERGE)
        wait_for(run_waits(database), process)
        end_sessions(database)
        shown = ended(process, code=30)
    run = last_run(database)
    assert (run["outcome"], run["exit_code"]) == ("failed", 30)
    assert "merge_to_prod was interrupted by PostgreSQL" in run["error"]
    assert run["error"].splitlines()[0] in shown
    assert stages(database, run) == [*each(STAGES[:3], "ran"), ("merge_to_prod", "failed")]
    assert production(database) == []


@pytest.fixture
def login(database: Connection) -> Iterator[str]:
    """A user with a password, and the DSN that has it."""
    database.execute("CREATE ROLE careless SUPERUSER LOGIN PASSWORD 'hush-hush'")
    yield conninfo.make_conninfo(warehouse.dsn(), user="careless", password="hush-hush")
    end_sessions(database)
    database.execute("DROP ROLE careless")


def test_a_run_that_cannot_come_back_to_the_server_is_lost(database: Connection, login: str) -> None:
    insert_rows(database, *GOOD)
    with locked("prod.bt_crypto_events"):
        process = start(*MERGE, POSTGRES_DSN=login)
        wait_for(run_waits(database), process)
        database.execute("ALTER ROLE careless NOLOGIN")
        end_sessions(database)
        shown = ended(process, code=30)
    unfinished = last_run(database)
    assert (unfinished["outcome"], unfinished["exit_code"]) == (None, None)
    assert "hush-hush" not in shown
    assert build(root())
    lost, run = runs(database)
    assert (lost["outcome"], lost["exit_code"]) == ("lost", None)
    assert "killed, or its machine went down" in lost["error"]
    assert stages(database, lost) == each(STAGES[:3], "ran")
    assert stages(database, run) == [("merge_to_prod", "ran"), *each(STAGES[:3], "skipped")]


def test_a_password_stays_out_of_the_ledger(database: Connection, login: str) -> None:
    """Great Expectations connects by an URL that has the password: its failure must not quote it."""
    insert_rows(database, *GOOD)
    with locked(helpers.HISTORY):
        process = start(*MERGE, POSTGRES_DSN=login)
        wait_for(run_waits(database), process)
        database.execute("ALTER ROLE careless NOLOGIN")
    shown = ended(process, code=30)
    run = last_run(database)
    assert (run["outcome"], run["exit_code"]) == ("failed", 30)
    assert "Great Expectations was interrupted by PostgreSQL" in run["error"]
    assert stages(database, run) == [("build_events_candidate", "ran"), ("ge_validate_raw", "failed")]
    everything = str(runs(database)) + str(rows_of(database, "ops.stage_runs"))
    assert "hush" not in everything + shown


def test_a_run_that_may_not_wait_for_another_one(database: Connection) -> None:
    insert_rows(database, *GOOD)
    with warehouse.connect() as other:
        other.execute("SELECT pg_advisory_lock(20260, hashtext('crypto'))")
        shown = ended(start(*MERGE, LOCK_WAIT_SECONDS="0"), code=10)
    run = last_run(database)
    assert (run["outcome"], run["exit_code"]) == ("refused", 10)
    assert "Another run of the crypto flow is at work" in run["error"]
    assert run["error"] in shown
    assert stages(database, run) == []


def test_ctrl_c(database: Connection) -> None:
    insert_rows(database, *GOOD)
    with locked("prod.bt_crypto_events"):
        process = start(*MERGE, interruptible=True)
        wait_for(run_waits(database), process)
        os.killpg(process.pid, signal.SIGINT)
        shown = ended(process, code=130)
    assert "Interrupted" in shown
    run = last_run(database)
    assert (run["outcome"], run["exit_code"]) == ("failed", 130)
    assert "nterrupt" in run["error"]
    assert stages(database, run) == [*each(STAGES[:3], "ran"), ("merge_to_prod", "failed")]


# Runs that are killed, and several at once -------------------------------------------------------------------------


def test_a_run_killed_in_each_stage_is_lost_and_the_next_one_goes_on(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_settings(monkeypatch, MIN_ROWS_PER_DAY=10)
    helpers.run_flow(DAY)
    undisturbed, history = production(database), sorted(helpers.raw_rows(database))
    assert len(history) == 50
    helpers.empty(database)

    pipeline = ("CryptoPipeline", "--date", "2023-02-01")
    for number, stage in enumerate(ALL):
        with uncommitted(stage):
            process = start(*pipeline)
            wait_for(run_waits(database), process)
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        killed = last_run(database)
        assert killed["outcome"] is None
        assert stages(database, killed) == (each([ALL[number - 1]], "ran") if number else [])
    ended(start(*pipeline))
    *killed_runs, run = runs(database)
    assert [each["outcome"] for each in killed_runs] == ["lost"] * len(ALL)
    assert run["outcome"] == "succeeded"
    assert stages(database, run) == [("notify_success", "ran"), *each(ALL[:-1], "skipped")]
    assert production(database) == undisturbed
    assert sorted(helpers.raw_rows(database)) == history


def test_a_killed_run_whose_session_is_still_there_is_lost_once_its_lock_is_free(database: Connection) -> None:
    """The server notices a moment later that a client is gone; until then its session holds the lock."""
    insert_rows(database, *GOOD)
    killed = ledger.new_run_id()
    with warehouse.connect(ledger.session_name(killed)) as session:
        ledger.open_run(session, killed, "crypto", "CryptoMerge", {}, DAY, ledger.Engine(), "")
        session.execute("SELECT pg_advisory_lock(20260, hashtext('crypto'))")
        process = start(*MERGE)
        assert process.stderr is not None
        assert "another run of the crypto flow is at work" in process.stderr.readline()
        assert [run["outcome"] for run in runs(database)] == [None, None]
    ended(process)
    assert [run["outcome"] for run in runs(database)] == ["lost", "succeeded"]


def test_two_runs_at_once_are_recorded_and_do_not_interleave(database: Connection) -> None:
    insert_rows(database, *GOOD)
    processes = [start(*MERGE[:2], day, "--no-top-up") for day in ("2023-02-01", "2023-02-02")]
    for process in processes:
        ended(process)
    found = runs(database)
    assert [run["outcome"] for run in found] == ["succeeded"] * 2
    assert {run["process_id"] for run in found} == {process.pid for process in processes}
    assert [stages(database, run) for run in found] == [each(STAGES, "ran")] * 2
    in_turn = [str(row["run_id"]) for row in rows_of(database, "ops.stage_runs", order="stage_run_id")]
    assert in_turn == [in_turn[0]] * len(STAGES) + [in_turn[-1]] * len(STAGES)


def test_a_run_by_several_workers_is_one_run(database: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    set_settings(monkeypatch, MIN_ROWS_PER_DAY=10)
    ended(start("CryptoPipeline", "--date", "2023-02-01", "--workers", "3"))
    [run] = runs(database)
    assert (run["root_task"], run["outcome"]) == ("CryptoPipeline", "succeeded")
    assert stages(database, run) == each(ALL, "ran")
    assert len(production(database)) == 50
    ended(start("CryptoPipeline", "--date", "2023-02-01", "--workers", "3"))
    assert stages(database, last_run(database)) == each(ALL, "skipped")


@pytest.mark.parametrize("workers", ["1", "3"])
def test_a_backfill_is_one_run(database: Connection, workers: str) -> None:
    insert_rows(database, *GOOD, ("BRASIL", 7, "5/1/2023", "ETH", 1200, 1))
    backfill = ("CryptoBackfill", "--date", "2023-02-03", "--workers", workers)
    ended(start(*backfill))
    [run] = runs(database)
    assert (run["root_task"], run["outcome"]) == ("CryptoBackfill", "succeeded")
    assert stages(database, run) == each(STAGES * 2, "ran")
    assert len(production(database)) == 21
    ended(start(*backfill))
    rerun = last_run(database)
    assert len(runs(database)) == 2
    assert (rerun["root_task"], rerun["outcome"]) == ("CryptoBackfill", "succeeded")
    assert stages(database, rerun) == each(STAGES * 2, "skipped")


def test_old_runs_are_removed(database: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    insert_rows(database, *GOOD)
    assert build(root())
    assert build(root())
    old, recent = runs(database)
    database.execute(
        "UPDATE ops.runs SET started_at = started_at - interval '3 days' WHERE run_id = %s", [old["run_id"]]
    )
    set_settings(monkeypatch, RUN_HISTORY_DAYS=4)
    assert build(root())
    assert len(runs(database)) == 3
    set_settings(monkeypatch, RUN_HISTORY_DAYS=2)
    assert build(root())
    assert old["run_id"] not in {run["run_id"] for run in runs(database)}
    assert recent in runs(database)
    assert {row["run_id"] for row in rows_of(database, "ops.stage_runs")} == {run["run_id"] for run in runs(database)}


# Exit codes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "options", "env", "shown"),
    [
        (2, ("CryptoMerge", "--on-invalid", "perhaps"), {}, "--on-invalid"),
        (2, ("CryptoMerg",), {}, "CryptoMerg is no task. Choose one of"),
        (2, MERGE, {"MIN_ROWS_PER_DAY": "some"}, "Setting MIN_ROWS_PER_DAY"),
        (20, (*MERGE, "--source", "nowhere.csv"), {}, "nowhere.csv: there is no such file"),
        (35, MERGE, {"POSTGRES_DSN": "postgresql://me:hush@127.0.0.1:1/none"}, "PostgreSQL cannot be used"),
    ],
)
@pytest.mark.parametrize("here", [True, False], ids=["in the root", "in another folder"])
def test_exit_codes(
    tmp_path: Path, code: int, options: tuple[str, ...], env: dict[str, str], shown: str, here: bool
) -> None:
    errors = ended(start(*options, folder=ROOT if here else tmp_path, **env), code)
    assert shown in errors
    assert errors.count("ERROR") == 1, errors
    assert "hush" not in errors


def test_exit_codes_of_runs_in_another_folder(database: Connection, tmp_path: Path) -> None:
    insert_rows(database, *GOOD)
    ended(start(*MERGE, folder=tmp_path))
    insert_rows(database, ("CHILE", 99, "1/2/2023", "BTC", 1, 1))
    ended(start(*MERGE, folder=tmp_path), code=30)
    with warehouse.connect() as other:
        other.execute("SELECT pg_advisory_lock(20260, hashtext('crypto'))")
        ended(start(*MERGE, folder=tmp_path, LOCK_WAIT_SECONDS="0"), code=10)
    assert [(run["outcome"], run["exit_code"]) for run in runs(database)] == [
        ("succeeded", 0), ("refused", 30), ("refused", 10),
    ]  # fmt: skip
    assert list(tmp_path.iterdir()) == []
