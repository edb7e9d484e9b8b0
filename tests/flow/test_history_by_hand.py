"""Twelve rows that a person can judge by eye, through the commands that a person types."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipelines.core.errors import GateFailed
from pipelines.services import warehouse
from pipelines.services.settings import settings
from pipelines.services.warehouse import Connection
from tests import helpers
from tests.helpers import HISTORY, insert_rows, luigi, python, rows_of, run_flow, set_settings

# site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, and why it is bad.
HISTORY_BY_HAND: list[tuple[tuple[Any, ...], list[str]]] = [
    (("BRASIL", 200234, "1/2/2023", "ETH", "1200", "1.3"), []),
    (("BRASIL", 200234, "1/2/2023", "ETH", "1200", "1.3"), []),
    (("ARGENTINA", 200235, "01/02/2023", "BTC", "23000.55", "0.5"), []),
    (("MEXICO", 200236, "28/1/2023", "USDC", "1", "250.12345678"), []),
    (("BRASIL", 200237, "31/02/2026", "ETH", "1200", "1"), ["purchase_date_no_calendar_day"]),
    (("CHILE", 200238, "1/2/2023", "ETH", "1200", "1"), ["site_id_unknown"]),
    (("ARGENTINA", None, "31/1/2023", "BTC", "23000", "0.1"), ["user_id_missing"]),
    (("MEXICO", 200239, "1/2/2023", "BTC", "-23000", "0.1"), ["purchase_price_negative"]),
    (("MEXICO", 200240, "30/1/2023", "ETH", "1200", "0"), ["purchase_units_not_positive"]),
    (("ARGENTINA", 200241, "1/1/2999", "USDC", "1", "10"), ["purchase_date_future"]),
    (("BRASIL", 200242, "1/2/2023", "BTC", "23000", "0.2"), ["key_conflict"]),
    (("BRASIL", 200242, "1/2/2023", "BTC", "23001", "0.2"), ["key_conflict"]),
]
ONE_MORE = ("ARGENTINA", 200300, "29/1/2023", "ETH", "1190.5", "2")
BAD = {number: reasons for number, (_, reasons) in enumerate(HISTORY_BY_HAND, 1) if reasons}
REASONS = {reason: 1 for (reason, *_) in BAD.values()} | {"key_conflict": 2}
TRUSTED = [
    ("ARGENTINA", 200235, "2023-02-01", "BTC", "23000.5500", "0.50000000", "11500.27500000", True),
    ("BRASIL", 200234, "2023-02-01", "ETH", "1200.0000", "1.30000000", "1560.00000000", True),
    ("MEXICO", 200236, "2023-01-28", "USDC", "1.0000", "250.12345678", "250.12345678", True),
]
DATE = ("--date", "2023-02-01")
HALT = ("CryptoMerge", *DATE, "--on-invalid", "halt")
QUARANTINE = ("CryptoMerge", *DATE, "--on-invalid", "quarantine")
SHARE = {"MAX_REJECT_SHARE": "0.9"}


@pytest.fixture(scope="module")
def history(server: Connection) -> Iterator[Connection]:  # noqa: ARG001 - it is there before
    """The history in raw, once: the tests below are one story, in their order."""
    settings.cache_clear()
    helpers.new_run()
    helpers.empty(connection := warehouse.connection())
    ids = insert_rows(connection, *(row for row, _ in HISTORY_BY_HAND))
    assert ids == list(range(1, 13))
    yield connection
    helpers.empty(connection)


def production(database: Connection) -> list[tuple[Any, ...]]:
    columns = (
        "site_id, user_id, purchase_date::text, crypto_type, purchase_price::text, purchase_units::text, "
        "purchase_value::text, is_active"
    )
    return [tuple(row.values()) for row in rows_of(database, "prod.bt_crypto_events", columns, "site_id, user_id")]


def rejects(database: Connection, disposition: str) -> dict[int, list[str]]:
    found = rows_of(database, f"dqm.bt_crypto_events_rejects WHERE disposition = '{disposition}'")
    assert all(str(row["run_date"]) == "2023-02-01" for row in found)
    return {row["ingest_id"]: row["reasons"] for row in found}


def gates(database: Connection) -> list[tuple[Any, ...]]:
    """What dqm.DQ_RUNS says of every gate so far, first to last."""
    columns = (
        "suite_name, on_invalid, outcome, rows_judged, rows_rejected, reasons, window_start::text, window_end::text"
    )
    return [tuple(row.values()) for row in rows_of(database, "dqm.dq_runs", columns, "dq_run_id")]


WINDOW = ("2023-01-28", "2023-02-01")
HALTED = ("suite_raw_history", "halt", "halted", 12, 8, REASONS, *WINDOW)
QUARANTINED = [
    ("suite_raw_history", "quarantine", "quarantined", 12, 8, REASONS, *WINDOW),
    ("suite_staging_candidate", "quarantine", "passed", 3, 0, {}, *WINDOW),
]


def test_halt_stops_with_the_rows_and_touches_nothing(history: Connection) -> None:
    done = luigi(*HALT)
    assert done.returncode == 30, done.stderr
    assert production(history) == []
    assert rejects(history, "halted") == BAD
    assert rejects(history, "quarantined") == {}
    assert gates(history) == [HALTED]
    for reason, rows in REASONS.items():
        assert f"{reason}: {rows} row{'s' * (rows != 1)}" in done.stderr
    assert "python -m pipelines rejects --date 2023-02-01" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(rows_of(history, HISTORY)) == 12
    assert not [row for row in rows_of(history, "ops.materializations") if row["stage"] == "ge_validate_raw"]


def test_quarantine_over_the_share_stops_too(history: Connection) -> None:
    with pytest.raises(GateFailed, match=r"8 of 12 rows are bad \(66\.7%\): not under MAX_REJECT_SHARE=0\.1"):
        run_flow(on_invalid="quarantine")
    assert production(history) == []
    assert rejects(history, "halted") == BAD
    assert gates(history)[-1:] == [("suite_raw_history", "quarantine", "halted", 12, 8, REASONS, *WINDOW)]


def test_quarantine_under_the_share_loads_the_good_rows(history: Connection) -> None:
    done = luigi(*QUARANTINE, env=SHARE)
    assert done.returncode == 0, done.stderr
    assert production(history) == TRUSTED
    assert rejects(history, "quarantined") == BAD
    assert rejects(history, "halted") == {}
    assert gates(history)[-2:] == QUARANTINED
    shown = {line.rsplit(maxsplit=1)[0].strip(): line.rsplit(maxsplit=1)[1] for line in done.stdout.splitlines()
             if len(line.split()) > 1}  # fmt: skip
    assert {name: shown[name] for name in ("rows read", "rows valid", "rows redelivered", "rows rejected")} == {
        "rows read": "12", "rows valid": "3", "rows redelivered": "1", "rows rejected": "8",
    }  # fmt: skip
    assert (shown["inserted"], shown["deactivated"], shown["unchanged"]) == ("3", "0", "0")


def test_rejects_hold_the_rows_as_they_came(history: Connection) -> None:
    columns = "ingest_id, site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units"
    kept = {row["ingest_id"]: tuple(row.values())[1:] for row in rows_of(
        history, "dqm.bt_crypto_events_rejects", columns)}  # fmt: skip
    assert kept == {
        number: (*row[:4], Decimal(row[4]), Decimal(row[5]))
        for number, (row, reasons) in enumerate(HISTORY_BY_HAND, 1) if reasons
    }  # fmt: skip


def test_a_rerun_has_nothing_to_do(history: Connection) -> None:
    before = gates(history)
    done = luigi(*QUARANTINE, env=SHARE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Nothing to do")
    assert "3 rows valid, 8 rejected" in done.stdout
    assert gates(history) == before


def test_rejects_are_shown_and_written_as_csv(history: Connection, tmp_path: Path) -> None:
    done = python("-m", "pipelines", "rejects", *DATE, "--csv", str(tmp_path / "rejects.csv"))
    assert done.returncode == 0, done.stderr
    assert "Rejects of 2023-02-01: 8 rows" in done.stdout
    for reason, rows in REASONS.items():
        (line,) = (line for line in done.stdout.splitlines() if line.split()[:1] == [reason])
        assert line.split()[1:3] == ["quarantined", str(rows)]
    assert "ingest_id 5, BRASIL, 200237, 31/02/2026" in done.stdout
    with (tmp_path / "rejects.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert {int(row["ingest_id"]): row["reasons"].split() for row in written} == BAD
    assert [row["user_id"] for row in written if row["reasons"] == "user_id_missing"] == [""]
    assert {row["run_date"] for row in written} == {"2023-02-01"}
    assert len(written) == len(rejects(history, "quarantined"))


@pytest.mark.usefixtures("history")
def test_a_date_without_rejects_says_so(tmp_path: Path) -> None:
    done = python("-m", "pipelines", "rejects", "--date", "2023-02-02", "--csv", str(tmp_path / "rejects.csv"))
    assert done.returncode == 0
    assert "No run of 2023-02-02 has rejected a row. The last date that has: 2023-02-01." in done.stdout
    assert len((tmp_path / "rejects.csv").read_text().splitlines()) == 1, "the header alone"


@pytest.mark.usefixtures("history")
def test_status_shows_the_last_gates_and_the_tables() -> None:
    done = python("-m", "pipelines", "status")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    (raw_gate,) = (line for line in lines if line[1:3] == ["suite_raw_history", "quarantined"])
    assert (raw_gate[0], raw_gate[3:5]) == ("2023-02-01", ["12", "8"])
    assert ["production", "active", "3"] in lines
    assert ["production", "inactive", "0"] in lines
    assert ["rejects", "quarantined", "8"] in lines
    assert ["rejects", "of", "halted", "runs", "0"] in lines


def test_one_more_good_row_does_not_count_the_undated_one_again(history: Connection) -> None:
    assert insert_rows(history, ONE_MORE) == [13]
    done = luigi(*QUARANTINE, env=SHARE)
    assert done.returncode == 0, done.stderr
    # 13 rows, without the undated and the future one that were set aside before.
    known = ("purchase_date_no_calendar_day", "purchase_date_future")
    again = {reason: rows for reason, rows in REASONS.items() if reason not in known}
    assert gates(history)[-2:] == [
        ("suite_raw_history", "quarantine", "quarantined", 11, 6, again, *WINDOW),
        ("suite_staging_candidate", "quarantine", "passed", 4, 0, {}, *WINDOW),
    ]
    assert rejects(history, "quarantined") == BAD
    assert production(history) == sorted(
        [*TRUSTED, ("ARGENTINA", 200300, "2023-01-29", "ETH", "1190.5000", "2.00000000", "2381.00000000", True)]
    )


def test_repaired_rows_are_trusted_by_the_next_run(history: Connection, monkeypatch) -> None:
    set_settings(monkeypatch, **SHARE)
    history.execute(f"UPDATE {HISTORY} SET purchase_date = '28/1/2023' WHERE ingest_id = 5")
    history.execute(f"UPDATE {HISTORY} SET site_id = 'MEXICO' WHERE ingest_id = 6")
    history.execute(f"DELETE FROM {HISTORY} WHERE ingest_id = 12")
    run_flow(on_invalid="quarantine")
    left = {number: reasons for number, reasons in BAD.items() if number in (7, 8, 9)}
    judged = gates(history)[-2]
    assert judged[:6] == ("suite_raw_history", "quarantine", "quarantined", 11, 3, {r: 1 for (r,) in left.values()})
    assert {row[1] for row in production(history)} == {200234, 200235, 200236, 200237, 200238, 200242, 200300}
