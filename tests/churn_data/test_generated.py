"""Generated data have the shape and the flaws of real extracts, and something that can be learned."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import pandas as pd
import pyarrow
import pytest

from pipelines.churn import features, synthetic, training, weekly
from pipelines.churn.declaration import CATEGORIES, NUMERIC
from pipelines.services.artifacts import Place
from tests.churn_files import Cleaned, clean_place

USERS = 2000
LAST_DAY = date(2019, 5, 31)
SNAPSHOT = LAST_DAY + timedelta(days=1)
CUTOFF = SNAPSHOT - timedelta(days=features.LABEL_DAYS)
WEEKS = features.weeks_before(SNAPSHOT, 8, LAST_DAY - timedelta(days=181))
RECENCY_LAG = timedelta(days=synthetic.MARKETPLACE_LAG)


@dataclass(frozen=True)
class Data:
    """A dialect's files, and what was made of them."""

    dialect: str
    root: Place
    made: Cleaned

    def text(self, file: str) -> str:
        return self.root.read(file).decode()

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Each file as it is written, every value as text."""
        return {file: self.table(file) for file in synthetic.FILES}

    def table(self, file: str) -> pd.DataFrame:
        header, *rows = csv.reader(io.StringIO(self.text(file)))
        return pd.DataFrame(rows, columns=header)

    def frame(self, cutoff: date) -> pd.DataFrame:
        return self.made.frame(cutoff).to_pandas()

    def labels(self, snapshot: date, made: Cleaned | None = None) -> pd.DataFrame:
        made = made or self.made
        return weekly.label(made.store, made.tables, made.frame(snapshot), snapshot).to_pandas()


@pytest.fixture(scope="module", params=synthetic.DIALECTS)
def data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Data]:
    folder = tmp_path_factory.mktemp(request.param)
    synthetic.generate(folder / "files", USERS, dialect=request.param, last_day=LAST_DAY)
    root = Place(str(folder / "files"))
    yield Data(request.param, root, clean_place(root, folder / "store", today=date(2020, 1, 1)))


@pytest.fixture(scope="module")
def frame(data: Data) -> pd.DataFrame:
    return data.frame(CUTOFF)


@pytest.fixture(scope="module")
def labelled(data: Data) -> pd.DataFrame:
    """The training data: features before the cutoff, labels after it."""
    active = pyarrow.table({"customer_id": sorted(data.made.active(CUTOFF, SNAPSHOT))})
    training.dataset(data.made.store, "labelled.parquet", data.made.frame(CUTOFF), active)
    return features.read(data.made.store, "labelled.parquet").to_pandas()


@pytest.fixture(scope="module")
def without_evaluate(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Cleaned:
    """The same files, but for the ground truth."""
    folder = tmp_path_factory.mktemp("without")
    for file in synthetic.FILES[:-1]:
        Place(str(folder / "files")).write(file, data.root.read(file))
    return clean_place(Place(str(folder / "files")), folder / "store", today=date(2020, 1, 1))


# Features -----------------------------------------------------------------------------------------------------------


def test_there_is_one_row_per_customer_in_their_order(frame: pd.DataFrame) -> None:
    assert frame["customer_id"].is_unique
    assert frame["customer_id"].is_monotonic_increasing
    assert USERS / 2 < len(frame) <= USERS


def test_the_cohort_is_who_paid_in_the_90_days_before_the_cutoff(data: Data, frame: pd.DataFrame) -> None:
    payments = data.made.table("payments").to_pandas().dropna(subset=["cus_cust_id_buy", "fecha"])
    payments = payments[(payments["fecha"] < CUTOFF) & (payments["fecha"] >= CUTOFF - timedelta(days=90))]
    assert set(frame["customer_id"]) == set(payments["cus_cust_id_buy"])
    everybody = data.made.table("payments")["cus_cust_id_buy"].to_pandas().dropna()
    assert set(everybody) - set(frame["customer_id"]), "somebody paid only outside of these days"


def test_nothing_is_missing_after_defaults(frame: pd.DataFrame) -> None:
    assert not frame[["customer_id", *NUMERIC, *CATEGORIES, "last_payment_date"]].isna().to_numpy().any()
    assert (frame[list(CATEGORIES)] != "").to_numpy().all()


def test_numbers_are_within_their_ranges(frame: pd.DataFrame) -> None:
    assert (frame[list(NUMERIC)] >= 0).to_numpy().all()
    assert frame["days_since_activity"].between(1, 90).all()
    assert frame["payments_90d"].min() >= 1
    assert frame["active_days_60d"].max() <= 60
    assert set(frame["has_inversion"]) <= {0.0, 1.0}
    assert set(frame["gender_is_female"]) == {0.0, 1.0}
    counts = ["payments_7d", "payments_30d", "payments_90d", "active_days_60d", "days_since_activity", "frequency_ml"]
    assert (frame[counts] % 1 == 0).to_numpy().all()


def test_windows_are_nested(frame: pd.DataFrame) -> None:
    for what in ("spent", "payments"):
        assert (frame[f"{what}_7d"] <= frame[f"{what}_30d"]).all()
        assert (frame[f"{what}_30d"] <= frame[f"{what}_90d"]).all()
    assert (frame["active_days_60d"] <= frame["payments_90d"]).all()
    assert ((frame["payments_7d"] > 0) == (frame["days_since_activity"] <= 7)).all()
    assert ((frame["payments_30d"] > 0) == (frame["days_since_activity"] <= 30)).all()
    assert (frame["total_discount_30d"] <= frame["spent_30d"]).all()


def test_columns_tell_of_the_same_thing(frame: pd.DataFrame) -> None:
    days = (pd.Timestamp(CUTOFF) - pd.to_datetime(frame["last_payment_date"])).dt.days
    assert (days == frame["days_since_activity"]).all()
    assert ((frame["gender"] == "female") == (frame["gender_is_female"] == 1)).all()


def test_categories_are_of_the_known_words(frame: pd.DataFrame) -> None:
    assert set(frame["gender"]) == {"female", "male", "unknown"}
    assert set(frame["rango_edad"]) == {word.lower() for word in synthetic.AGE_RANGES} | {"unknown"}
    assert set(frame["tarjetas"]) == {word.lower() for word in synthetic.CARDS} | {"unknown"}
    provinces = {province.lower() for _, province in synthetic.PLACES}
    assert len(set(frame["estado"]) & provinces) > 10
    assert set(frame["estado"]) <= provinces | {"unknown"}


def test_at_the_last_snapshot_every_feature_tells_something(data: Data) -> None:
    """The extract's own day has ended then: visits, balances, investment and marketplace are known."""
    frame = data.frame(SNAPSHOT)
    assert (frame[list(NUMERIC)].nunique() > 1).all()
    assert (frame[list(CATEGORIES)].nunique() > 1).all()
    assert frame["last_login_date"].notna().mean() > 0.4


