"""What a user of the stack finds: every service healthy, the DAGs run by Celery, and their results in their places."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.containers import Stack, keys
from tests.stack.conftest import Airflow

pytestmark = pytest.mark.timeout(1800)  # the first of them waits for the whole stack
HISTORY = "raw.bt_crypto_transaction_history"
DAY = "2023-02-01"
APP = """
import json
from streamlit.testing.v1 import AppTest

def said(app):
    assert not [*app.exception, *app.warning, *app.error], [each.value for each in (*app.warning, *app.error)]
    return {each.label: each.value for each in app.metric}

told = {}
app = AppTest.from_file("app/main.py", default_timeout=120).run()
for model in ("churn-model", "churn-logreg"):
    app.radio(key="model").set_value(model).run()
    next(each for each in app.button if each.label == "Score").click().run()
    told[model] = said(app)
for page, toggle in (("Model", None), ("Drift", "open_report"), ("Data quality", "open_docs")):
    app = AppTest.from_file("app/main.py", default_timeout=120)
    app.query_params["page"] = page
    app.run()
    if toggle:
        app.toggle(key=toggle).set_value(True).run()
    told[page] = said(app) or len(app.get("iframe"))
print(json.dumps(told))
"""


def count(warehouse: psycopg.Connection[Any], table: str, where: str = "true") -> int:
    row = warehouse.execute(f"SELECT count(*) AS rows FROM {table} WHERE {where}").fetchone()
    assert row is not None
    return int(row["rows"])


def page(url: str) -> tuple[int, str]:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.status, answer.read().decode(errors="replace")


# The file itself --------------------------------------------------------------------------------------------------


def test_limits_ports_and_users_of_all_services(stack: Stack) -> None:
    services = stack.services()
    assert {"airflow-worker", "jupyterlab", "pgadmin", "streamlit"} < {*services}
    assert sum(int(told["mem_limit"]) for name, told in services.items() if name != "init") <= 10 * 2**30
    for name, told in services.items():
        assert all(port["host_ip"] == "127.0.0.1" for port in told.get("ports", [])), name
        assert name == "init" or (told["healthcheck"]["test"] and told["restart"] == "unless-stopped"), name
        assert told.get("privileged") is None, name


# The services -----------------------------------------------------------------------------------------------------


def test_every_page_answers(stack: Stack, airflow: Airflow) -> None:
    for port, path, word in (
        ("AIRFLOW_PORT", "/", "Airflow"), ("MLFLOW_PORT", "/", "MLflow"), ("SPARK_UI_PORT", "/", "Spark Master"),
        ("STREAMLIT_PORT", "/", "Streamlit"), ("MINIO_CONSOLE_PORT", "/", "MinIO"),
        ("PGADMIN_PORT", "/login", "pgAdmin"),
        ("JUPYTER_PORT", f"/lab?token={stack.env['JUPYTER_TOKEN']}", "JupyterLab"),
    ):  # fmt: skip
        status, text = page(f"http://127.0.0.1:{stack.env[port]}{path}")
        assert (status, word in text) == (200, True), port
    assert airflow.ask("/api/v2/dags")["total_entries"] == 8
    assert airflow.ask("/api/v2/importErrors")["total_entries"] == 0


def test_up_again_has_nothing_to_do_and_tells_where_everything_is(stack: Stack, airflow: Airflow) -> None:  # noqa: ARG001
    done = stack.run("make", "--no-print-directory", "up")
    assert "Recreat" not in done.stderr
    for name in ("AIRFLOW", "MLFLOW", "SPARK_UI", "STREAMLIT", "MINIO_CONSOLE", "JUPYTER", "PGADMIN"):
        assert f"http://127.0.0.1:{stack.env[f'{name}_PORT']}" in done.stdout, name


def test_all_run_as_a_plain_user(stack: Stack, airflow: Airflow) -> None:  # noqa: ARG001
    stack.compose("exec", "-T", "jupyterlab", "touch", "/notebooks/mine.ipynb")  # and may write where it works
    for name in stack.services():
        if name != "init":
            # The official images of PostgreSQL and Redis begin as root and change; what they become is what counts.
            uid = stack.compose("exec", "-T", name, "sh", "-c", "awk '/^Uid/ {print $2}' /proc/1/status").stdout.strip()
            assert uid != "0", name


# The flows --------------------------------------------------------------------------------------------------------


def test_crypto_a_day_that_holds_one_that_does_not_and_its_repair(
    stack: Stack, airflow: Airflow, warehouse: psycopg.Connection[Any]
) -> None:
    conf = f'CONF={{"date": "{DAY}"}}'
    done = stack.run("make", "--no-print-directory", "dag-run", "DAG=crypto_events_dag", conf)
    assert "merge_to_prod" in done.stdout
    assert count(warehouse, "prod.bt_crypto_events", "is_active") == 5000, done.stdout + done.stderr
    s3 = stack.s3()
    assert any(name.endswith("suite_raw_history/index.html") for name in keys(s3, "ge-artifacts"))
    assert any("merge_to_prod" in name for name in keys(s3, "airflow-logs"))

    bad = warehouse.execute(
        f"UPDATE {HISTORY} SET site_id = 'CHILE' WHERE ingest_id = (SELECT min(ingest_id) FROM {HISTORY}) RETURNING *"
    ).fetchone()
    assert bad is not None
    done = stack.run("make", "--no-print-directory", "dag-run", "DAG=crypto_events_dag", conf, check=False)
    assert done.returncode == 2, "make's own"
    assert "failed at ge_validate_raw" in done.stderr
    assert "site_id_unknown: 1 row" in done.stderr
    run = airflow.last("crypto_events_dag")["dag_run_id"]
    log = next(each.key for each in s3.Bucket("airflow-logs").objects.all()
               if run in each.key and "ge_validate_raw" in each.key)  # fmt: skip
    assert b"site_id_unknown: 1 row" in s3.Object("airflow-logs", log).get()["Body"].read()
    assert count(warehouse, "dqm.bt_crypto_events_rejects") == 1

    mine = f'CONF={{"date": "{DAY}", "source": "/data/o\'brien; ls.csv"}}'
    done = stack.run("make", "--no-print-directory", "dag-run", "DAG=crypto_events_dag", mine, check=False)
    assert done.returncode == 2
    assert "failed at generate_fake_history_last_5_days" in done.stderr
    assert "/data/o'brien; ls.csv" in done.stderr
    asked = airflow.last("crypto_events_dag")
    assert asked["conf"]["source"] == "/data/o'brien; ls.csv"

    misspelt = 'CONF={"dat": "2023-02-01"}'
    done = stack.run("make", "--no-print-directory", "dag-run", "DAG=crypto_events_dag", misspelt, check=False)
    assert "dat: no param of crypto_events_dag, which takes date, " in done.stderr
    assert airflow.last("crypto_events_dag") == asked, "nothing has begun"

    warehouse.execute(f"UPDATE {HISTORY} SET site_id = 'MEXICO' WHERE ingest_id = %s", (bad["ingest_id"],))
    run = airflow.trigger("crypto_events_dag", date=DAY)
    assert airflow.wait("crypto_events_dag", run) == "success"
    assert count(warehouse, "prod.bt_crypto_events", f"is_active AND user_id = {bad['user_id']}") == 1
    assert "success" in stack.run("make", "--no-print-directory", "dag-status").stdout


def test_the_whole_life_of_the_models_through_celery(
    stack: Stack, airflow: Airflow, warehouse: psycopg.Connection[Any]
) -> None:
    done = stack.run("make", "--no-print-directory", "mlops-run")
    for dag in ("churn_training_dag", "churn_drift_monitor_w", "churn_train_register_m", "churn_batch_score_w"):
        assert re.search(rf"{dag} \S+: success", done.stdout), dag
    training = airflow.ask("/api/v2/dags/churn_training_dag/dagRuns")["dag_runs"]
    assert [run["run_type"] for run in training] == ["asset_triggered"]  # the watchdog's events, nobody's hand
    s3 = stack.s3()
    assert keys(s3, "mlflow-artifacts", "drift-reports/") == ["2019-05-26.html"]
    assert any(name.endswith("shap_summary.png") for name in keys(s3, "mlflow-artifacts", "mlflow/"))
    assert count(warehouse, "ops.churn_scoring") > 1000
    mlflow = f"http://127.0.0.1:{stack.env['MLFLOW_PORT']}/api/2.0/mlflow/registered-models/alias"
    for model in ("churn-model", "churn-logreg"):
        assert json.loads(page(f"{mlflow}?name={model}&alias=production")[1])["model_version"]["version"] == "1"
    applications = json.loads(page(f"http://127.0.0.1:{stack.env['SPARK_UI_PORT']}/json/")[1])["completedapps"]
    assert {app["name"] for app in applications} == {"kpi-delivery"}
    app = stack.compose("exec", "-T", "streamlit", "python", "-c", APP).stdout
    notebooks = stack.compose("exec", "-T", "jupyterlab", "ls", "/notebooks").stdout.split()
    assert {"explore_churn.ipynb", "explore_crypto.ipynb"} <= {*notebooks}
    told = json.loads(app)
    for model, number in (("churn-model", "Probability to stay active"), ("churn-logreg", "Probability to churn")):
        assert 0 < float(told[model][number]) < 1
    assert float(told["Model"]["AUC"]) > 0.6
    assert told["Drift"] == 1, "the report, from the bucket"
    assert told["Data quality"] >= 2, "the Data Docs, from the bucket"
    again = stack.run("make", "--no-print-directory", "churn-watchdog")
    assert "No churn file has changed" in again.stdout


def test_a_celery_worker_killed_at_work_is_noticed_and_its_task_done_again(
    stack: Stack, airflow: Airflow, warehouse: psycopg.Connection[Any]
) -> None:
    warehouse.execute("BEGIN; LOCK TABLE prod.bt_crypto_events")  # the merge will wait for us
    run = airflow.trigger("crypto_events_dag", date="2023-03-01")
    give_up = time.monotonic() + 300
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'prod.bt_crypto_events'::regclass"
    while not warehouse.execute(waiting).fetchone() and time.monotonic() < give_up:
        time.sleep(0.5)
    stack.compose("kill", "airflow-worker")
    warehouse.execute("ROLLBACK")
    stack.compose("up", "--detach", "--wait", "airflow-worker")
    assert airflow.wait("crypto_events_dag", run) == "success"
    assert airflow.tasks("crypto_events_dag", run)["merge_to_prod"]["try_number"] == 2
    window = "purchase_date BETWEEN '2023-02-25' AND '2023-03-01' AND is_active"
    assert count(warehouse, "prod.bt_crypto_events", window) == 5000


def test_no_log_shows_a_secret(stack: Stack, airflow: Airflow) -> None:  # noqa: ARG001
    said = stack.compose("logs", "--no-color").stdout
    s3 = stack.s3()
    said += "".join(each.get()["Body"].read().decode() for each in s3.Bucket("airflow-logs").objects.all())
    assert not [name for name, value in stack.env.items() if value in stack.secrets() and value in said]


def test_a_backup_brings_everything_back(stack: Stack, airflow: Airflow, tmp_path: Path) -> None:  # noqa: ARG001
    stack.run("make", "--no-print-directory", "backup", f"TO={tmp_path / 'backup'}")
    stack.run("make", "--no-print-directory", "down")
    assert not stack.compose("ps", "--all", "--quiet").stdout
    stack.compose("down", "--volumes")
    stack.file.unlink()
    stack.run("make", "--no-print-directory", "restore", f"FROM={tmp_path / 'backup'}")
    with psycopg.connect(
        host="127.0.0.1", port=stack.env["POSTGRES_PORT"], user="reader", dbname="kpi",
        password=stack.env["READER_DB_PASSWORD"],
    ) as reader:  # fmt: skip
        row = reader.execute("SELECT count(*) FROM prod.bt_crypto_events WHERE is_active").fetchone()
    assert row == (10_000,)
    assert keys(stack.s3(), "mlflow-artifacts", "drift-reports/") == ["2019-05-26.html"]
    assert Airflow(stack).ask("/api/v2/dags/crypto_events_dag/dagRuns")["total_entries"] == 5
