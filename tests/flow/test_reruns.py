"""Rerun laws, with real processes on a copy of the code that the tests may edit: what changed decides what runs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.core.statements import ROOT
from pipelines.services.warehouse import Connection
from tests.helpers import insert_rows, raw_rows

DATE = "2023-02-01"
ALL = ["build_events_candidate", "ge_validate_raw", "ge_validate_candidate", "merge_to_prod"]
GOOD = [("ARGENTINA", user, "1/2/2023", "BTC", 20000, 2) for user in range(1, 21)]


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A copy of the code, to be edited."""
    for name in ("pipelines", "sql"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "luigi.cfg", tmp_path)
    return tmp_path


def command(code: Path, *options: str) -> tuple[list[str], dict[str, str]]:
    argv = [sys.executable, "-m", "luigi", "--module", "pipelines", "CryptoMerge", "--date", DATE, *options]
    return argv, {**os.environ, "PYTHONPATH": str(code)}


def ran(code: Path, *options: str, exit_code: int = 0) -> list[str]:
    """Run the flow; the stages that did something."""
    argv, env = command(code, "--no-top-up", *options)
    done = subprocess.run(argv, cwd=code, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == exit_code, done.stderr + done.stdout
    assert "Traceback" not in done.stderr, done.stderr
    if not (stages := re.findall(r"(\w+) done in", done.stderr)):
        assert exit_code or "Nothing to do" in done.stdout
    return stages


def test_only_what_is_affected_runs_again(code: Path, database: Connection) -> None:
    insert_rows(database, *GOOD)
    assert ran(code) == ALL
    assert ran(code) == []

    database.execute("UPDATE raw.bt_crypto_transaction_history SET purchase_units = 3 WHERE user_id = 7")
    assert ran(code) == ALL, "a raw row changed"
    assert ran(code) == []

    with database.transaction():
        database.execute("SET LOCAL session_replication_role = replica")
        database.execute("UPDATE raw.bt_crypto_transaction_history SET purchase_units = 4 WHERE user_id = 7")
    assert ran(code) == ALL, "a raw row changed by a session that restores or replicates"

    database.execute("ALTER TABLE raw.bt_crypto_transaction_history ALTER crypto_type TYPE text USING 'ETH'")
    assert ran(code, "--allow-mass-deactivation") == ALL, "the table was rewritten, which no trigger sees"
    database.execute("TRUNCATE prod.bt_crypto_events")
    assert ran(code) == ALL[3:], "what was merged is not there any more"

    insert_rows(database, ("BRASIL", 1, "1/6/2022", "ETH", 1200, 1))
    assert ran(code) == [], "a row outside of the window is none of its business"

    for edited, comment in (("sql/crypto/upsert.sql", "\n-- edited\n"), ("pipelines/crypto/rules.py", "\n# edited\n")):
        with (code / edited).open("a", encoding="utf-8") as file:
            file.write(comment)
        assert ran(code) == [], f"a comment of {edited} decides nothing"

    for edited, before, after, expected in (
        ("sql/crypto/upsert.sql", "is_active = true", "is_active = (1 = 1)", ALL[3:]),
        ("pipelines/crypto/rules.py", "BEYOND = 10**30", "BEYOND = 10**31", ALL[1:]),
        ("sql/crypto/copy_window.sql", "FROM judged;", "FROM judged WHERE true;", ALL),
    ):
        text = (code / edited).read_text(encoding="utf-8")
        assert before in text
        (code / edited).write_text(text.replace(before, after), encoding="utf-8")
        assert ran(code) == expected, edited
        assert ran(code) == []


def test_another_date_does_not_make_this_one_run_again(code: Path, database: Connection) -> None:
    insert_rows(database, *GOOD)
    assert ran(code) == ALL
    assert ran(code, "--date", "2023-02-02") == ALL
    assert ran(code) == []


def test_a_halted_day_runs_on_from_its_gate_once_it_is_repaired(code: Path, database: Connection) -> None:
    insert_rows(database, *GOOD, ("CHILE", 99, "1/2/2023", "BTC", 1, 1))
    assert ran(code, exit_code=30) == ALL[:1]
    assert ran(code, exit_code=30) == [], "the snapshot is still good; the gate is asked again"
    assert database.execute("SELECT count(*) FROM prod.bt_crypto_events").fetchone() == {"count": 0}
    database.execute("UPDATE raw.bt_crypto_transaction_history SET site_id = 'MEXICO' WHERE site_id = 'CHILE'")
    assert ran(code) == ALL
    assert database.execute("SELECT count(*) FROM prod.bt_crypto_events").fetchone() == {"count": 21}


def test_a_generated_history_is_the_same_after_a_kill(code: Path, database: Connection) -> None:
    argv, env = command(code)
    env["MIN_ROWS_PER_DAY"] = "50"
    subprocess.run(argv, cwd=code, env=env, capture_output=True, check=True)
    whole = sorted(raw_rows(database))
    assert len(whole) == 250
    database.execute("TRUNCATE raw.bt_crypto_transaction_history, ops.materializations, prod.bt_crypto_events")
    with subprocess.Popen(argv, cwd=code, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if "ge_validate_raw" in line:
                run.send_signal(signal.SIGKILL)
                break
    assert database.execute("SELECT count(*) FROM prod.bt_crypto_events").fetchone() == {"count": 0}
    subprocess.run(argv, cwd=code, env=env, capture_output=True, check=True)
    assert sorted(raw_rows(database)) == whole
    assert database.execute("SELECT count(*) FROM prod.bt_crypto_events").fetchone() == {"count": 250}


def test_two_runs_at_once_one_waits_and_has_nothing_to_do(code: Path, database: Connection) -> None:
    insert_rows(database, *GOOD)
    argv, env = command(code, "--no-top-up")
    runs = [subprocess.Popen(argv, cwd=code, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2)]  # fmt: skip
    told = [run.communicate() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], told
    assert sum("Nothing to do" in out for out, _ in told) == 1
    assert database.execute("SELECT count(*) FROM dqm.dq_runs").fetchone() == {"count": 2}


@pytest.mark.usefixtures("database")
def test_a_run_that_may_not_wait_is_refused(code: Path) -> None:
    from pipelines.services import warehouse

    with warehouse.connect() as other:
        other.execute("SELECT pg_advisory_lock(20260, hashtext('crypto'))")
        argv, env = command(code)
        env["LOCK_WAIT_SECONDS"] = "0"
        refused = subprocess.run(argv, cwd=code, env=env, capture_output=True, text=True, check=False)
    assert refused.returncode == 10, refused.stderr
    assert "Another run of the crypto flow is at work" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("table", "exit_code", "told", "left"),
    [
        ("ops.stage_runs", 30, "another session holds a lock", ALL),
        ("prod.bt_crypto_events", 30, "merge_to_prod: another session holds a lock", ALL[3:]),
        ("raw.bt_crypto_transaction_history", 30, "build_events_candidate: another session holds a lock", ALL),
        ("ops.materializations", 30, "another session holds a lock", ALL),
    ],
)
def test_a_run_that_meets_a_locked_table_says_so(
    code: Path, database: Connection, table: str, exit_code: int, told: str, left: list[str]
) -> None:
    from pipelines.services import warehouse

    insert_rows(database, *GOOD)
    with warehouse.connect() as other, other.transaction():
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        argv, env = command(code, "--no-top-up")
        env["LOCK_WAIT_SECONDS"] = "0.2"
        refused = subprocess.run(argv, cwd=code, env=env, capture_output=True, text=True, check=False)
    assert refused.returncode == exit_code, refused.stderr
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr
    assert ran(code) == left


def test_work_whose_entry_in_the_ledger_fails_is_rolled_back_and_says_so(code: Path, database: Connection) -> None:
    from pipelines.services import warehouse

    insert_rows(database, *GOOD)
    with warehouse.connect() as other, other.transaction():
        other.execute("LOCK TABLE ops.stage_runs IN SHARE MODE")  # who reads goes on, who writes waits
        argv, env = command(code, "--no-top-up")
        env["LOCK_WAIT_SECONDS"] = "0.2"
        failed = subprocess.run(argv, cwd=code, env=env, capture_output=True, text=True, check=False)
    assert failed.returncode == 30, failed.stderr
    assert "build_events_candidate: another session holds a lock" in failed.stderr
    assert "done in" not in failed.stderr
    assert "Traceback" not in failed.stderr
    assert ran(code) == ALL


def test_a_refresh_of_history_during_a_run_does_not_look_like_an_outage(code: Path, database: Connection) -> None:
    """TRUNCATE is no friend of snapshots: whoever took one before it commits finds the table empty."""
    insert_rows(database, *GOOD)
    assert ran(code) == ALL
    argv, env = command(code, "--no-top-up", "--allow-mass-deactivation")
    database.execute("UPDATE raw.bt_crypto_transaction_history SET purchase_units = 3 WHERE user_id = 7")
    with database.transaction():
        database.execute("CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM raw.bt_crypto_transaction_history")
        database.execute("TRUNCATE raw.bt_crypto_transaction_history")
        run = subprocess.Popen(argv, cwd=code, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert run.stderr is not None
        told = run.stderr.readline()
        while "build_events_candidate" not in told and run.poll() is None:
            told = run.stderr.readline()
        time.sleep(0.5)  # it waits for the lock by now
        database.execute(
            "INSERT INTO raw.bt_crypto_transaction_history (site_id, user_id, purchase_date, crypto_type,"
            " purchase_price, purchase_units)"
            " SELECT site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units FROM kept"
        )
    out, err = run.communicate()
    assert run.returncode == 0, err
    assert re.search(r"unchanged +19 ", out), out


def test_what_is_forgotten_is_done_again(code: Path, database: Connection) -> None:
    insert_rows(database, *GOOD)
    assert ran(code) == ALL
    forget = [sys.executable, "-m", "pipelines", "forget", "--date", DATE]
    told = subprocess.run(forget, cwd=code, env=command(code)[1], capture_output=True, text=True, check=True)
    assert f"4 records of {DATE} are forgotten" in told.stdout
    assert ran(code) == ALL
    assert ran(code) == []


def test_a_halt_leaves_no_record_of_an_earlier_quarantine(code: Path, database: Connection) -> None:
    insert_rows(database, *GOOD, ("CHILE", 99, "1/2/2023", "BTC", 1, 1))
    assert ran(code, "--on-invalid", "quarantine") == ALL
    assert ran(code, exit_code=30) == []
    assert ran(code, "--on-invalid", "quarantine") == ALL[1:2]
    rejects = database.execute("SELECT disposition FROM dqm.bt_crypto_events_rejects").fetchall()
    assert rejects == [{"disposition": "quarantined"}]


def test_ctrl_c_ends_in_plain_words_and_a_rerun_goes_on(code: Path, database: Connection) -> None:
    insert_rows(database, *GOOD)
    argv, env = command(code, "--no-top-up")
    with subprocess.Popen(
        argv,
        cwd=code,
        env=env,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.default_int_handler
        ),  # a job in the background ignores it
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if "ge_validate_raw" in line:
                os.killpg(run.pid, signal.SIGINT)  # as a terminal does: the embedded server is not meant
                break
        told = run.stderr.read()
    assert run.returncode == 130, told
    assert "Interrupted" in told
    assert "Traceback" not in told
    assert ran(code) == ALL[1:]


def test_a_run_under_constant_ingestion_ends_and_loads_its_snapshot(code: Path, database: Connection) -> None:
    insert_rows(database, *GOOD)
    argv, env = command(code, "--no-top-up")
    with subprocess.Popen(argv, cwd=code, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        user = 1000
        while run.poll() is None:
            insert_rows(database, ("MEXICO", user, "1/2/2023", "ETH", 10, 1))
            user += 1
            time.sleep(0.01)
        assert run.returncode == 0, run.communicate()
    judged = database.execute("SELECT rows_judged FROM dqm.dq_runs ORDER BY dq_run_id").fetchall()
    loaded = database.execute("SELECT count(*) FROM prod.bt_crypto_events").fetchone()
    assert loaded is not None
    assert {row["rows_judged"] for row in judged} == {loaded["count"]}, "loaded exactly what was judged"
    assert ran(code) == ALL, "what arrived meanwhile belongs to the next run"
    assert database.execute("SELECT count(*) FROM prod.bt_crypto_events").fetchone() == {"count": 20 + user - 1000}


def test_a_server_killed_before_the_merge_loses_staging_and_nothing_else(code: Path, tmp_path: Path) -> None:
    """Staging is unlogged: after a crash of the server it is empty, and a rerun must not merge that."""
    home = tmp_path / "home"
    home.mkdir()
    argv, env = command(code)
    env |= {"STATE_DIR": str(home), "MIN_ROWS_PER_DAY": "20"}
    env.pop("POSTGRES_DSN", None)
    first_three = (
        "import os, datetime, pipelines\n"
        f"stages = pipelines.CryptoMerge(date=datetime.date.fromisoformat({DATE!r})).stages()\n"
        "for stage in stages[:-1]: stage.run()\n"
        "os._exit(0)"  # as if killed: the server stays
    )
    subprocess.run([sys.executable, "-c", first_three], cwd=code, env=env, check=True, capture_output=True)
    pid = int((home / "postgres" / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    done = subprocess.run(argv, cwd=code, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"(\w+) done in", done.stderr) == ALL
    assert re.search(r"inserted +100 ", done.stdout), done.stdout


def test_a_configuration_of_the_users_own_keeps_the_exit_codes(code: Path, database: Connection) -> None:
    insert_rows(database, *GOOD)
    own = code / "own.cfg"
    own.write_text("[core]\nlocal_scheduler=true\n", encoding="utf-8")
    merge = code / "pipelines/crypto/merge.py"
    text = merge.read_text(encoding="utf-8")
    first = '    if one(tx, "crypto/is_new_window"'
    assert first in text
    merge.write_text(text.replace(first, f"    1 / 0\n{first}", 1), encoding="utf-8")
    argv, env = command(code, "--no-top-up")
    env["LUIGI_CONFIG_PATH"] = str(own)
    failed = subprocess.run(argv, cwd=code, env=env, capture_output=True, text=True, check=False)
    assert failed.returncode == 30, failed.stderr
    assert "ZeroDivisionError" in failed.stderr


@pytest.mark.parametrize("options", [("--source", ""), ("--source=",)])
def test_an_empty_option_is_refused_and_loads_nothing(
    code: Path, database: Connection, options: tuple[str, ...]
) -> None:
    argv, env = command(code, *options)
    refused = subprocess.run(argv, cwd=code, env=env, capture_output=True, text=True, check=False)
    assert refused.returncode == 2, refused.stderr
    assert "--source is empty" in refused.stderr
    assert raw_rows(database) == []