# Labels -------------------------------------------------------------------------------------------------------------


def test_labels_are_zeros_and_ones_and_half_to_most_stay(labelled: pd.DataFrame, frame: pd.DataFrame) -> None:
    assert set(labelled["label"]) == {0, 1}
    assert 0.5 < labelled["label"].mean() < 0.8
    assert list(labelled["customer_id"]) == list(frame["customer_id"])


def test_a_fifth_is_held_out_by_the_customer_alone(data: Data, labelled: pd.DataFrame) -> None:
    """Else somebody is trained on in one week and judged on in another."""
    assert 0.15 < labelled["holdout"].mean() < 0.25
    earlier = CUTOFF - timedelta(weeks=4)
    half = pyarrow.table({"customer_id": data.made.frame(earlier)["customer_id"][::2]})
    training.dataset(data.made.store, "earlier.parquet", data.made.frame(earlier), half)
    before = features.read(data.made.store, "earlier.parquet").to_pandas()
    both = labelled.merge(before, on="customer_id", suffixes=("", "_before"))
    assert len(both) > USERS / 3
    assert (both["holdout"] == both["holdout_before"]).all()
    assert (both["validation"] == both["validation_before"]).all()


def test_there_is_something_to_learn(labelled: pd.DataFrame) -> None:
    stay, leave = (labelled[labelled["label"] == label] for label in (1, 0))
    assert stay["payments_30d"].mean() > 1.5 * leave["payments_30d"].mean()
    assert stay["days_since_activity"].mean() < leave["days_since_activity"].mean()


