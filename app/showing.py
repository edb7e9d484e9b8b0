"""What all pages share: problems in plain words, charts that can be read aloud, files for a spreadsheet."""

from __future__ import annotations

import html
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from pipelines.core.errors import MissingInput, PipelineError, WarehouseUnreachable
from pipelines.services import console
from pipelines.services.tracking import TrackingUnreachable

BLUE, ORANGE = "#0072b2", "#d55e00"  # told apart by those who see colours otherwise, too
# What a spreadsheet would run: at the start of a value, or where one would split it whose separator is a semicolon.
FORMULA = r"(^|[;\t\r\n])([\s\p{Z}\p{Cf}\x00-\x1f\x85]*[=+\-@＝＋－＠]|[\t\r\n])"
MARKS = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_{}[]<>#!|$~"})
WHAT_TO_CHECK: Mapping[type[PipelineError], str] = {
    TrackingUnreachable: "Is MLflow up? On a laptop it is a file in `STATE_DIR`; in the stack `make ps` tells.",
    WarehouseUnreachable: "Is PostgreSQL up? `POSTGRES_DSN` names it; in the stack `make ps` tells.",
}
log = logging.getLogger("app")


@contextmanager
def calmly() -> Iterator[None]:
    """Tell a problem and what to check, with a button to try again; what it was in full goes to the log."""
    try:
        yield
    except MissingInput as nothing:
        st.info(str(nothing), icon=":material/info:")
        st.markdown(f"Rows, gates and rejects: {command('make crypto', 'crypto_events_dag')}")
        st.markdown(f"Models: {TRAIN}")
        _again()
    except PipelineError as problem:
        st.warning(f"{problem}", icon=":material/warning:")
        if advice := WHAT_TO_CHECK.get(type(problem)):
            st.markdown(advice)
        _again()
    except Exception as error:
        if type(error).__module__.startswith("streamlit"):
            raise  # how it stops a script, and starts it anew
        log.exception("a bug of ours")
        st.error(f"This page failed ({type(error).__name__}). The app's log tells more.", icon=":material/error:")
        _again()


def _again() -> None:
    st.button("Try again", icon=":material/refresh:", key="again")


def command(laptop: str, dag: str) -> str:
    """What to type where something is missing."""
    return f"`{laptop}`; in the stack: `make dag-run DAG={dag}`"


TRAIN = command("make churn", "churn_training_dag")
_importing = threading.Lock()


def imported() -> None:
    """What an answer needs. MLflow is broken for both if two threads import it at once: one waits for the other."""
    with _importing:
        import altair
        import mlflow.pyfunc
        import sklearn.pipeline  # noqa: F401

        altair.Chart()
        assert mlflow.pyfunc


@st.cache_resource
def prepare() -> None:
    """Import it while people read the first page."""

    def load() -> None:
        from pipelines.services import tracking

        imported()
        if tracking.is_there():
            tracking.client()

    threading.Thread(target=load, daemon=True).start()


def plain(text: str) -> str:
    """Text of somebody else as it is: no mark of it makes it bold, a link, or a picture from elsewhere."""
    return text.translate(MARKS)


def since(moment: datetime | None) -> str:
    """Since when a version is in production, in words."""
    return console.moment(moment) if moment else "a moment that was not noted"


def chart(drawn: Any, alt: str) -> None:
    """A chart with what it shows in words, for who cannot see it."""
    st.altair_chart(drawn, alt=alt)


def dates() -> Any:
    """An axis of days that are read without turning one's head; of many, each second one is told, or fewer."""
    import altair as alt

    return alt.Axis(labelAngle=0, labelOverlap="parity")


def rows_high(rows: int, lines: int = 1) -> int:
    """The height of a chart with so many named rows, of so many lines each; title, legend and axis are counted, too."""
    return (12 + 14 * lines) * rows + 150


def link(page: str, **chosen: object) -> str:
    """The address of a page of the app on which something is chosen."""
    return f"?{urlencode({'page': page, **chosen})}"


def frame(page: str, width: int, height: int, alt: str) -> None:
    """A page made by a library, kept apart: its scripts reach neither the app nor any other host.

    Args:
        width: pixels that it needs; where there are fewer, it is moved sideways.
    """
    policy = (
        "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; "
        "font-src data:"
    )
    inner = html.escape(f'<meta http-equiv="Content-Security-Policy" content="{policy}">{page}')
    st.iframe(
        f'<div style="overflow-x:auto"><iframe sandbox="allow-scripts" title="{html.escape(alt)}" srcdoc="{inner}" '
        f'style="border:0;width:100%;min-width:{width}px;height:{height - 36}px"></iframe></div>',
        height=height,
        alt=alt,
    )


def spreadsheet(table: Any) -> bytes:
    """An Arrow table as CSV that carries no formula: what would be one begins with an apostrophe."""
    import io

    import pyarrow
    import pyarrow.compute as pc
    import pyarrow.csv

    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(column.type):
            column = pc.replace_substring_regex(column, FORMULA, r"\1'\2")
        columns[name] = column
    written = io.BytesIO()
    pyarrow.csv.write_csv(pyarrow.table(columns), written)
    return written.getvalue()
