"""Asking whether there is anything to do: it waits for nobody, changes nothing, and knows results of other versions."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from threading import enumerate as threads

import luigi
import psycopg
import pytest
from luigi.scheduler import Scheduler
from luigi.task_register import Register
from luigi.worker import Worker
from psycopg import conninfo
from psycopg.rows import dict_row

from pipelines import CryptoMerge
from pipelines.core import ledger
from pipelines.core.errors import NewerResult
from pipelines.core.stage import Stage
from pipelines.core.statements import ROOT
from pipelines.crypto.tasks import MergeToProd
from pipelines.services import warehouse
from pipelines.services.warehouse import Connection
from tests import helpers
from tests.asking import QUESTIONS, answer, asked, contents, everything, files, objects
from tests.helpers import DAY, insert_rows, rows_of, set_settings

STAGES = ["build_events_candidate", "ge_validate_raw", "ge_validate_candidate", "merge_to_prod"]
GOOD = [("ARGENTINA", user, "1/2/2023", "BTC", 20000, 2) for user in range(1, 21)]


def root() -> CryptoMerge:
    """The root task as a new process has it."""
    Register.clear_instance_cache()
    return CryptoMerge(date=DAY, no_top_up=True, quiet=True)


def run() -> bool:
    return bool(luigi.build([root()], local_scheduler=True, log_level="CRITICAL"))


def is_complete() -> bool:
    task = root()
    try:
        return task.requires().complete()
    finally:
        task.flow_run.close()


def last_stages(connection: Connection) -> dict[str, str]:
    """What the stages of the last run did."""
    newest = "ops.stage_runs WHERE run_id = (SELECT max(run_id::text)::uuid FROM ops.runs)"
    return {row["stage"]: row["outcome"] for row in rows_of(connection, newest, "stage, outcome")}


def ask_everything(folder: Path, **env: str) -> str:
    """Ask all that can be asked, in a folder of its own; return what was answered."""
    ours = {"HOME": str(folder), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", QUESTIONS, str(DAY)],
        cwd=folder, env={**os.environ, **ours, **env}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


# Nobody is waited for -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_transaction", [False, True])
def test_asking_while_another_run_is_at_work(
    database: Connection, monkeypatch: pytest.MonkeyPatch, in_transaction: bool
) -> None:
    """Who waited would fail after a millisecond, who wrote would fail at once, and no lock is left."""
    insert_rows(database, *GOOD)
    assert run()
    before = objects(database), contents(database)
    read_only = conninfo.make_conninfo(warehouse.dsn(), options="-c default_transaction_read_only=on")
    set_settings(monkeypatch, POSTGRES_DSN=read_only, LOCK_WAIT_SECONDS="0.001")
    with psycopg.connect(os.environ["POSTGRES_DSN"], options="", autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(20260, hashtext('crypto')), pg_advisory_lock(20260, hashtext('churn'))")
        if in_transaction:  # as in the middle of a merge
            other.execute("BEGIN")
            other.execute("LOCK TABLE raw.bt_crypto_transaction_history IN SHARE MODE")
            other.execute("UPDATE ops.materializations SET seconds = seconds + 1")
            other.execute("DELETE FROM prod.bt_crypto_events")
        Register.clear_instance_cache()
        threads_before = threads()
        for task in everything(DAY):
            for each in asked(task):
                answer(each)
                if not isinstance(each, Stage):
                    continue
                reader = each.flow_run.reader()
                assert reader is not None
                assert not each.flow_run.has_begun
                assert reader.execute("SHOW transaction_read_only").fetchone() == {"transaction_read_only": "on"}
                held = "SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND (locktype = 'advisory' OR NOT granted)"
                assert reader.execute(held).rowcount == 0
            if task.flow != "everything":
                task.flow_run.close()
        assert is_complete()
        assert threads() == threads_before
        if in_transaction:
            other.execute("ROLLBACK")
    assert (objects(database), contents(database)) == before


def test_an_answer_is_of_one_moment(database: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate that refuses takes its materialization away; who asks meanwhile may not see half of that."""
    insert_rows(database, *GOOD)
    assert run()
    has_current_fingerprints = Stage.has_current_fingerprints

    def is_fresh_and_forgotten(stage: Stage[object]) -> bool:
        answered = has_current_fingerprints(stage)
        database.execute("DELETE FROM ops.materializations WHERE stage = %s", (stage.stage,))
        return answered

    gate = root().requires().requires()[0]
    with monkeypatch.context() as patch:
        patch.setattr(Stage, "has_current_fingerprints", is_fresh_and_forgotten)
        assert gate.complete()
    assert not gate.complete()
    gate.flow_run.close()