def test_weekly_labels_are_the_ground_truth_where_it_is_given(data: Data) -> None:
    """Whatever the payments say, and also before 60 days have passed."""
    given = dict(data.made.rows("evaluate"))
    for snapshot in (WEEKS[0], WEEKS[-1]):
        labels = data.labels(snapshot)
        told = labels[labels["customer_id"].isin(given)]
        assert len(told) > USERS / 2
        assert (told["labeled_churn"] == told["customer_id"].map(given)).all()


def test_weekly_labels_elsewhere_are_whether_nothing_was_paid_for_60_days(data: Data) -> None:
    snapshot = SNAPSHOT - timedelta(days=60)  # the last one of which it can be known
    given = dict(data.made.rows("evaluate"))
    labels = data.labels(snapshot)
    rest = labels[~labels["customer_id"].isin(given)]
    assert len(rest) > 20
    payments = data.made.table("payments").to_pandas()
    paid = set(payments[(payments["fecha"] >= snapshot) & (payments["fecha"] < SNAPSHOT)]["cus_cust_id_buy"])
    assert list(rest["labeled_churn"]) == [int(customer not in paid) for customer in rest["customer_id"]]


@pytest.mark.parametrize(("days", "known"), [(61, True), (60, True), (59, False), (30, False), (0, False)])
def test_without_ground_truth_nobody_has_a_label_before_60_days_have_passed(
    without_evaluate: Cleaned, data: Data, days: int, known: bool
) -> None:
    labels = data.labels(SNAPSHOT - timedelta(days=days), without_evaluate)["labeled_churn"]
    if known:
        assert set(labels) == {0, 1}
    else:
        assert labels.isna().all()
    assert len(labels) > USERS / 3


def test_weekly_cohorts_keep_their_size(data: Data) -> None:
    """Nothing trends in generated data: drift in them would be the generator's."""
    sizes = [data.made.frame(week).num_rows for week in WEEKS]
    assert max(sizes) < 1.15 * min(sizes)


# The flaws of real extracts -----------------------------------------------------------------------------------------


def test_dialects_have_their_own_columns(data: Data) -> None:
    columns = {file: list(table.columns) for file, table in data.tables.items()}
    wallet = data.dialect == "wallet"
    assert ("AGE" in columns["DEMOGRAFICOS.csv"]) is ("CARD_TYPE" in columns["DEMOGRAFICOS.csv"]) is wallet
    assert ("RANGO_EDAD" in columns["DEMOGRAFICOS.csv"]) is ("TARJETAS" in columns["DEMOGRAFICOS.csv"]) is not wallet
    assert sum(name.startswith("MAU_MP_") for name in columns["ACTIVE_USER.csv"]) == (6 if wallet else 3)
    assert sum(name.startswith("PLATA_CUENTA_") for name in columns["DINERO_CUENTA.csv"]) == (3 if wallet else 2)
    assert (columns["PAYMENTS.csv"] == sorted(columns["PAYMENTS.csv"])) is not wallet


def test_ids_are_written_in_both_ways(data: Data) -> None:
    def with_point(file: str) -> set[bool]:
        return {value.endswith(".0") for value in data.tables[file]["CUS_CUST_ID_BUY"] if value}

    assert with_point("PAYMENTS.csv") == {data.dialect == "bank"}
    assert with_point("DINERO_CUENTA.csv") == {True}
    assert with_point("DEMOGRAFICOS.csv") == {False}


def test_days_have_a_time_in_one_dialect(data: Data) -> None:
    lengths = Counter(len(value) for value in data.tables["PAYMENTS.csv"]["FECHA"])
    assert lengths.most_common(1)[0][0] == (19 if data.dialect == "bank" else 10)


def test_words_vary_as_branches_type_them(data: Data) -> None:
    people, money = data.tables["DEMOGRAFICOS.csv"], data.tables["DINERO_CUENTA.csv"]
    assert {value.strip() for value in people["GENDER"]} == set(synthetic.GENDERS[data.dialect]) | {""}
    assert any(value != value.strip() for value in people["GENDER"])
    for change in (str.upper, str.lower, lambda value: f" {value}", lambda value: f"{value} "):
        assert change("Buenos Aires") in set(people["ESTADO"])
    assert set(money["INVERSION"]) == set(synthetic.INVESTMENT[data.dialect]) | {""}


