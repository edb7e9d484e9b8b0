"""Every knob, typed, in one place. Each is an environment variable of the same name in capitals."""

from __future__ import annotations

import difflib
import os
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pipelines.core.errors import UsageError
from pipelines.core.statements import ROOT


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _are_shares(values: tuple[float, ...]) -> tuple[float, ...]:
    if bad := [value for value in values if not 0 <= value <= 1]:
        raise ValueError(f"{bad[0]:g} is not between 0 and 1")
    return values


def _is_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("not a time zone of the IANA database")
    return value


def _are_plain(names: tuple[str, ...]) -> tuple[str, ...]:
    if bad := [name for name in names if not name.isprintable() or "\\" in name]:
        raise ValueError(f"{bad[0]!r} holds a backslash, or a character that cannot be seen")
    return names


Shares = Annotated[tuple[float, ...], NoDecode, BeforeValidator(_split), AfterValidator(_are_shares)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_are_plain)]


class Settings(BaseSettings):
    """The settings of both flows; the README's table is this class, field by field."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_ignore_empty=True)

    postgres_dsn: SecretStr | None = Field(None, description="PostgreSQL 15 to 18 to use instead of the embedded one")
    state_dir: Path = Field(ROOT / ".state", description="embedded PostgreSQL, Data Docs and other files of ours")
    project_timezone: Annotated[str, AfterValidator(_is_zone)] = Field(
        "America/Argentina/Buenos_Aires", description="zone in which today is today"
    )
    crypto_sites: Annotated[Names, Field(min_length=1)] = Field(
        ("ARGENTINA", "BRASIL", "MEXICO"), description="sites that are known"
    )
    crypto_types: Annotated[Names, Field(min_length=1)] = Field(
        ("BTC", "ETH", "USDC"), description="crypto currencies that are known"
    )
    min_rows_per_day: int = Field(
        1000, ge=0, le=5_000_000, description="generated history tops a day up to this; 0 turns it off"
    )
    crypto_window_days: int = Field(5, ge=1, le=3660, description="days a run looks back, its own date included")
    on_invalid: Literal["halt", "quarantine"] = Field("halt", description="what a bad row does to the load")
    max_reject_share: float = Field(0.1, ge=0, le=1, description="quarantine goes on only below this share of bad rows")
    max_deactivation_share: float = Field(
        0.5, ge=0, le=1, description="a merge that deactivates more of the window's active keys is refused"
    )
    lock_wait_seconds: float = Field(
        600, ge=0, le=86_400, description="how long a run waits for another one to end, or for a locked table"
    )
    run_history_days: int = Field(400, ge=1, le=36_500, description="how long runs stay in the ledger (ops.runs)")
    churn_data_root: str | None = Field(
        None, description="folder or s3:// of the churn files; without one they are generated in STATE_DIR/churn_data"
    )
    churn_users: int = Field(43_000, ge=100, le=20_000_000, description="users of generated churn files")
    churn_max_bad_share: float = Field(
        0.1, ge=0, le=1, description="a column of which a larger share cannot be read is refused with its file"
    )
    churn_reg_params: Annotated[Shares, Field(min_length=1)] = Field(
        (0.0001, 0.001, 0.01), description="regParam values of the training grid"
    )
    churn_elastic_net_params: Annotated[Shares, Field(min_length=1)] = Field(
        (0.0, 0.5), description="elasticNetParam values of the training grid"
    )
    churn_promotion_min_delta: float = Field(
        0.005, ge=0, le=1, description="AUC that a candidate must gain on production to be promoted"
    )
    churn_lookback_weeks: int = Field(8, ge=1, le=104, description="weekly snapshots that churn-logreg is trained on")
    churn_drift_sample: int = Field(
        20_000, ge=100, le=1_000_000, description="rows of each side above which drift looks at a sample"
    )
    artifacts_url: str | None = Field(
        None, description="folder or s3:// for features, reports and states; without one STATE_DIR/artifacts"
    )
    data_docs_url: str | None = Field(
        None, description="folder or s3:// for Data Docs; without one STATE_DIR/data_docs"
    )
    spark_master_url: str = Field("local[*]", description="where Spark runs")
    mlflow_tracking_uri: str | None = Field(
        None, description="MLflow server or store; without one SQLite in STATE_DIR/mlflow"
    )
    mlflow_s3_endpoint_url: str | None = Field(None, description="S3 server to use instead of that of AWS")
    aws_access_key_id: str | None = Field(None, description="key of the S3 server")
    aws_secret_access_key: SecretStr | None = Field(None, description="its secret")
    aws_region: str = Field("us-east-1", description="its region")
    notify_urls: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), description="Apprise URLs that are told of success; none: standard output"
    )

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.project_timezone)

    @property
    def home(self) -> Path:
        """``STATE_DIR`` as an absolute path."""
        return self.state_dir.expanduser().resolve()

    def make_home(self) -> Path:
        """``STATE_DIR``, made where it is missing.

        Raises:
            UsageError: it cannot be made.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"Setting STATE_DIR: {self.home} cannot be made: {error.strerror}.") from None
        return self.home

    def today(self) -> date:
        """The calendar day now, in the project's zone."""
        return datetime.now(self.zone).date()


def _refuse_misspelt() -> None:
    ours = [name.upper() for name in Settings.model_fields]
    for name in os.environ:
        if name not in ours and (close := difflib.get_close_matches(name, ours, n=1, cutoff=0.9)):
            raise UsageError(f"{name} is not a setting. Did you mean {close[0]}?")


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        UsageError: naming the setting that is wrong, or the one that was probably meant.
    """
    _refuse_misspelt()
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]).upper()
        shown = (
            "" if name in ("POSTGRES_DSN", "NOTIFY_URLS", "AWS_SECRET_ACCESS_KEY") else f"={os.environ.get(name, '')!r}"
        )
        raise UsageError(f"Setting {name}{shown} is wrong: {first['msg'].removeprefix('Value error, ')}.") from None