# Nothing is changed -------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's folder."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def empty_database(server: Connection) -> Iterator[str]:
    """The DSN of a database in which nothing has run."""
    server.execute("DROP DATABASE IF EXISTS nothing_yet WITH (FORCE)")
    server.execute("CREATE DATABASE nothing_yet")
    yield conninfo.make_conninfo(warehouse.dsn(), dbname="nothing_yet")
    server.execute("DROP DATABASE nothing_yet WITH (FORCE)")


def test_asking_on_an_empty_machine_leaves_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSTGRES_DSN", raising=False)
    state = home.parent / "state"
    before = files(home.parent)
    answers = ask_everything(home, STATE_DIR=str(state))
    assert "[]" in answers
    assert "nothing has run yet" in answers
    assert files(home.parent) == before
    assert not state.exists()


def test_help_on_an_empty_machine_leaves_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSTGRES_DSN", raising=False)
    before = files(home.parent)
    for name in ("CryptoMerge", "ChurnTraining"):
        done = subprocess.run(
            [str(Path(sys.executable).with_name("luigi")), "--module", "pipelines", name, "--help"],
            cwd=home, capture_output=True, text=True, check=False,
            env={**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT), "STATE_DIR": str(home.parent / "state")},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert "run date, YYYY-MM-DD" in done.stdout
    assert files(home.parent) == before


def test_asking_on_an_empty_database_leaves_nothing(home: Path, empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True, row_factory=dict_row) as empty:
        before = files(home.parent), objects(empty)
        answers = ask_everything(home, STATE_DIR=str(home.parent / "state"), POSTGRES_DSN=empty_database)
        assert "nothing has run yet" in answers
        assert (files(home.parent), objects(empty)) == before


def test_asking_after_a_run_changes_nothing(database: Connection, state: Path, home: Path) -> None:
    insert_rows(database, *GOOD)
    helpers.run_flow()
    before = files(state, home), objects(database), contents(database)
    answers = ask_everything(home)
    assert "MergeToProd ['MergeToProd', 'ValidateCandidate', 'ValidateRaw'" in answers
    assert "succeeded" in answers
    assert (files(state, home), objects(database), contents(database)) == before


# Results of other versions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_a_result_of_a_newer_version_is_refused_by_name(database: Connection, stage: str) -> None:
    insert_rows(database, *GOOD)
    assert run()
    database.execute("UPDATE ops.materializations SET result_version = 2 WHERE stage = %s", (stage,))
    before = contents(database)
    with pytest.raises(NewerResult, match=rf"{stage} \(2023-02-01, 5 days\): .* written by a newer version"):
        is_complete()
    if stage == "ge_validate_raw":
        refused = helpers.luigi("CryptoMerge", "--date", str(DAY), "--no-top-up")
        assert refused.returncode == 35
        assert f"ERROR {stage} (2023-02-01, 5 days)" in refused.stderr
        assert "Update the code, then run again." in refused.stderr
        assert "Traceback" not in refused.stderr
    assert contents(database) == before


