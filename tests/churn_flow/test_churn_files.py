"""The six files: watched, loaded as they are for people who look with SQL, generated where there are none."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path

import pytest

from pipelines.churn.sources import SOURCES
from tests.churn import DATE, World
from tests.helpers import luigi, python

FILES = [source.file for source in SOURCES]
ASK = """
import pipelines
for name in pipelines.__all__:
    if name.startswith("Churn"):
        print(*(stage.complete() for stage in getattr(pipelines, name)().stages()))
"""


# Watchdog ---------------------------------------------------------------------------------------------------------


def test_the_watchdog_names_what_changed_since_it_last_looked(world: World) -> None:
    state = world.artifacts / "source_hashes.json"
    assert f"6 changed: {', '.join(sorted(FILES))}. Run ChurnTraining." in world.luigi("ChurnWatchdog").out
    assert "Nothing changed." in world.luigi("ChurnWatchdog").out
    (world.files / "PAYMENTS.csv").touch()
    assert "Nothing changed." in world.luigi("ChurnWatchdog").out, "touched, and as it was"

    world.edit("DEMOGRAFICOS.csv", lambda text: text + text.splitlines()[1] + "\n")
    assert "1 changed: DEMOGRAFICOS.csv." in world.luigi("ChurnWatchdog").out
    assert "Nothing changed." in world.luigi("ChurnWatchdog").out

    (world.files / "EVALUATE.csv").unlink()
    assert "1 changed: EVALUATE.csv." in world.luigi("ChurnWatchdog").out, "one that may be missing is"
    state.unlink()
    assert "5 changed: " in world.luigi("ChurnWatchdog").out

    state.write_text("no state of ours", encoding="utf-8")
    done = world.luigi("ChurnWatchdog")
    assert "5 changed: " in done.out
    assert "cannot be read as a state of ours" in done.err
    assert world.luigi("ChurnWatchdog", "--quiet").out == ""


def test_a_file_that_is_missing_is_named_and_not_taken_as_seen(world: World) -> None:
    world.luigi("ChurnWatchdog")
    before = (world.artifacts / "source_hashes.json").read_text(encoding="utf-8")
    (world.files / "ACTIVE_USER.csv").unlink()
    for root in ("ChurnWatchdog", "ChurnFeatureStore"):
        refused = world.luigi(root, code=20)
        assert "ACTIVE_USER.csv is missing." in refused.err
        assert refused.stages == []
    assert (world.artifacts / "source_hashes.json").read_text(encoding="utf-8") == before


# Seed -------------------------------------------------------------------------------------------------------------


def lines(path: Path) -> Counter[tuple[str, ...]]:
    with path.open(encoding="utf-8", newline="") as file:
        return Counter(map(tuple, list(csv.reader(file))[1:]))


def seeded(world: World, table: str) -> Counter[tuple[str, ...]]:
    """The rows of a table, as the texts that PostgreSQL shows."""
    with world.connect() as connection:
        names = [column.name for column in connection.execute(f"SELECT * FROM raw.{table} LIMIT 0").description or ()]
        shown = ", ".join(f"coalesce({name}::text, '')" for name in names)
        rows = connection.execute(f"SELECT ARRAY[{shown}] AS row FROM raw.{table}").fetchall()
    return Counter(tuple(row["row"]) for row in rows)


def test_seed_loads_every_line_and_value_as_it_is_however_often(world: World) -> None:
    for _ in range(2):
        done = world.command("seed")
        for source in SOURCES:
            there = lines(world.files / source.file)
            assert seeded(world, source.table) == there, source.file
            assert f"raw.{source.table}" in done.out
            assert f"{there.total():,}" in done.out
    numbers = world.rows("SELECT pg_typeof(cus_cust_id_buy)::text AS id, pg_typeof(spent_ml)::text AS spent"
                         " FROM raw.marketplace_data LIMIT 1")  # fmt: skip
    assert numbers == [{"id": "bigint", "spent": "numeric"}], "what is a number can be summed"


def test_a_broken_file_leaves_the_tables_of_before(world: World) -> None:
    world.command("seed")
    before = {source.table: seeded(world, source.table) for source in SOURCES}
    world.edit("PAYMENTS.csv", lambda text: "".join(text.splitlines(keepends=True)[:100]))
    world.edit("EVALUATE.csv", lambda text: text + "1,0,too many\n")
    refused = world.command("seed", code=30)
    assert f"EVALUATE.csv, line {before['evaluate'].total() + 2}: 3 values, the header has 2." in refused.err
    assert {source.table: seeded(world, source.table) for source in SOURCES} == before


def test_seed_takes_any_header_that_names_its_columns(world: World) -> None:
    """A column without a name, one of PostgreSQL's own, one that is longer than it can have."""
    long = "months_" * 12
    lines = (world.files / "EVALUATE.csv").read_text(encoding="utf-8").splitlines()[1:]
    text = "\n".join([f"CUS_CUST_ID_BUY,CHURN,,XMIN,{long}", *(f"{line},1,2,3" for line in lines)])
    (world.files / "EVALUATE.csv").write_text(text + "\n", encoding="utf-8")
    world.command("seed")
    assert list(world.rows("SELECT * FROM raw.evaluate LIMIT 1")[0]) == [
        "cus_cust_id_buy", "churn", "column_3", "xmin_", long[:63],
    ]  # fmt: skip


