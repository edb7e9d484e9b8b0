"""The crypto DAG, really run: on Airflow's own metadata database and a warehouse of its own."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import psycopg
import pytest

from pipelines.services.settings import settings
from tests.dags.running import CRYPTO, Dags

Warehouse = psycopg.Connection[dict[str, Any]]
DAG = "crypto_events_dag"
MERGED = [*CRYPTO[:5]]


def production(warehouse: Warehouse, day: str) -> list[tuple[Any, ...]]:
    asked = "SELECT * FROM prod.bt_crypto_events WHERE purchase_date <= %s ORDER BY 1, 2, 3, 4"
    return [tuple(row.values()) for row in warehouse.execute(asked, (day,))]


def spoil(warehouse: Warehouse, day: str) -> int:
    """Give one row of a day (D/M/YYYY) a site that nobody knows; return its ingest_id."""
    one = warehouse.execute(
        "UPDATE raw.bt_crypto_transaction_history SET site_id = 'CHILE' WHERE ingest_id = ("
        " SELECT min(ingest_id) FROM raw.bt_crypto_transaction_history WHERE purchase_date = %s) RETURNING ingest_id",
        (day,),
    ).fetchone()
    assert one is not None
    return int(one["ingest_id"])


def mend(warehouse: Warehouse, ingest_id: int) -> None:
    warehouse.execute(
        "UPDATE raw.bt_crypto_transaction_history SET site_id = 'MEXICO' WHERE ingest_id = %s", (ingest_id,)
    )


def test_a_valid_day_is_in_production_and_every_task_tells_its_counts(dags: Dags, history: Warehouse) -> None:
    run = dags.run(DAG, "2023-02-05")
    assert run.state == "success"
    assert run.done() == set(CRYPTO)
    assert run.ran() == list(CRYPTO)
    assert run.told["generate_fake_history_last_5_days"]["generated"] == 500
    assert run.told["ge_validate_raw"]["judged"] == 500
    assert run.told["merge_to_prod"]["inserted"] == len(production(history, "2023-02-05"))
    assert all(
        type(value) in (str, int, float, bool, type(None)) for told in run.told.values() for value in told.values()
    )
    days = history.execute("SELECT DISTINCT purchase_date FROM prod.bt_crypto_events ORDER BY 1").fetchall()
    assert [row["purchase_date"] for row in days] == [date(2023, 2, day) for day in range(1, 6)]
    event = dags.events("prod.BT_CRYPTO_EVENTS")[-1]
    assert event["date"] == "2023-02-05"
    assert event["snapshot_id"] == run.told["build_events_candidate"]["snapshot_id"]
    assert event["inserted"] == run.told["merge_to_prod"]["inserted"]


def test_the_same_date_again_does_nothing_whoever_did_it(dags: Dags, history: Warehouse) -> None:
    assert dags.run(DAG, "2023-03-05").ran() == list(CRYPTO)
    before = production(history, "2023-03-05")
    for dag_id in (DAG, "etl_crypto_events_d"):
        again = dags.run(dag_id, "2023-03-05")
        assert (again.state, again.ran()) == ("success", [])
    done = dags.world.luigi("CryptoPipeline", "--date", "2023-03-05")
    assert done.stages == []
    assert "Nothing to do" in done.out
    assert production(history, "2023-03-05") == before


def test_what_luigi_has_done_is_done_for_airflow(dags: Dags) -> None:
    assert dags.world.luigi("CryptoMerge", "--date", "2023-04-05").stages == MERGED
    assert dags.run(DAG, "2023-04-05").ran() == ["vacuum_analyze_prod", "notify_success"]


def test_a_failed_gate_stops_before_production_and_a_rerun_after_the_repair_ends_right(
    dags: Dags, history: Warehouse
) -> None:
    dags.run(DAG, "2023-05-05")
    before = production(history, "2023-05-05")
    bad = spoil(history, "4/5/2023")
    failed = dags.run(DAG, "2023-05-05")
    assert failed.state == "failed"
    assert failed.ran() == ["build_events_candidate"]
    assert failed.states["ge_validate_raw"] == "failed"
    assert {failed.states[task] for task in CRYPTO[3:]} == {"upstream_failed"}
    assert production(history, "2023-05-05") == before
    rejects = history.execute(
        "SELECT ingest_id, reasons FROM dqm.bt_crypto_events_rejects WHERE run_date = '2023-05-05'"
    ).fetchall()
    assert rejects == [{"ingest_id": bad, "reasons": ["site_id_unknown"]}]
    mend(history, bad)
    repaired = dags.run(DAG, "2023-05-05")
    assert (repaired.state, repaired.ran()) == ("success", list(CRYPTO[1:]))


def test_people_are_told_of_a_failure_by_their_channel(
    dags: Dags, history: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []

    class Channel(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Channel) as channel:
        Thread(target=channel.serve_forever, daemon=True).start()
        monkeypatch.setenv("NOTIFY_URLS", f"json://127.0.0.1:{channel.server_port}")
        settings.cache_clear()
        dags.run(DAG, "2023-05-15")
        assert [message["title"] for message in told] == ["Crypto events of 2023-05-15 are in production"]
        bad = spoil(history, "14/5/2023")
        dags.run(DAG, "2023-05-15")
        mend(history, bad)
        channel.shutdown()
    monkeypatch.undo()
    settings.cache_clear()
    assert len(told) == 2
    assert "crypto_events_dag: ge_validate_raw failed" in told[1]["title"]
    assert "site_id_unknown: 1 row" in told[1]["message"]


def test_quarantine_by_a_param_loads_the_good_rows(dags: Dags, history: Warehouse) -> None:
    dags.run(DAG, "2023-06-05")
    bad = spoil(history, "4/6/2023")
    run = dags.run(DAG, "2023-06-05", on_invalid="quarantine")
    assert run.state == "success"
    assert run.told["ge_validate_raw"]["rejected"] == 1
    mend(history, bad)


def test_the_date_and_the_window_are_params(dags: Dags) -> None:
    run = dags.run(DAG, "2030-01-01", date="2023-07-05", window_days=2)
    assert {told["key"] for told in run.told.values()} == {"2023-07-05, 2 days"}
    assert run.told["generate_fake_history_last_5_days"]["generated"] == 200


def test_a_whole_number_may_come_as_a_float_and_is_one(dags: Dags) -> None:
    assert dags.run(DAG, "2023-07-06", window_days=2.0).told["merge_to_prod"]["key"] == "2023-07-06, 2 days"


def test_what_is_no_param_is_refused(dags: Dags) -> None:
    run = dags.run(DAG, "2023-07-07", windows_days=3)
    assert run.states[CRYPTO[0]] == "failed"
    assert run.told == {}


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2023, 8, 5, tzinfo=UTC), "2023-08-05"),  # typed as a date
        (datetime(2023, 8, 5, 3, tzinfo=UTC), "2023-08-05"),  # midnight in Buenos Aires, as scheduled
        (datetime(2023, 8, 5, 2, 59, tzinfo=UTC), "2023-08-04"),  # still the day before there
    ],
)
def test_the_run_date_is_the_day_in_the_zone_of_the_project(dags: Dags, moment: datetime, day: str) -> None:
    run = dags.run(DAG, moment, window_days=1)
    assert run.told["merge_to_prod"]["key"] == f"{day}, 1 days"


def test_rows_that_arrive_between_two_tasks_belong_to_the_next_run(dags: Dags, history: Warehouse) -> None:
    """Each task is a process of its own, and all of them see the sources as the first one did."""
    dags.run(DAG, "2023-09-05")
    bad = spoil(history, "4/9/2023")
    mend(history, bad)  # something to judge
    history.execute(
        "CREATE OR REPLACE FUNCTION arrive() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO raw.bt_crypto_transaction_history"
        " (site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units)"
        " VALUES ('CHILE', 1, '5/9/2023', 'BTC', 1, 1); RETURN NULL; END $$;"
        " CREATE TRIGGER arrive AFTER INSERT OR UPDATE ON ops.materializations"
        " FOR EACH STATEMENT EXECUTE FUNCTION arrive()"
    )
    try:
        run = dags.run(DAG, "2023-09-05")
    finally:
        history.execute("DROP TRIGGER arrive ON ops.materializations")
    assert (run.state, run.ran()) == ("success", list(CRYPTO[1:]))
    assert dags.run(DAG, "2023-09-05").states["ge_validate_raw"] == "failed", "the next run sees them"
    history.execute("DELETE FROM raw.bt_crypto_transaction_history WHERE site_id = 'CHILE'")


@pytest.mark.parametrize("between", ["ge_validate_raw", "ge_validate_candidate", "merge_to_prod"])
def test_a_run_that_another_one_came_between_ends_as_if_it_had_been_alone(
    dags: Dags, history: Warehouse, monkeypatch: pytest.MonkeyPatch, between: str
) -> None:
    """Both fill the same staging tables. Airflow runs the tasks of a backfill's runs in turn."""
    from airflow_dags import luigi_bridge

    real, day = luigi_bridge.run_date, {"ge_validate_raw": 1, "ge_validate_candidate": 2, "merge_to_prod": 3}[between]

    def run_date(context: Any) -> date:
        if context["ti"].task_id == between and not other:
            other.append(dags.world.luigi("CryptoMerge", "--date", f"2022-0{day}-20").stages)
        return real(context)

    other: list[list[str]] = []
    monkeypatch.setattr(luigi_bridge, "run_date", run_date)
    run = dags.run(DAG, f"2022-0{day}-10")
    assert other == [MERGED]
    assert run.state == "success"
    assert run.told["merge_to_prod"]["inserted"] == 500
    snapshots = history.execute("SELECT * FROM staging.snapshot").fetchall()
    assert [str(snapshot["run_date"]) for snapshot in snapshots] == [f"2022-0{day}-10"]


def test_a_task_is_refused_where_what_comes_before_it_was_forgotten(
    dags: Dags, history: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not do the work of others unasked."""
    from airflow_dags import luigi_bridge

    real = luigi_bridge.run_date

    def run_date(context: Any) -> date:
        if context["ti"].task_id == "merge_to_prod":
            dags.world.command("forget", "--date", "2022-05-05")
        return real(context)

    monkeypatch.setattr(luigi_bridge, "run_date", run_date)
    run = dags.run(DAG, "2022-05-05")
    assert run.states["merge_to_prod"] == "failed"
    assert history.execute("SELECT FROM prod.bt_crypto_events WHERE purchase_date = '2022-05-05'").rowcount == 0


def test_the_readers_of_the_older_name_find_production(dags: Dags, history: Warehouse) -> None:
    dags.run("etl_crypto_events_d", "2023-11-05")
    counts = history.execute(
        "SELECT (SELECT count(*) FROM ops.bt_crypto_events) AS view,"
        " (SELECT count(*) FROM prod.bt_crypto_events) AS prod"
    ).fetchone()
    assert counts
    assert counts["view"] == counts["prod"] > 0
