"""A setting that is wrong or misspelt is refused by its name; secrets are never shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.core.errors import UsageError
from pipelines.services.settings import Settings, settings
from tests.helpers import set_settings

SECRET = "s3cret-pa55"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MIN_ROWS_PER_DAY", "-1"),
        ("MIN_ROWS_PER_DAY", "many"),
        ("MIN_ROWS_PER_DAY", "10.5"),
        ("CRYPTO_WINDOW_DAYS", "0"),
        ("CRYPTO_WINDOW_DAYS", "3661"),
        ("ON_INVALID", "ignore"),
        ("ON_INVALID", "HALT"),
        ("MAX_REJECT_SHARE", "1.01"),
        ("MAX_REJECT_SHARE", "-0.1"),
        ("MAX_REJECT_SHARE", "10%"),
        ("MAX_REJECT_SHARE", "nan"),
        ("MAX_DEACTIVATION_SHARE", "2"),
        ("MAX_DEACTIVATION_SHARE", "nan"),
        ("LOCK_WAIT_SECONDS", "-1"),
        ("LOCK_WAIT_SECONDS", "nan"),
        ("PROJECT_TIMEZONE", "Buenos Aires"),
        ("PROJECT_TIMEZONE", "../etc/passwd"),
        ("CRYPTO_SITES", ","),
        ("CRYPTO_TYPES", " , ,"),
        ("CRYPTO_TYPES", "BTC,E\tTH"),
        ("CRYPTO_SITES", "BRA\\SIL"),
    ],
)
def test_a_wrong_value_is_refused_with_the_name_and_the_value(monkeypatch, name: str, value: str) -> None:
    set_settings(monkeypatch, **{name: value})
    with pytest.raises(UsageError) as refusal:
        settings()
    assert f"{name}={value!r}" in str(refusal.value)
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("MIN_ROW_PER_DAY", "MIN_ROWS_PER_DAY"),
        ("MAX_REJECTS_SHARE", "MAX_REJECT_SHARE"),
        ("CRYPTO_SITE", "CRYPTO_SITES"),
        ("POSTGRES_DNS", "POSTGRES_DSN"),
        ("CRYPTO_WINDOWS_DAYS", "CRYPTO_WINDOW_DAYS"),
        ("MAX_DEACTIVATIONS_SHARE", "MAX_DEACTIVATION_SHARE"),
    ],
)
def test_a_misspelt_setting_is_refused_with_the_one_that_was_meant(monkeypatch, typed: str, meant: str) -> None:
    set_settings(monkeypatch, **{typed: SECRET})
    with pytest.raises(UsageError) as refusal:
        settings()
    assert typed in str(refusal.value)
    assert meant in str(refusal.value)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize("name", ["POSTGRES_USER", "STATE", "TODAY", "CRYPTO", "AIRFLOW__CORE__DAGS_FOLDER"])
def test_variables_of_others_are_none_of_our_business(monkeypatch, name: str) -> None:
    set_settings(monkeypatch, **{name: "theirs"})
    settings()


def test_lists_are_parsed_from_commas(monkeypatch) -> None:
    set_settings(
        monkeypatch, CRYPTO_SITES="CHILE, PERU ,,URUGUAY,", CRYPTO_TYPES="BTC", NOTIFY_URLS="json://a,json://b"
    )
    assert settings().crypto_sites == ("CHILE", "PERU", "URUGUAY")
    assert settings().crypto_types == ("BTC",)
    assert [url.get_secret_value() for url in settings().notify_urls] == ["json://a", "json://b"]


def test_an_empty_value_is_the_default(monkeypatch) -> None:
    set_settings(monkeypatch, ON_INVALID="", CRYPTO_SITES="", POSTGRES_DSN="", MIN_ROWS_PER_DAY="")
    assert settings().on_invalid == "halt"
    assert settings().crypto_sites == ("ARGENTINA", "BRASIL", "MEXICO")
    assert settings().postgres_dsn is None
    assert settings().min_rows_per_day == 1000


def test_the_state_is_that_of_the_tests(state: Path) -> None:
    assert settings().state_dir == state


def test_settings_are_read_once_and_cannot_be_changed(monkeypatch) -> None:
    set_settings(monkeypatch, MAX_REJECT_SHARE="0.2")
    assert settings().max_reject_share == 0.2
    monkeypatch.setenv("MAX_REJECT_SHARE", "0.3")
    assert settings().max_reject_share == 0.2
    with pytest.raises(ValueError, match="frozen"):
        settings().max_reject_share = 0.4


def test_secrets_are_shown_by_no_representation(monkeypatch) -> None:
    set_settings(monkeypatch, POSTGRES_DSN=f"postgresql://me:{SECRET}@db/kpi", NOTIFY_URLS=f"mailto://me:{SECRET}@host")
    for shown in (repr(settings()), str(settings()), str(settings().model_dump()), settings().model_dump_json()):
        assert SECRET not in shown


@pytest.mark.parametrize(
    "dsn", [f"postgresql://me:{SECRET}@[", f"password={SECRET} sslmode", f"hots=x password={SECRET}"]
)
def test_a_wrong_connection_string_is_refused_without_showing_it(monkeypatch, dsn: str) -> None:
    from pipelines.services import warehouse

    set_settings(monkeypatch, POSTGRES_DSN=dsn)
    with pytest.raises(UsageError, match="POSTGRES_DSN") as refusal:
        warehouse.dsn()
    assert SECRET not in str(refusal.value)


def test_what_a_library_says_of_mlflow_is_told_without_the_password(monkeypatch) -> None:
    from sqlalchemy.exc import OperationalError

    from pipelines.services import tracking

    where = f"postgresql://me:{SECRET}@db.internal:5432/kpi"
    set_settings(monkeypatch, MLFLOW_TRACKING_URI=where)
    with pytest.raises(tracking.TrackingUnreachable, match=r"db\.internal") as refusal, tracking.errors_explained():
        raise OperationalError(f"cannot connect to {where}: no route to host", None, OSError())
    assert SECRET not in str(refusal.value)


def test_a_secret_is_not_shown_with_another_settings_mistake(monkeypatch) -> None:
    set_settings(monkeypatch, POSTGRES_DSN=f"postgresql://me:{SECRET}@db/kpi", MAX_REJECT_SHARE="x")
    with pytest.raises(UsageError, match="MAX_REJECT_SHARE") as refusal:
        settings()
    assert SECRET not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


def test_every_setting_says_what_it_is_for() -> None:
    assert all(field.description for field in Settings.model_fields.values())