# Where the files are ----------------------------------------------------------------------------------------------


def test_a_folder_that_is_not_there_is_not_made(world: World) -> None:
    missing = world.folder / "missing"
    for command in (("-m", "luigi", "--module", "pipelines", "ChurnTraining"), ("-m", "pipelines", "seed")):
        refused = world.run(*command, CHURN_DATA_ROOT=str(missing))
        assert (refused.code, refused.stages) == (20, []), refused.err
        assert f"CHURN_DATA_ROOT={missing}: there is no such folder." in refused.err
    assert not missing.exists()


def test_an_empty_folder_is_filled_and_one_of_others_is_not(world: World, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    world.command("seed", CHURN_DATA_ROOT=str(ours), CHURN_USERS="200")
    assert sorted(path.name for path in ours.iterdir()) == sorted(FILES)
    theirs.mkdir()
    (theirs / "notes.txt").write_text("theirs", encoding="utf-8")
    refused = world.command("seed", CHURN_DATA_ROOT=str(theirs), code=20)
    assert "but other files" in refused.err
    assert [path.name for path in theirs.iterdir()] == ["notes.txt"]


def test_real_files_that_vanished_are_not_replaced_by_generated_ones(world: World, tmp_path: Path) -> None:
    """A share that is not mounted looks like an empty folder: a model must not be trained on what nobody did."""
    real = tmp_path / "real"
    shutil.copytree(world.files, real)
    where = {"CHURN_DATA_ROOT": str(real)}
    world.luigi("ChurnFeatureStore", "--date", "2019-03-10", **where)
    for path in list(real.iterdir()):
        path.unlink()
    refused = world.luigi("ChurnFeatureStore", "--date", "2019-03-10", code=20, **where)
    assert "the files that were here are gone" in refused.err
    assert list(real.iterdir()) == []


def test_asking_makes_nothing_and_hashes_nothing(tmp_path: Path) -> None:
    """Where nothing has run, every stage is stale, and it stays a place where nothing has run."""
    state = tmp_path / "state"
    done = python("-c", ASK, env={"STATE_DIR": str(state)})
    assert (done.returncode, done.stderr) == (0, "")
    assert {*done.stdout.split()} == {"False"}
    assert not state.exists()


def test_asking_about_a_file_that_was_written_again_does_not_read_it(world: World) -> None:
    hashes = "SELECT path, version, sha256 FROM ops.source_hashes ORDER BY 1"
    before = world.rows(hashes)
    (world.files / "PAYMENTS.csv").touch()
    assert "False" in world.run("-c", ASK).out
    assert world.rows(hashes) == before


def test_seed_and_rollback_are_runs_of_the_ledger(world: World) -> None:
    world.command("seed")
    world.command("models", "rollback", "churn-logreg", code=20)
    seed, rollback = world.rows("SELECT * FROM ops.runs ORDER BY started_at DESC LIMIT 2")[::-1]
    assert (seed["root_task"], seed["outcome"], seed["engine"]) == ("seed", "succeeded", "python")
    assert (rollback["root_task"], rollback["outcome"], rollback["exit_code"]) == ("models rollback", "refused", 20)
    assert rollback["parameters"] == {"model": "churn-logreg"}
    assert "there is no previous version to go back to" in rollback["error"]


# What is refused before anything starts ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("root", "arguments", "settings", "said"),
    [
        ("ChurnTraining", ("--date", "2019-02-30"), {}, "--date '2019-02-30'"),
        ("ChurnBatchScore", ("--date", "today"), {}, "--date 'today'"),
        ("ChurnFeatureStore", ("--weeks", "0"), {}, "--weeks '0': write a whole number from 1 to 1040."),
        ("ChurnFeatureStore", ("--weeks", "2.5"), {}, "weeks '2.5'"),
        ("ChurnBatchScore", ("--weeks", "9999"), {}, "weeks '9999'"),
        ("ChurnLogregTraining", ("--lookback-weeks", "-8"), {}, "weeks '-8'"),
        ("ChurnTraining", ("--lookback-weeks", "8"), {}, "unrecognized arguments: --lookback-weeks"),
        ("ChurnTraining", (), {"CHURN_PROMOTION_MIN_DELTA": "much"}, "CHURN_PROMOTION_MIN_DELTA='much'"),
        ("ChurnTraining", (), {"CHURN_REG_PARAMS": "0.1,2"}, "CHURN_REG_PARAMS='0.1,2'"),
        ("ChurnTraining", (), {"CHURN_ELASTIC_NET_PARAMS": ","}, "CHURN_ELASTIC_NET_PARAMS=','"),
        ("ChurnDriftReport", (), {"CHURN_USERS": "5"}, "CHURN_USERS='5'"),
        ("ChurnLogregTraining", (), {"CHURN_LOOKBACK_WEEKS": "0"}, "CHURN_LOOKBACK_WEEKS='0'"),
        ("Churn", (), {"CHURN_PROMOTION_MIN_DELTAS": "0"}, "CHURN_PROMOTION_MIN_DELTAS is not a setting"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("Churn") else "",
)
def test_a_wrong_option_or_setting_is_refused_before_anything_starts(
    tmp_path: Path, root: str, arguments: tuple[str, ...], settings: dict[str, str], said: str
) -> None:
    state = tmp_path / "state"
    done = luigi(root, *arguments, env={"STATE_DIR": str(state), **settings})
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not state.exists()


def test_a_place_that_is_neither_a_folder_nor_on_s3_is_refused(world: World) -> None:
    for setting in ("CHURN_DATA_ROOT", "ARTIFACTS_URL"):
        refused = world.luigi("ChurnFeatureStore", code=2, **{setting: "https://host/files"})
        assert "https://host/files is no place that can be used" in refused.err


def test_what_cannot_be_written_to_is_told_in_words(world: World) -> None:
    world.edit("DEMOGRAFICOS.csv", lambda text: text + text.splitlines()[1] + "\n")
    refused = world.luigi("ChurnFeatureStore", "--date", DATE, code=30, ARTIFACTS_URL="/proc/nowhere")
    assert "/proc/nowhere" in refused.err
    assert "Look at ARTIFACTS_URL." in refused.err
    assert refused.stages == []


@pytest.mark.parametrize("table", ["payments", "users", "evaluate"])
def test_a_damaged_file_of_ours_is_named_and_made_anew_once_it_is_removed(world: World, table: str) -> None:
    path = world.artifacts / world.record("clean_raw_sources")["folder"] / f"{table}.parquet"
    path.write_bytes(path.read_bytes()[:-40])
    refused = world.luigi("ChurnFeatureStore", "--date", "2019-03-10", code=30)
    assert f"{path.parent}" in refused.err
    assert "is damaged (" in refused.err
    path.unlink()
    assert world.ran("ChurnFeatureStore", "--date", "2019-03-10") == ["clean_raw_sources", "build_weekly_features"]


@pytest.mark.parametrize("where", ["http://me:{}@127.0.0.1:9", "mysql+nodriver://me:{}@127.0.0.1:9/kpi"])
def test_no_message_shows_the_password_of_mlflow(world: World, where: str) -> None:
    secret = "s3cr3t-w0rd"
    argv = ("-m", "luigi", "--module", "pipelines", "ChurnTraining", "--date", DATE)
    refused = world.run(*argv, MLFLOW_TRACKING_URI=where.format(secret))
    assert refused.code == 30, refused.err
    assert "127.0.0.1:9" in refused.err
    assert secret not in refused.err + refused.out


def test_status_knows_both_flows(lived: World) -> None:
    told = python("-m", "pipelines", "status", env=lived.env()).stdout
    for words in ("Last stages of the churn flow", "train_spark_model", "score_cohort", "Last weekly snapshots"):
        assert words in told, words
