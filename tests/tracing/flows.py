"""Both flows as users run them, in this process: every branch that a stage's work can take cheaply."""

from __future__ import annotations

import csv
import gzip
import os
from datetime import date, timedelta
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from pipelines import (
    Churn,
    ChurnBatchScore,
    ChurnDriftReport,
    ChurnFeatureStore,
    ChurnLogregTraining,
    ChurnTraining,
    ChurnWatchdog,
    CryptoBackfill,
    CryptoMerge,
    CryptoPipeline,
)
from pipelines.churn import sources
from pipelines.core.errors import GateFailed, MassDeactivation, PipelineError
from pipelines.core.stage import Root, stages
from pipelines.services.warehouse import Connection
from tests.churn import DATE, GOOD
from tests.helpers import COLUMNS, DAY, HISTORY, insert_rows, set_settings, write_text

STAGES = {stage.entry(): stage for stage in stages()}
FRAME = "pipelines.churn.features.frame"  # its version is a parameter of the stages that compute features
TODAY = date.fromisoformat(DATE)
LINE = "BRASIL,{},1/2/2023,ETH,1200,1.5"


def run(root: Root) -> None:
    """Runs the stages of a root task as one run, part by part: what a part requires depends on the parts before it."""
    for part in root.roots() if isinstance(root, Churn) else [root]:
        for stage in part.stages():
            stage.run()
    root.flow_run.finish()


def refused(root: Root, error: type[PipelineError], match: str) -> None:
    with pytest.raises(error, match=match):
        run(root)


# Crypto -----------------------------------------------------------------------------------------------------------


