"""Run DAGs of the stack from a shell and wait for them, by Airflow's REST API: `make dag-run` and the like.

It runs within the container of the api-server, which knows the password.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pipelines.core.errors import PipelineError, UsageError
from pipelines.services import console

URL = "http://127.0.0.1:8080"
MLOPS = ("churn_drift_monitor_w", "churn_feature_build_w", "churn_train_register_m", "churn_batch_score_w")
ENDED = ("success", "failed")
Answer = dict[str, Any]


class RunFailed(PipelineError):
    """A DAG's run failed."""

    exit_code = 30


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code is 0 when all runs succeeded, 30 when one failed, 2 for a DAG or a conf that is none."""
    parser = argparse.ArgumentParser(prog="make", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("dag-run", help="run a DAG, and wait for it")
    run.add_argument("dag")
    run.add_argument("conf", nargs="?", default="{}", help="its params as JSON")
    commands.add_parser("dag-status", help="the last run of each DAG")
    commands.add_parser(
        "churn-watchdog", help="look whether churn files changed, and wait for the training that follows"
    )
    commands.add_parser("mlops-run", help="the whole life of the models, DAG by DAG")
    chosen = parser.parse_args(argv)
    try:
        airflow = Airflow(URL, os.environ["AIRFLOW_ADMIN_PASSWORD"])
        if chosen.command == "dag-run":
            follow(airflow, chosen.dag, _conf(chosen.conf))
        elif chosen.command == "dag-status":
            show_status(airflow)
        else:
            watch(airflow)
            for dag in MLOPS if chosen.command == "mlops-run" else ():
                follow(airflow, dag, {})
    except PipelineError as problem:
        console.error(problem)
        return problem.exit_code
    return 0


class Airflow:
    """The REST API, as its administrator."""

    def __init__(self, url: str, password: str) -> None:
        self.url, self.token = url, ""
        self.token = self.ask("/auth/token", {"username": "admin", "password": password})["access_token"]

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """GET, or POST where there is a body.

        Raises:
            UsageError: there is no such thing, or it is not as it should be.
            PipelineError: Airflow does not answer.
        """
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers), timeout=60) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            if error.code in (400, 404, 409, 422):
                raise UsageError(f"Airflow refuses: {_detail(said)}") from None
            raise PipelineError(f"Airflow answers {error.code} to {path}: {_detail(said)}") from None
        except OSError as error:
            raise PipelineError(f"Airflow at {self.url} does not answer: {error}. Look at `make ps`.") from None

    def trigger(self, dag: str, conf: Mapping[str, Any]) -> str:
        """The id of a new run."""
        if not re.fullmatch(r"[\w.-]+", dag):
            raise UsageError(f"{dag!r} cannot be the id of a DAG.")
        takes = self.ask(f"/api/v2/dags/{dag}/details")["params"]
        if unknown := sorted({*conf} - {*takes}):
            raise UsageError(f"{', '.join(unknown)}: no param of {dag}, which takes {', '.join(takes)}.")
        return str(self.ask(f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"])

    def run(self, dag: str, run: str) -> Answer:
        return self.ask(f"/api/v2/dags/{dag}/dagRuns/{run}")

    def runs(self, dag: str, number: int) -> list[Answer]:
        """The last runs, the newest first."""
        found = self.ask(f"/api/v2/dags/{dag}/dagRuns?order_by=-run_after&limit={number}")
        return list(found["dag_runs"])

    def tasks(self, dag: str, run: str) -> list[Answer]:
        found = self.ask(f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances")
        return sorted(found["task_instances"], key=lambda task: (task["start_date"] or "~", task["task_id"]))

    def reason(self, dag: str, run: str, task: Answer) -> str:
        """Why a task failed, by its log; empty where that does not say, as of a worker that is gone."""
        where = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task['task_id']}/logs/{task['try_number']}"
        try:
            log = self.ask(where)["content"]
        except PipelineError:
            return ""
        told = [line["error_detail"] for line in log if isinstance(line, dict) and line.get("error_detail")]
        return str(told[-1][0]["exc_value"]) if told else ""


def follow(airflow: Airflow, dag: str, conf: Mapping[str, Any]) -> None:
    """Trigger a DAG and wait until its run has ended.

    Raises:
        RunFailed: naming the tasks.
    """
    wait(airflow, dag, airflow.trigger(dag, conf))


def wait(airflow: Airflow, dag: str, run: str) -> None:
    """Tell of each task when it changes, until the run has ended."""
    console.note(f"{dag}: {run}")
    told: dict[str, str | None] = {}
    while True:
        state = airflow.run(dag, run)["state"]  # asked first: all that its tasks did is then told
        tasks = airflow.tasks(dag, run)
        for task in tasks:
            if task["state"] not in (told.get(task["task_id"]), None, "scheduled", "queued"):
                told[task["task_id"]] = task["state"]
                console.note(f"  {task['task_id']}: {task['state']}")
        if state in ENDED:
            break
        time.sleep(2)
    rows = [(task["task_id"], f"{task['state']}, {task['duration'] or 0:.1f} s") for task in tasks]
    console.table(f"{dag} {run}: {state}", rows)
    if state == "failed":
        failed = [task for task in tasks if task["state"] == "failed"]
        why = "".join(f"{task['task_id']}: {said}\n" for task in failed if (said := airflow.reason(dag, run, task)))
        page = f"{os.environ['AIRFLOW__API__BASE_URL']}/dags/{dag}/runs/{run}"
        raise RunFailed(f"{dag} failed at {', '.join(task['task_id'] for task in failed)}.\n{why}Its log: {page}")


def watch(airflow: Airflow) -> None:
    """Run the watchdog; where a file changed, wait for the training that Airflow starts by itself."""
    before = {run["dag_run_id"] for run in airflow.runs("churn_training_dag", 20)}
    run = airflow.trigger("churn_data_watchdog", {})
    wait(airflow, "churn_data_watchdog", run)
    if any(task["state"] == "skipped" for task in airflow.tasks("churn_data_watchdog", run)):
        console.result("No churn file has changed since the last look: nothing to train.")
        return
    give_up = time.monotonic() + 120
    while time.monotonic() < give_up:
        if new := [each for each in airflow.runs("churn_training_dag", 5) if each["dag_run_id"] not in before]:
            wait(airflow, "churn_training_dag", new[0]["dag_run_id"])
            return
        time.sleep(1)
    raise RunFailed("The watchdog told of new files, but no training has begun. Is churn_training_dag paused?")


def show_status(airflow: Airflow) -> None:
    """The last run of each DAG: when, and what came of it."""
    rows = []
    for dag in sorted(airflow.ask("/api/v2/dags?limit=100")["dags"], key=lambda dag: dag["dag_id"]):
        last = next(iter(airflow.runs(dag["dag_id"], 1)), None)
        said = "has never run" if last is None else f"{last['state']} ({_when(last)}, {last['run_type']})"
        rows.append((dag["dag_id"], f"{said}{', paused' if dag['is_paused'] else ''}"))
    console.table("Last runs", rows)


def _conf(text: str) -> dict[str, Any]:
    try:
        conf = json.loads(text or "{}")
    except ValueError as error:
        raise UsageError(f'CONF is no JSON: {error}. For example: CONF=\'{{"date": "2023-02-01"}}\'') from None
    if not isinstance(conf, dict):
        raise UsageError('CONF is no JSON object. For example: CONF=\'{"date": "2023-02-01"}\'')
    return conf


def _when(run: Answer) -> str:
    return console.moment(datetime.fromisoformat(run["run_after"]))


def _detail(said: str) -> str:
    try:
        return str(json.loads(said)["detail"])
    except (ValueError, KeyError, TypeError):
        return said[:300]


if __name__ == "__main__":
    sys.exit(main())
