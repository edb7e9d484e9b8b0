"""What the merge does to production, and what it leaves alone."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines import CryptoBackfill
from pipelines.core.errors import GateFailed, MassDeactivation
from pipelines.services.settings import settings
from pipelines.services.warehouse import Connection
from tests.helpers import HISTORY, insert_rows, luigi, rows_of, run_flow, set_settings, write_csv

EVENTS = "prod.bt_crypto_events"


def purchases(*users: int, day: str = "1/2/2023", price: object = 100) -> list[tuple[object, ...]]:
    return [("BRASIL", user, day, "ETH", price, 2) for user in users]


def events(database: Connection) -> dict[int, dict[str, Any]]:
    return {row["user_id"]: row for row in rows_of(database, EVENTS)}


def counts(told: dict[str, Any]) -> dict[str, int]:
    names = ("inserted", "updated", "reactivated", "deactivated", "unchanged")
    return {name: told[name] for name in names if told[name]}


def test_only_rows_that_differ_are_touched(database: Connection) -> None:
    insert_rows(database, *purchases(1, 2, 3, 4, 5, 6))
    assert counts(run_flow()) == {"inserted": 6}
    first = events(database)

    database.execute(f"UPDATE {HISTORY} SET purchase_price = 150 WHERE user_id = 2")
    database.execute(f"DELETE FROM {HISTORY} WHERE user_id = 3")
    insert_rows(database, *purchases(7))
    assert counts(run_flow()) == {"inserted": 1, "updated": 1, "deactivated": 1, "unchanged": 4}
    second = events(database)
    assert {user for user in first if second[user]["updated_at"] != first[user]["updated_at"]} == {2, 3}
    assert all(second[user]["created_at"] == first[user]["created_at"] for user in first)
    assert (second[2]["purchase_price"], second[2]["purchase_value"]) == (150, 300)
    assert [user for user, row in second.items() if not row["is_active"]] == [3]
    assert second[3]["purchase_price"] == 100, "deactivated logically: its values stay"

    insert_rows(database, *purchases(3, price=80))
    assert counts(run_flow()) == {"reactivated": 1, "unchanged": 6}
    assert (events(database)[3]["purchase_price"], events(database)[3]["is_active"]) == (80, True)


def test_other_days_are_left_alone(database: Connection) -> None:
    insert_rows(database, *purchases(1, day="1/1/2023"), *purchases(2))
    run_flow(date(2023, 1, 1))
    database.execute(f"DELETE FROM {HISTORY} WHERE user_id = 1")
    run_flow()
    assert {user: row["is_active"] for user, row in events(database).items()} == {1: True, 2: True}


def test_a_key_whose_new_version_is_quarantined_stays_as_it_is(database: Connection, monkeypatch: Any) -> None:
    set_settings(monkeypatch, MAX_REJECT_SHARE="0.5")
    insert_rows(database, *purchases(1, 2, 3, 4))
    run_flow()
    database.execute(f"UPDATE {HISTORY} SET purchase_price = -1 WHERE user_id = 1")
    insert_rows(database, *purchases(2, price=999))  # two versions of one key
    before = events(database)
    with pytest.raises(GateFailed):
        run_flow()
    assert events(database) == before
    with pytest.raises(GateFailed, match="not under MAX_REJECT_SHARE"):
        run_flow(on_invalid="quarantine")  # 3 of 5 rows
    set_settings(monkeypatch, MAX_REJECT_SHARE="0.61")
    assert counts(run_flow(on_invalid="quarantine")) == {"unchanged": 2}
    assert events(database) == before


def test_an_upstream_outage_is_refused_and_the_flag_overrules(database: Connection) -> None:
    insert_rows(database, *purchases(*range(1, 11)))
    run_flow()
    database.execute(f"DELETE FROM {HISTORY} WHERE user_id > 4")
    before = events(database)
    with pytest.raises(MassDeactivation, match="6 of the 10 active keys"):
        run_flow()
    assert events(database) == before
    refused = luigi("CryptoMerge", "--date", "2023-02-01")
    assert refused.returncode == 30
    assert "--allow-mass-deactivation" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert counts(run_flow(allow_mass_deactivation=True)) == {"deactivated": 6, "unchanged": 4}


def test_half_of_the_keys_may_vanish(database: Connection) -> None:
    insert_rows(database, *purchases(1, 2, 3, 4))
    run_flow()
    database.execute(f"DELETE FROM {HISTORY} WHERE user_id > 2")
    assert counts(run_flow()) == {"deactivated": 2, "unchanged": 2}


def test_backfill_loads_all_history_by_month_and_goes_on_where_it_was_stopped(database: Connection) -> None:
    rows = [purchases(month, day=f"{day}/{month}/2022") for month in range(1, 7) for day in (1, 28)]
    insert_rows(database, *[row for rows_of_day in rows for row in rows_of_day], ("CHILE", 9, "3/4/2022", "BTC", 1, 1))
    stopped = luigi("CryptoBackfill", "--date", "2022-06-30")
    assert stopped.returncode == 30
    assert "site_id_unknown" in stopped.stderr
    assert {row["purchase_date"].month for row in rows_of(database, EVENTS)} >= {1, 2, 3}
    assert not rows_of(database, f"{EVENTS} WHERE purchase_date >= '2022-04-01' AND purchase_date < '2022-05-01'")
    database.execute(f"UPDATE {HISTORY} SET site_id = 'MEXICO' WHERE site_id = 'CHILE'")
    resumed = luigi("CryptoBackfill", "--date", "2022-06-30")
    assert resumed.returncode == 0, resumed.stderr
    assert "(2022-03-31, 31 days)" not in resumed.stderr, "March was done"
    assert len(rows_of(database, EVENTS)) == 13
    assert "2022-06" in resumed.stdout


def test_backfill_takes_only_months_that_hold_rows(database: Connection) -> None:
    days = ("31/1/0001", "1/2/0001", "29/2/1600", "1/12/2022", "31/12/2022", "1/1/2023", "2/1/2023", "31/2/2020")
    insert_rows(database, *[row for user, day in enumerate(days) for row in purchases(user, day=day)])
    task = CryptoBackfill(date=date(2023, 1, 1), on_invalid="halt")
    assert [str(month.date) for month in task.roots()] == [
        "0001-01-31", "0001-02-28", "1600-02-29", "2022-12-31", "2023-01-01",
    ]  # fmt: skip


def test_backfill_reads_years_of_few_digits_and_tells_what_it_leaves(database: Connection) -> None:
    insert_rows(database, *purchases(1, day="3/3/0202"), *purchases(2, day="3/3/2023"))
    done = luigi("CryptoBackfill", "--date", "2023-03-31")
    assert done.returncode == 0, done.stderr
    assert set(events(database)) == {1, 2}
    database.execute(f"UPDATE {HISTORY} SET purchase_date = '4/3/2023' WHERE user_id = 1")
    mended = luigi("CryptoBackfill", "--date", "2023-03-31")
    assert mended.returncode == 0, mended.stderr
    assert "(1, the oldest ends on 0202-03-31)" in mended.stdout
    assert "--date 0202-03-31 --window-days 31" in mended.stdout


def test_a_second_file_for_a_date_is_in_production_when_its_run_ends(database: Connection, tmp_path: Path) -> None:
    for name, user in (("a.csv", "1"), ("b.csv", "2")):
        path = write_csv(tmp_path / name, [("BRASIL", user, "1/2/2023", "ETH", "100", "2")])
        done = luigi("CryptoMerge", "--date", "2023-02-01", "--source", str(path))
        assert done.returncode == 0, done.stderr
        assert int(user) in events(database)
    assert "Nothing to do" in luigi("CryptoMerge", "--date", "2023-02-01", "--source", str(path)).stdout


def test_more_than_one_worker(database: Connection) -> None:
    insert_rows(database, *purchases(1, 2))
    done = luigi("CryptoMerge", "--date", "2023-02-01", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert len(events(database)) == 2
    assert "merge_to_prod" in done.stdout, "the report knows what its workers did"
    assert "Nothing to do" not in done.stdout


def test_rows_read_are_valid_redelivered_or_rejected(database: Connection, monkeypatch: Any) -> None:
    set_settings(monkeypatch, MAX_REJECT_SHARE="0.9")
    bad = ("CHILE", 9, "1/2/2023", "BTC", 1, 1)
    insert_rows(database, bad, bad, *purchases(1, 1, 1, 2))
    told = run_flow(on_invalid="quarantine")
    assert (told["read"], told["valid"], told["redelivered"]) == (6, 2, 2)
    assert len(rows_of(database, "dqm.bt_crypto_events_rejects")) == 2


def test_what_was_set_aside_is_not_counted_again_under_the_other_policy(database: Connection) -> None:
    insert_rows(database, *purchases(*range(1, 31)), ("BRASIL", 99, "31/02/2023", "ETH", 1, 1))
    run_flow(on_invalid="quarantine")
    run_flow()
    run_flow(date(2023, 2, 2))
    rejects = rows_of(database, "dqm.bt_crypto_events_rejects", "disposition")
    assert [row["disposition"] for row in rejects] == ["quarantined"]


def test_a_day_that_has_come_is_judged_afresh_and_hides_no_change(database: Connection, monkeypatch: Any) -> None:
    """The clock goes on by 24 hours of time zones."""
    set_settings(monkeypatch, PROJECT_TIMEZONE="Etc/GMT+12")
    today = settings().today()
    set_settings(monkeypatch, PROJECT_TIMEZONE="Etc/GMT-12")
    tomorrow = settings().today()
    assert tomorrow == today + timedelta(days=1)
    set_settings(monkeypatch, PROJECT_TIMEZONE="Etc/GMT+12", MAX_REJECT_SHARE="0.5")
    text = [f"{day.day}/{day.month}/{day.year}" for day in (today, tomorrow)]
    insert_rows(database, *purchases(*range(1, 31), day=text[0]), *purchases(50, day=text[1]))
    run_flow(today, on_invalid="quarantine")
    run_flow(tomorrow, on_invalid="quarantine", window_days=2)
    assert 50 not in events(database)

    set_settings(monkeypatch, PROJECT_TIMEZONE="Etc/GMT-12")
    insert_rows(database, *purchases(31, day=text[0]))
    run_flow(today, on_invalid="quarantine")
    assert 31 in events(database)
    run_flow(tomorrow, on_invalid="quarantine", window_days=2)
    assert 50 in events(database)


def test_a_day_is_topped_up_again_when_more_is_asked_for(database: Connection, monkeypatch: Any) -> None:
    for rows in (40, 90):
        set_settings(monkeypatch, MIN_ROWS_PER_DAY=rows)
        run_flow()
        assert len(rows_of(database, HISTORY)) == 5 * rows
    set_settings(monkeypatch, MIN_ROWS_PER_DAY=0)
