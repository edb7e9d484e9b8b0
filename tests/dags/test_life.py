"""``make airflow`` for real: its processes, driven through the REST API as a person would, and stopped by Ctrl-C."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from psycopg.rows import dict_row

from pipelines.core.statements import ROOT
from pipelines.services.settings import Settings
from scripts.browser import free_port
from tests.churn import GOOD
from tests.dags.running import ASSETS, CRYPTO, TRAINING

ENDED = {"success", "failed", "skipped", "upstream_failed"}


class Airflow:
    """A local Airflow on a state of its own."""

    def __init__(self) -> None:
        self.state = Path(tempfile.mkdtemp(prefix="kpi-delivery-"))
        self.port = free_port()
        ours = {name.upper() for name in Settings.model_fields}
        theirs = {name: value for name, value in os.environ.items() if name not in ours and "AIRFLOW" not in name}
        self.env = {
            **theirs, **GOOD, "PYTHONPATH": str(ROOT), "STATE_DIR": str(self.state), "AIRFLOW_PORT": str(self.port),
            "MIN_ROWS_PER_DAY": "100", "CHURN_USERS": "1500",
        }  # fmt: skip
        self.come_up()

    def come_up(self) -> None:
        self.process = self.start()
        self.said: list[str] = []
        assert self.process.stdout
        for line in self.process.stdout:
            self.said.append(line)
            if "Ctrl-C" in line:
                return
        raise AssertionError("".join(self.said))

    def end(self) -> None:
        """Ctrl-C; nothing may be left."""
        everyone = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        _, alive = psutil.wait_procs(everyone, timeout=5)
        theirs = {each.pid: each.info["environ"] or {} for each in psutil.process_iter(["environ"])}
        left = [pid for pid, environment in theirs.items() if environment.get("STATE_DIR") == str(self.state)]
        assert (alive, left) == ([], [])
        shutil.rmtree(self.state, ignore_errors=True)

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "scripts.airflow_up"], cwd=ROOT, env=self.env, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``airflow …`` in a shell with the one export of the README; again where SQLite was locked."""
        home = {"AIRFLOW_HOME": str(self.state / "airflow")}
        for _ in range(3):  # as the README says: its processes share one file
            done = subprocess.run(
                [sys.executable, "-m", "airflow", *arguments], cwd=ROOT, env={**self.env, **home}, text=True,
                capture_output=True, check=False,
            )  # fmt: skip
            if "database is locked" not in done.stderr:
                break
        return done

    @cached_property
    def warehouse(self) -> psycopg.Connection[dict[str, Any]]:
        where = f"host={self.state / 'postgres'} user=postgres dbname=postgres"
        return psycopg.connect(where, autocommit=True, row_factory=dict_row)

    # The REST API --------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: object = None, token: str | None = None) -> Any:
        token = token if token is not None else self.token
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", method=method, data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    @cached_property
    def token(self) -> str:
        """By the password that was printed."""
        password = next(line.split()[-1] for line in self.said if line.split()[:1] == ["password"])
        return str(self.ask("POST", "/auth/token", {"username": "admin", "password": password}, "")["access_token"])

    def trigger(self, dag: str, day: str | None = None, **conf: Any) -> str:
        asked = {"logical_date": day and f"{day}T00:00:00Z", "conf": conf}
        return str(self.ask("POST", f"/api/v2/dags/{dag}/dagRuns", asked)["dag_run_id"])

    def runs(self, dag: str) -> list[dict[str, Any]]:
        return list(self.ask("GET", f"/api/v2/dags/{dag}/dagRuns?order_by=run_after")["dag_runs"])

    def ended(self, dag: str, run: str) -> dict[str, str]:
        """The states of a run's tasks once it has ended."""
        give_up = time.monotonic() + 300
        while time.monotonic() < give_up:
            if self.ask("GET", f"/api/v2/dags/{dag}/dagRuns/{run}")["state"] in ENDED:
                found = self.ask("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
                return {task["task_id"]: task["state"] for task in found}
            time.sleep(0.5)
        raise AssertionError(f"{dag} {run} is still at work")

    def log(self, dag: str, run: str, task: str, attempt: int = 1) -> str:
        path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/{attempt}"
        lines = self.ask("GET", path)["content"]
        details = [error.get("exc_value") or "" for line in lines for error in line.get("error_detail") or []]
        return "\n".join([*(line["event"] for line in lines), *details])

    def clear(self, dag: str, run: str, *tasks: str, downstream: bool = True) -> None:
        asked = {"dry_run": False, "dag_run_id": run, "only_failed": False, "include_downstream": downstream,
                 "task_ids": list(tasks), "reset_dag_runs": True}  # fmt: skip
        self.ask("POST", f"/api/v2/dags/{dag}/clearTaskInstances", asked)


@pytest.fixture(scope="module")
def airflow() -> Iterator[Airflow]:
    life = Airflow()
    yield life
    life.warehouse.close()
    life.end()


def test_what_a_killed_one_left_is_ended_and_its_tasks_go_on() -> None:
    """``kill -9`` of ``make airflow`` leaves its processes; the next one ends them."""
    life = Airflow()
    left = psutil.Process(life.process.pid).children(recursive=True)
    life.process.kill()
    life.process.wait()
    assert [each for each in left if each.is_running()]
    life.come_up()
    assert not [each for each in left if each.is_running() and "airflow" in " ".join(each.cmdline())]
    assert "of an Airflow that was killed" in "".join(life.said)
    run = life.trigger("crypto_events_dag", "2023-02-05")
    assert life.ended("crypto_events_dag", run) == dict.fromkeys(CRYPTO, "success")
    life.end()


def test_it_says_where_it_is_and_nobody_else_can_reach_it(airflow: Airflow) -> None:
    assert airflow.url in "".join(airflow.said)
    home = airflow.state / "airflow"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "passwords.json").stat().st_mode) == 0o600
    processes = psutil.Process(airflow.process.pid).children(recursive=True)
    sockets = [each for process in processes for each in process.net_connections("tcp")]
    assert {each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
    assert airflow.ask("GET", "/api/v2/importErrors")["total_entries"] == 0
    with pytest.raises(urllib.error.HTTPError, match=r"40[13]"):
        airflow.ask("GET", "/api/v2/dags", token="nobody's")
    assert airflow.ask("GET", "/api/v2/dags/~/dagRuns")["total_entries"] == 0, "nothing begins by itself"
    second = airflow.start()
    assert second.wait(60) == 10
    assert second.stdout
    assert "Another `make airflow` is at work" in second.stdout.read()


def test_a_day_is_triggered_watched_broken_repaired_and_cleared(airflow: Airflow) -> None:
    dag = "crypto_events_dag"
    first = airflow.trigger(dag, "2023-02-05")
    assert airflow.ended(dag, first) == dict.fromkeys(CRYPTO, "success")
    assert "generate_fake_history_last_5_days done" in airflow.log(dag, first, CRYPTO[0])
    assert "generated 500" in airflow.log(dag, first, CRYPTO[0])
    assert "inserted 500" in airflow.log(dag, first, "merge_to_prod")
    assert "Crypto events of 2023-02-05 are in production" in airflow.log(dag, first, "notify_success")

    airflow.warehouse.execute("UPDATE raw.bt_crypto_transaction_history SET site_id = 'CHILE' WHERE ingest_id = 42")
    broken = airflow.trigger(dag, date="2023-02-05")
    states = airflow.ended(dag, broken)
    assert states["ge_validate_raw"] == "failed"
    assert states["merge_to_prod"] == "upstream_failed"
    log = airflow.log(dag, broken, "ge_validate_raw")
    assert "site_id_unknown: 1 row, the first: ingest_id 42" in log
    assert "python -m pipelines rejects --date 2023-02-05" in log
    assert "then clear build_events_candidate, which takes a new snapshot, and what follows" in log
    docs = next(line.split("Data Docs: ")[1] for line in log.splitlines() if "Data Docs: " in line)
    assert Path(docs).is_file()
    assert "crypto_events_dag: ge_validate_raw failed" in log, "people were told, once"
    tried = airflow.ask("GET", f"/api/v2/dags/{dag}/dagRuns/{broken}/taskInstances/ge_validate_raw")["try_number"]
    assert tried == 1, "trying again would not mend it"

    airflow.warehouse.execute("UPDATE raw.bt_crypto_transaction_history SET site_id = 'MEXICO' WHERE ingest_id = 42")
    airflow.clear(dag, broken, "build_events_candidate")
    assert airflow.ended(dag, broken) == dict.fromkeys(CRYPTO, "success")

    before = record(airflow, "merge_to_prod")
    again = airflow.trigger(dag, date="2023-02-05")
    assert airflow.ended(dag, again) == dict.fromkeys(CRYPTO, "success")
    assert "Nothing to do: merge_to_prod was done" in airflow.log(dag, again, "merge_to_prod")
    assert record(airflow, "merge_to_prod") == before
    airflow.clear(dag, again, "merge_to_prod", downstream=False)
    assert airflow.ended(dag, again) == dict.fromkeys(CRYPTO, "success")
    assert "merge_to_prod done" in airflow.log(dag, again, "merge_to_prod", attempt=2)
    assert record(airflow, "merge_to_prod") > before


def record(airflow: Airflow, stage: str) -> Any:
    asked = airflow.warehouse.execute(
        "SELECT max(finished_at) AS at FROM ops.materializations WHERE stage = %s", (stage,)
    )
    return asked.fetchone()["at"]  # type: ignore[index]


def test_a_range_is_backfilled_and_wrong_params_are_refused(airflow: Airflow) -> None:
    dag = "crypto_events_dag"
    done = airflow.command("backfill", "create", "--dag-id", dag, "--from-date", "2023-03-01",
                           "--to-date", "2023-03-03", "--dag-run-conf", '{"window_days": 1}')  # fmt: skip
    assert done.returncode == 0, done.stderr
    runs = [run["dag_run_id"] for run in airflow.runs(dag) if run["run_type"] == "backfill"]
    assert [airflow.ended(dag, run) for run in runs] == [dict.fromkeys(CRYPTO, "success")] * 3
    days = airflow.warehouse.execute(
        "SELECT DISTINCT purchase_date::text AS day FROM prod.bt_crypto_events"
        " WHERE purchase_date BETWEEN '2023-03-01' AND '2023-03-31' ORDER BY 1"
    )
    assert [row["day"] for row in days] == ["2023-03-01", "2023-03-02", "2023-03-03"]
    with pytest.raises(urllib.error.HTTPError, match="400"):
        airflow.trigger(dag, on_invalid="ignore")


def test_the_watchdog_starts_the_training_by_itself(airflow: Airflow) -> None:
    watchdog, training = "churn_data_watchdog", "churn_training_dag"
    look = airflow.trigger(watchdog)
    assert set(airflow.ended(watchdog, look).values()) == {"success"}, "files are generated where there are none"
    assert "6 changed" in airflow.log(watchdog, look, "emit_dataset_update")
    give_up = time.monotonic() + 60
    while not (runs := airflow.runs(training)) and time.monotonic() < give_up:
        time.sleep(0.5)
    assert [(run["run_type"], run["logical_date"]) for run in runs] == [("asset_triggered", None)]
    run = runs[0]["dag_run_id"]
    states = airflow.ended(training, run)
    assert states.pop("skip_promotion") == "skipped"
    assert states == dict.fromkeys([*TRAINING, "promote_model", "notify_success"], "success")
    assert "no production model yet" in airflow.log(training, run, "notify_success")
    told = airflow.ask("GET", f"/api/v2/dags/{training}/dagRuns/{run}/upstreamAssetEvents")["asset_events"]
    assert {event["name"] for event in told} == set(ASSETS)

    look = airflow.trigger(watchdog)
    assert airflow.ended(watchdog, look) == {"detect_csv_changes": "success", "emit_dataset_update": "skipped"}
    time.sleep(5)
    assert len(airflow.runs(training)) == 1