def run_crypto(connection: Connection, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Generated history and files, gates that stop and that quarantine, every kind of change, a backfill."""
    set_settings(patch, MIN_ROWS_PER_DAY=40, MAX_REJECT_SHARE=0.5)
    run(CryptoPipeline(date=DAY))
    set_settings(patch, MIN_ROWS_PER_DAY=60)
    run(CryptoPipeline(date=DAY))
    set_settings(patch, MIN_ROWS_PER_DAY=0)

    for path in _files(folder):
        run(CryptoMerge(date=DAY, source=str(path)))
    again = folder / "again.csv"
    again.write_bytes((folder / "plain.csv").read_bytes())
    run(CryptoMerge(date=DAY, source=str(again)))
    unreadable = folder / "unreadable.csv"
    lines = [LINE.format(31), "unreadable", LINE.format(32), "BRAS\u00cdL,33", LINE.format(34), LINE.format(35)]
    write_text(unreadable, *lines)
    unreadable.write_bytes(unreadable.read_bytes().replace("\u00cd".encode(), b"\xcd\0"))
    refused(CryptoMerge(date=DAY, source=str(unreadable)), GateFailed, "2 of 6 lines")
    run(CryptoMerge(date=DAY, source=str(unreadable), on_invalid="quarantine"))
    set_settings(patch, MAX_REJECT_SHARE=0.1)
    write_text(folder / "more.csv", "unreadable", LINE.format(36))
    refused(CryptoMerge(date=DAY, source=str(folder / "more.csv"), on_invalid="quarantine"), GateFailed, "not under")
    _refuse_files(folder)

    _change(connection)
    run(CryptoMerge(date=DAY))
    insert_rows(connection, *((("BRASIL", 31, "1/2/2023", "ETH", 80, 2),) * 2))
    run(CryptoMerge(date=DAY))
    _spoil(connection, patch)
    _outage(connection)
    insert_rows(connection, ("BRASIL", 1, "28/11/2022", "ETH", 5, 2), ("MEXICO", 1, "3/12/2022", "BTC", 5, 2))
    run(CryptoBackfill(date=DAY, on_invalid="quarantine"))


def _files(folder: Path) -> list[Path]:
    """Files that can be loaded: CSV, with other names and order of columns, packed, and Parquet."""
    plain = write_text(folder / "plain.csv", *(LINE.format(user) for user in range(1, 6)), "")
    packed = folder / "packed.csv.gz"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbfuser_id,site_id,price,units,crypto_type,purchase_date\r\n"
                                     b"11,BRASIL,7,1.5,BTC,1/2/2023\r\n"))  # fmt: skip
    table = folder / "table.parquet"
    columns = {
        "site_id": ["BRASIL", "ARGENTINA"], "user_id": [21.0, 22.0], "purchase_date": [DAY, DAY],
        "crypto_type": ["ETH", "BTC"], "purchase_price": [1.5, 2.0], "purchase_units": [1, 2],
    }  # fmt: skip
    pyarrow.parquet.write_table(pyarrow.table(columns), table)
    return [plain, packed, table]


def _refuse_files(folder: Path) -> None:
    """Files that cannot be read as a whole."""
    table = (folder / "table.parquet").read_bytes()
    lists = pyarrow.table({name: [["BRASIL"]] for name in COLUMNS})
    pyarrow.parquet.write_table(lists, folder / "lists.parquet")
    for name, content, why in (
        ("cut.csv.gz", (folder / "packed.csv.gz").read_bytes()[:-12], "damaged gzip"),
        ("cut.parquet", table[: len(table) // 2], "damaged Parquet"),
        ("lists.parquet", (folder / "lists.parquet").read_bytes(), "cannot be read as text"),
        ("empty.csv", b"", "empty"),
        ("semicolons.csv", ";".join(COLUMNS).encode(), "delimiter"),
        ("long.csv", f"{','.join(COLUMNS)}\n".encode() + bytes(3 << 20), "longer than"),
        ("header.csv", b"x" * (2 << 20), "longer than"),
    ):  # fmt: skip
        (folder / name).write_bytes(content)
        refused(CryptoMerge(date=DAY, source=str(folder / name)), PipelineError, why)


def _change(connection: Connection) -> None:
    """An update, a deactivation, an insert, and a row that was delivered twice."""
    connection.execute(f"UPDATE {HISTORY} SET purchase_price = 150 WHERE user_id = 32")
    connection.execute(f"DELETE FROM {HISTORY} WHERE user_id = 31")
    insert_rows(connection, *((("MEXICO", 7, "1/2/2023", "ETH", 5, 2),) * 2))


def _spoil(connection: Connection, patch: pytest.MonkeyPatch) -> None:
    """Rows that break a rule of each kind; a table that breaks a rule of its own."""
    insert_rows(
        connection, ("CHILE", 901, "1/2/2023", "ETH", 5, 2), (None, 902, "1/2/2023", "ETH", 5, 2),
        ("BRASIL", 903, "31/2/2023", "ETH", 5, 2), ("BRASIL", 904, "1/2/2999", "ETH", 5, 2),
        ("BRASIL", 905, "1/2/2023", "ETH", -5, 2), ("BRASIL", 906, "1/2/2023", "ETH", 5, 2),
        ("BRASIL", 906, "1/2/2023", "ETH", 6, 2),
    )  # fmt: skip
    refused(CryptoMerge(date=DAY), GateFailed, "site_id_unknown")
    set_settings(patch, MAX_REJECT_SHARE=0.001)
    refused(CryptoMerge(date=DAY, on_invalid="quarantine"), GateFailed, "not under MAX_REJECT_SHARE")
    set_settings(patch, MAX_REJECT_SHARE=0.5)
    run(CryptoMerge(date=DAY, on_invalid="quarantine"))
    insert_rows(connection, ("BRASIL", 907, "1/2/2023", "ETH", 5, 2))
    connection.execute(f"ALTER TABLE {HISTORY} ADD COLUMN other text")
    refused(CryptoMerge(date=DAY, on_invalid="quarantine"), GateFailed, "raw_columns")
    connection.execute(f"ALTER TABLE {HISTORY} DROP COLUMN other")


def _outage(connection: Connection) -> None:
    """Most of the window's keys vanish; then the user says that they may."""
    connection.execute(f"DELETE FROM {HISTORY} WHERE user_id > 99999")
    refused(CryptoMerge(date=DAY, on_invalid="quarantine"), MassDeactivation, "active keys")
    run(CryptoMerge(date=DAY, on_invalid="quarantine", allow_mass_deactivation=True))


# Churn ------------------------------------------------------------------------------------------------------------


def change_settings(patch: pytest.MonkeyPatch, **values: object) -> None:
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # MLflow sets it for processes that it starts; it is a setting, too
    set_settings(patch, **values)


def run_churn(state: Path, patch: pytest.MonkeyPatch) -> None:
    """Trainings that promote and that skip, drift, weeks, scores, the watchdog; files with quirks, without labels."""
    files = state / "churn_data"
    change_settings(patch, CHURN_USERS=1500, CHURN_LOOKBACK_WEEKS=4, **GOOD)
    run(ChurnWatchdog(date=TODAY))
    run(Churn(date=TODAY))
    change_settings(patch, CHURN_REG_PARAMS="0.02", CHURN_PROMOTION_MIN_DELTA=0.5, CHURN_DRIFT_SAMPLE=200)
    run(ChurnTraining(date=TODAY))
    run(ChurnLogregTraining(date=TODAY, lookback_weeks=3))
    run(ChurnDriftReport(date=TODAY))
    run(ChurnFeatureStore(date=TODAY, weeks=4))
    run(ChurnBatchScore(date=TODAY, weeks=4))
    first = ChurnDriftReport(date=TODAY).clean().first_day
    run(ChurnDriftReport(date=first + timedelta(days=6)))  # there are no weeks before it

    (files / "EVALUATE.csv").unlink()
    _write_quirks(files)
    (state / "artifacts" / "source_hashes.json").write_text("no state of ours", encoding="utf-8")
    run(ChurnWatchdog(date=TODAY))
    run(ChurnFeatureStore(date=TODAY, weeks=2))
    run(ChurnLogregTraining(date=TODAY, lookback_weeks=2))
    change_settings(patch, SPARK_MASTER_URL="spark://named:7077")  # the session that is there takes the features
    run(ChurnFeatureStore(date=date(2019, 3, 3), weeks=2))
    change_settings(patch, SPARK_MASTER_URL="local[2]")
    _refuse_churn_files(files)


def _write_quirks(files: Path) -> None:
    """Another delimiter, names that a column may have too, values that cannot be read, a customer twice."""
    path = files / "DEMOGRAFICOS.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        header, *rows = csv.reader(lines)
    names = [{"cus_cust_id_buy": "CUSTOMER_ID", "rango_edad": "EDAD"}.get(name.lower(), name) for name in header]
    rows = [*rows, rows[0], ["no number", *rows[1][1:]]]
    with path.open("w", encoding="utf-8", newline="") as target:
        csv.writer(target, delimiter=";").writerows([names, *rows])


def _refuse_churn_files(files: Path) -> None:
    """Files that cannot be read as what they should be."""
    path = files / "MARKETPLACE_DATA.csv"
    whole = path.read_bytes()
    header, _, rows = whole.partition(b"\n")
    cut = [b",".join(line.split(b",")[:1]) for line in rows.splitlines()]
    spoilt = b"\n".join(b"x" + line for line in rows.splitlines())
    for content, why in (
        (header + b"\n" + spoilt + b"\n", "CHURN_MAX_BAD_SHARE"),
        (header + b"\n" + rows.replace(b"1", b"\xcd", 1), "UTF-8"),
        (header + b"\n" + b"\n".join(cut) + b"\n", "line"),
        (b"CUS_CUST_ID_BUY\n1\n", "is missing"),
        (b"\x1f\x8b" + whole, "gzip"),
        (header + b"\n", "no row"),
        (b"", "empty"),
    ):
        path.write_bytes(content)
        refused(ChurnFeatureStore(date=TODAY), sources.BadFile, why)
    path.unlink()
    refused(ChurnFeatureStore(date=TODAY), PipelineError, "MARKETPLACE_DATA.csv is missing")
    path.write_bytes(whole)