@pytest.mark.parametrize("stage", STAGES)
def test_a_result_with_more_fields_is_read(database: Connection, stage: str) -> None:
    insert_rows(database, *GOOD)
    assert run()
    database.execute(
        """UPDATE ops.materializations SET result = result || '{"of_a_later_version": 1}' WHERE stage = %s""", (stage,)
    )
    assert is_complete()


@pytest.mark.parametrize(
    ("stage", "change"),
    [
        ("build_events_candidate", "result - 'snapshot_id'"),
        ("ge_validate_raw", "result - 'judged'"),
        ("ge_validate_candidate", """result || '{"judged": "many"}'"""),
        ("merge_to_prod", "'{}'"),
    ],
)
def test_a_result_that_cannot_be_read_is_stale(database: Connection, stage: str, change: str) -> None:
    insert_rows(database, *GOOD)
    assert run()
    database.execute(f"UPDATE ops.materializations SET result = {change} WHERE stage = %s", (stage,))
    assert not is_complete()
    assert run()
    did = last_stages(database)
    assert did[stage] == "ran"
    assert {did[before] for before in STAGES[: STAGES.index(stage)]} <= {"skipped"}
    assert is_complete()


# What happens between the question and the run ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "did"),
    [
        ("TRUNCATE prod.bt_crypto_events", dict.fromkeys(STAGES, "ran")),  # staging is needed, and was overwritten
        ("SELECT", dict.fromkeys(STAGES, "skipped")),  # nothing is to do, and staging is not needed
    ],
)
def test_a_run_goes_on_where_another_one_was_faster(database: Connection, change: str, did: dict[str, str]) -> None:
    insert_rows(database, *GOOD)
    assert run()
    database.execute(change)
    task = root()
    run_id = task.flow_run.id
    with Worker(scheduler=Scheduler(), worker_processes=1) as worker:
        assert worker.add(task)
        Register.clear_instance_cache()
        other = CryptoMerge(date=DAY.replace(day=2), no_top_up=True, quiet=True)
        assert luigi.build([other], local_scheduler=True, log_level="CRITICAL")
        assert worker.run()
    assert {row["stage"]: row["outcome"] for row in ledger.stages_of(database, run_id)} == did


# What arrives during a run ------------------------------------------------------------------------------------------


def test_rows_that_arrive_during_a_run_belong_to_the_next_one(database: Connection) -> None:
    insert_rows(database, *GOOD)
    task = root()
    for number, each in enumerate(task.stages()):
        each.run()
        insert_rows(database, ("BRASIL", 1000 + number, "1/2/2023", "ETH", 1200, 1))
        assert each.complete(), "Luigi asks again when a task has run"
    task.run()
    assert last_stages(database) == dict.fromkeys(STAGES, "ran")
    loaded = rows_of(database, "prod.bt_crypto_events", "user_id")
    assert [row["user_id"] for row in loaded] == list(range(1, 21))
    assert not is_complete()
    assert run()
    assert helpers.count(database, "prod.bt_crypto_events") == 24


def test_a_run_ends_while_rows_keep_coming(database: Connection) -> None:
    insert_rows(database, *GOOD)
    has_ended = Event()
    came: list[int] = []

    def ingest() -> None:
        with warehouse.connect() as connection:
            while not has_ended.is_set():
                came.extend(insert_rows(connection, ("BRASIL", 1000 + len(came), "1/2/2023", "ETH", 1200, 1)))

    ingestion = Thread(target=ingest)
    ingestion.start()
    try:
        assert run()
    finally:
        has_ended.set()
        ingestion.join()
    assert last_stages(database) == dict.fromkeys(STAGES, "ran")
    validated = {row["rows_judged"] for row in rows_of(database, "dqm.dq_runs", "rows_judged")}
    assert validated == {helpers.count(database, "prod.bt_crypto_events")}
    assert not is_complete()
    assert run()
    assert helpers.count(database, "prod.bt_crypto_events") == len(GOOD) + len(came)
    assert is_complete()
    assert isinstance(root().requires(), MergeToProd)
