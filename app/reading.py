"""What the pages show, read by small functions: from the registry and the warehouse, which they only look at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import streamlit as st

from pipelines.churn import answers, drift, registry
from pipelines.churn.answers import Answers
from pipelines.churn.registry import Version
from pipelines.core.statements import query
from pipelines.services import artifacts, tracking, warehouse
from pipelines.services.artifacts import Place
from pipelines.services.warehouse import Row

MOST_ROWS = 100_000  # rejected rows that are downloaded; `python -m pipelines rejects --csv` has no limit


# Models -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Production:
    """The version that answers, and since when; None where the alias was moved by hand."""

    version: str
    since: datetime | None


def production(model: str) -> Production | None:
    """Asked for every answer: after a promotion or a rollback the next one is another version's."""
    version = tracking.version_of(model, registry.PRODUCTION)
    return None if version is None else Production(version, registry.production_since(model, version))


def answers_of(model: str, production: Production) -> Answers:
    """A version never changes while it is production: it is loaded once."""
    found = _answers_of(model, production)
    if found.background is None:  # it may be found again
        _answers_of.clear(model, production)
    return found


@st.cache_resource(max_entries=6, show_spinner="Loading the model …")
def _answers_of(model: str, production: Production) -> Answers:
    return answers.of_version(model, production.version)


def versions(model: str) -> list[Version]:
    """All versions of a model, newest first."""
    if not tracking.is_there():
        return []
    with tracking.errors_explained():
        return registry.versions(model)


def artifact(run_id: str, path: str) -> bytes | None:
    """A file that a run has logged; None where it has none, or it cannot be found now."""
    found = _artifact(run_id, path)
    if found is None:
        _artifact.clear(run_id, path)
    return found


@st.cache_data(max_entries=40, show_spinner=False)
def _artifact(run_id: str, path: str) -> bytes | None:
    with tracking.errors_explained():
        return registry.logged_file(run_id, path)


# The feature store ------------------------------------------------------------------------------------------------


def weeks() -> list[Row]:
    """The snapshots that there are, newest first, each with a customer for example."""
    with warehouse.reading() as connection:
        return connection.execute(query("churn/weeks")).fetchall()


def customer(snapshot: date, customer_id: int) -> Row | None:
    """What is known of a customer at a snapshot."""
    with warehouse.reading() as connection:
        asked = {"snapshot": snapshot, "customer": customer_id}
        return connection.execute(query("churn/customer"), asked).fetchone()


# Drift ------------------------------------------------------------------------------------------------------------


def drift_reports() -> list[Row]:
    """What was found week by week, newest first."""
    with warehouse.reading() as connection:
        return connection.execute(query("churn/drift_reports")).fetchall()


@st.cache_data(max_entries=4, show_spinner="Fetching the report …")
def drift_page(snapshot: date, path: str, key: str | None, made: datetime) -> str:  # noqa: ARG001 - made anew, another page
    """The report of a snapshot as Evidently wrote it: from the bucket where there is one, else from disk."""
    place = artifacts.bucket() if key else Place(str(Path(path).parent))
    return place.read(key or drift.report_name(snapshot)).decode("utf-8")


# Data quality -----------------------------------------------------------------------------------------------------


def gates(most: int) -> list[Row]:
    """The gates that ran last, newest first."""
    with warehouse.reading() as connection:
        return connection.execute(query("crypto/last_runs"), {"most": most}).fetchall()


def rejects_by_day(days: int) -> list[Row]:
    """Rejected rows by run date and reason, of the days up to the newest that has some."""
    with warehouse.reading() as connection:
        return connection.execute(query("crypto/rejects_by_day"), {"days": days}).fetchall()


def rejected_rows(run_date: date, reason: str | None, most: int) -> list[Row]:
    """Rejected rows of a date with a reason, or with any."""
    with warehouse.reading() as connection:
        asked = {"run_date": run_date, "reason": reason, "most": most}
        return connection.execute(query("crypto/rejected_rows"), asked).fetchall()


def data_docs(path: str) -> dict[str, str]:
    """The Data Docs of a gate, page by page, what came of it first; empty where they are gone."""
    place = Place(path)
    pages = sorted((name for name in place.names() if name.endswith(".html")), key=lambda name: name != "index.html")
    titles = ["What came of it" if name == "index.html" else name.removesuffix(".html") for name in pages]
    # Their links to one another lead nowhere within a page: they stand side by side.
    read = [re.sub(r'href="(?!#)[^"]*"', "", place.read(name).decode("utf-8")) for name in pages]
    return dict(zip(titles, read, strict=True))