def test_text_is_utf_8_and_has_quoted_commas(data: Data) -> None:
    text = data.text("DEMOGRAFICOS.csv")
    assert '"Palermo, Ciudad Autónoma de Buenos Aires"' in text
    assert ("Entre 31 y 35 años" in text) is (data.dialect == "bank")


def test_users_are_missing_from_some_files_and_twice_in_others(data: Data) -> None:
    ids = {
        file: [value.removesuffix(".0") for value in table["CUS_CUST_ID_BUY"]] for file, table in data.tables.items()
    }
    everybody = {value for values in ids.values() for value in values if value}
    assert USERS * 0.99 < len(everybody) <= USERS
    for file, values in ids.items():
        assert len(set(values)) < len(everybody), file
        if file not in ("PAYMENTS.csv", "EVALUATE.csv"):
            assert len(values) > len(set(values)), file
    assert data.made.tables.duplicates == sum(
        len(values) - len(set(values)) for file, values in ids.items() if file != "PAYMENTS.csv"
    )


def test_the_second_line_of_a_user_says_something_else(data: Data) -> None:
    """Or it would not matter which one counts."""
    for file in ("ACTIVE_USER.csv", "DEMOGRAFICOS.csv", "DINERO_CUENTA.csv", "MARKETPLACE_DATA.csv"):
        table = data.tables[file]
        twice = table[table["CUS_CUST_ID_BUY"].duplicated(keep=False)]
        assert len(twice.drop_duplicates()) > twice["CUS_CUST_ID_BUY"].nunique(), file


def test_values_are_missing_in_most_columns(data: Data) -> None:
    for file in ("ACTIVE_USER.csv", "DEMOGRAFICOS.csv", "DINERO_CUENTA.csv", "MARKETPLACE_DATA.csv"):
        for name, values in data.tables[file].items():
            assert ("" in set(values)) is (name != "CUS_CUST_ID_BUY"), (file, name)
    assert 0.5 < (data.tables["PAYMENTS.csv"]["DESCUENTO"] == "").mean() < 0.95


def test_a_handful_of_payments_is_damaged_in_each_way_and_accounted_for(data: Data) -> None:
    payments, account = data.tables["PAYMENTS.csv"], data.made.account("payments")
    damaged = {value: (payments["FECHA"] == value).sum() for value in synthetic.DAMAGED_DATES.values()}
    broken = {value: (payments["SPENT"] == value).sum() for value in synthetic.DAMAGED_SPENT.values()}
    nobody = (payments["CUS_CUST_ID_BUY"] == "").sum()
    assert min(*damaged.values(), *broken.values(), nobody) >= 1
    assert max(*damaged.values(), *broken.values(), nobody) < 0.001 * len(payments)
    assert account["cus_cust_id_buy"]["missing"] == nobody
    assert account["fecha"]["unreadable"] == damaged["2019-02-30"] + damaged["n/a"]
    assert account["spent"]["unreadable"] == sum(broken.values())
    clean = data.made.tables
    assert clean.future == damaged["2091-01-01"]
    assert clean.dropped == nobody + damaged["2019-02-30"] + damaged["n/a"]
    assert clean.payments + clean.dropped == len(payments) == data.made.rows_read("payments")
    assert clean.last_day == LAST_DAY


def test_the_marketplace_extract_is_a_month_older(data: Data) -> None:
    """So its own day is before the cutoff of training; those of the others are after it."""
    known = data.made.tables.known_until
    assert known["PAYMENTS.csv"] == known["ACTIVE_USER.csv"] == LAST_DAY
    assert known["MARKETPLACE_DATA.csv"] == LAST_DAY - RECENCY_LAG < CUTOFF


def test_the_ground_truth_is_that_of_most_who_paid(data: Data) -> None:
    truth = data.tables["EVALUATE.csv"]
    payers = {value.removesuffix(".0") for value in data.tables["PAYMENTS.csv"]["CUS_CUST_ID_BUY"]} - {""}
    assert set(truth["CUS_CUST_ID_BUY"]) < payers
    assert 0.85 < len(truth) / len(payers) < 0.95
    assert set(truth["CHURN"]) == {"0", "1"}
    assert 0.15 < (truth["CHURN"] == "1").mean() < 0.6
