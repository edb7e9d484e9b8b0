"""Score customers: one by hand, one of the feature store, or a file of many; and why."""

from __future__ import annotations

import textwrap
from datetime import date
from typing import Any

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app import reading, showing
from pipelines.churn import answers, registry, uploads
from pipelines.churn.answers import THRESHOLD, Answers, Contribution
from pipelines.churn.declaration import FEATURES, Feature

BY_HAND, BY_ID, BY_FILE = "By hand", "From the feature store", "A file of many"
SHOWN = 1_000  # rows of a scored file
NAMED = 30  # columns that are ignored
BARS = 10
LETTERS = 30  # of a line of a label
LINES = "split(datum.label, '\\n')"


def page() -> None:
    st.title("Score")
    model = st.radio("Model", registry.MODELS, horizontal=True, key="model")
    st.caption(f"It tells the probability {answers.MEANINGS[model].explained}.")
    production = reading.production(model)
    _tell_who_answers(model, production)
    how = st.radio("Customers", (BY_HAND, BY_ID, BY_FILE), horizontal=True, key="how")
    if how != BY_FILE:
        forget_file()
    {BY_HAND: by_hand, BY_ID: by_id, BY_FILE: by_file}[how](model, production)


def _tell_who_answers(model: str, production: reading.Production | None) -> None:
    if production is None:
        train = showing.TRAIN
        if model == registry.CHURN_LOGREG:
            train = showing.command("luigi --module pipelines ChurnLogregTraining", "churn_train_register_m")
        st.warning(
            f"**Local heuristic.** {model} has no version in production yet: a rule of thumb answers, from how lately "
            f"and how often a customer paid. To train one: {train}",
            icon=":material/science:",
        )
        return
    since = showing.since(production.since)
    st.caption(f"{model} version {production.version} (@{registry.PRODUCTION}) answers, in production since {since}.")


def who_answers(model: str, production: reading.Production | None) -> Answers:
    """The version in production, or the rule of thumb."""
    showing.imported()
    return answers.heuristic(model) if production is None else reading.answers_of(model, production)


# One customer -----------------------------------------------------------------------------------------------------


def by_hand(model: str, production: reading.Production | None) -> None:
    """The form is the declaration of the features."""
    values: dict[str, float | str | None] = {}
    asked = answers.asked_of(model)
    with st.form("customer", border=False):
        for about in dict.fromkeys(each.about for each in asked):
            st.subheader(about)
            columns = st.columns(3)
            for place, feature in enumerate(each for each in asked if each.about == about):
                with columns[place % 3]:
                    values[feature.name] = _field(feature)
        if st.form_submit_button("Score", type="primary"):
            answer_one(who_answers(model, production), values)


def _field(feature: Feature) -> float | str | None:
    if feature.is_category:
        word: str | None = st.selectbox(
            feature.label, feature.choices, help=feature.help, key=feature.name, accept_new_options=True
        )
        return word and word.strip().lower()  # as a file's
    if feature.is_flag:
        chosen = st.selectbox(feature.label, ("no", "yes"), int(feature.default), help=feature.help, key=feature.name)
        return float(chosen == "yes")
    kind: type = int if feature.whole else float
    number: float | None = st.number_input(
        feature.label, kind(feature.low), kind(feature.high), kind(feature.default),
        step=kind(1 if feature.whole else 100), help=feature.help, key=feature.name,
    )  # fmt: skip
    return number


def by_id(model: str, production: reading.Production | None) -> None:
    """A customer as the feature store knows it."""
    weeks = {row["snapshot_date"]: row["example"] for row in reading.weeks()}
    if not weeks:
        fill = showing.command("luigi --module pipelines ChurnFeatureStore", "churn_feature_build_w")
        st.info(f"The feature store is empty. To fill it: {fill}")
        return
    with st.form("stored", border=False):
        left, right = st.columns(2)
        week = left.selectbox("Week (day of the snapshot)", weeks, key="week")
        written = right.text_input(
            "Customer id", key="customer", placeholder=f"for example {weeks[week]}", help="As in CUS_CUST_ID_BUY."
        )
        if not st.form_submit_button("Look up and score", type="primary"):
            return
    row = found(week, written)
    if row is not None:
        st.subheader(f"Customer {row['customer_id']}, {week}")
        answer_one(who_answers(model, production), {each.name: row[each.name] for each in FEATURES})


def found(week: date, written: str) -> dict[str, Any] | None:
    """The customer's row; where there is none, the page says so."""
    number = written.strip().removesuffix(".0")
    if not (number.isascii() and number.isdigit() and len(number) < 20 and int(number) < 2**63):
        st.error(f"“{showing.plain(written[:40])}” is no customer id: a whole number is needed.")
        return None
    row = reading.customer(week, int(number))
    if row is None:
        st.error(f"Customer {number} is not among those of {week}: only who paid in the 90 days before is.")
    return row


def answer_one(who: Answers, values: dict[str, float | str | None]) -> None:
    """The probability, the class, and why."""
    probability, why = who.of_one(values)
    meaning = who.meaning
    first, second, third = st.columns(3)
    first.metric(meaning.probability, f"{probability:.4f}")
    second.metric("Class", who.of_class(probability))
    third.metric("Threshold", f"{THRESHOLD:g}")
    given_by = f"{who.model} version {who.version} (@{registry.PRODUCTION})" if who.version else "the local heuristic"
    st.caption(f"Answered by {given_by}. From {THRESHOLD:g} on, the class is “{meaning.yes}”.")
    if not why:
        st.info(f"Version {who.version} has no explanation: trained before they were kept, or its files are not there.")
        return
    st.subheader("Why")
    st.caption(
        "What each fact adds to the answer, against the average customer that the model has learnt from: "
        "its SHAP value, in log-odds."
    )
    showing.chart(*_bars(who, why))
    st.table(
        [
            {"What is known": each.feature.label, "Value": showing.plain(each.feature.shown(each.value)),
             "SHAP value": f"{each.effect:+.3f}", "Moves the answer": _direction(who, each.effect)}
            for each in why
        ],
        hide_index=True, alt="What is known of the customer, and how far each fact moves the answer",
    )  # fmt: skip


def _direction(who: Answers, effect: float) -> str:
    if abs(effect) < 5e-4:
        return "hardly"
    return who.meaning.up if effect > 0 else who.meaning.down


def _bars(who: Answers, why: list[Contribution]) -> tuple[Any, str]:
    """The picture of the largest contributions, and the same in words."""
    import altair as alt
    import pandas as pd

    meaning = who.meaning
    # Blue is staying, whichever number the model gives.
    colours = [showing.BLUE, showing.ORANGE] if meaning.yes == "stays" else [showing.ORANGE, showing.BLUE]
    bars = [
        {"fact": f"{each.feature.label}: {each.feature.shown(each.value)}", "effect": each.effect,
         "direction": meaning.up if each.effect > 0 else meaning.down}
        for each in why[:BARS]
    ]  # fmt: skip
    if rest := sum(each.effect for each in why[BARS:]):
        direction = meaning.up if rest > 0 else meaning.down
        bars.append({"fact": f"{len(why) - BARS} others together", "effect": rest, "direction": direction})
    labels = ["\n".join(textwrap.wrap(str(each["fact"]), LETTERS, max_lines=2, placeholder=" …")) for each in bars]
    names = alt.Axis(labelExpr=LINES, labelLimit=200, labelOverlap=False)
    drawn = (
        alt.Chart(pd.DataFrame(bars).assign(label=labels))
        .mark_bar()
        .encode(
            x=alt.X("effect:Q", title="SHAP value (log-odds)", axis=alt.Axis(tickCount=6)),
            y=alt.Y("label:N", sort=None, title=None, axis=names),
            color=alt.Color(
                "direction:N", title=None, legend=alt.Legend(orient="top", columns=1),
                scale=alt.Scale(domain=[meaning.up, meaning.down], range=colours),
            ),
            tooltip=["fact", alt.Tooltip("effect:Q", format="+.3f"), "direction"],
        )
        .properties(height=showing.rows_high(len(bars), lines=2))
    )  # fmt: skip
    told = "; ".join(f"{each['fact']}, {each['effect']:+.2f} {each['direction']}" for each in bars[:5])
    return drawn, f"Bars of what moves the answer most: {told}."


# Many -------------------------------------------------------------------------------------------------------------


def forget_file() -> None:
    """Nothing of a file is kept once it is not shown any more: neither its answers nor the file."""
    st.session_state.pop("scored", None)
    file_id, session = st.session_state.pop("uploaded", None), get_script_run_ctx()
    if file_id and session and isinstance(session.uploaded_file_mgr, MemoryUploadedFileManager):
        session.uploaded_file_mgr.remove_file(session.session_id, file_id)


def by_file(model: str, production: reading.Production | None) -> None:
    """A file is scored when it comes, and again by another model or version."""
    names = ", ".join(f"`{each.name}`" for each in answers.asked_of(model))
    with st.expander("Which columns?"):
        st.markdown(
            f"{names}; `customer_id` if you like. In any order; others are ignored. An empty value counts as the "
            "feature's default. The feature store (`features.churn_weekly_features`) has just these."
        )
    file = st.file_uploader(
        f"CSV or Parquet, up to {uploads.MOST_MEGABYTES} MB and {uploads.MOST_ROWS:,} rows", type=["csv", "parquet"],
        max_upload_size=uploads.MOST_MEGABYTES, key="file",
        help="It is scored in memory, and forgotten when you remove it or go to another page.",
    )  # fmt: skip
    if file is None:
        forget_file()
        return
    st.session_state["uploaded"] = file.file_id
    key = (file.file_id, model, production)
    if st.session_state.get("scored", (None, None))[0] != key:
        st.session_state.pop("scored", None)  # its memory is needed
        st.session_state["scored"] = key, *_scored(file, who_answers(model, production))
    _, outcome, written = st.session_state["scored"]
    if isinstance(outcome, uploads.WrongValues):
        _show_problems(outcome)
    elif isinstance(outcome, uploads.UnusableFile):
        st.error(showing.plain(str(outcome)))
    else:
        show_scored(file.name, model, outcome, written)


def _scored(file: Any, who: Answers) -> tuple[uploads.Scored | uploads.UnusableFile, bytes]:
    """The answers, and as a file; or why there are none."""
    bar = st.progress(0.0)

    def show(share: float) -> None:
        bar.progress(share, f"Scoring {showing.plain(file.name)} …")

    try:
        scored = uploads.score(file.name, file, who, show)
        return scored, showing.spreadsheet(scored.table)
    except uploads.UnusableFile as unusable:
        return unusable.with_traceback(None), b""
    finally:
        bar.empty()


def _show_problems(wrong: uploads.WrongValues) -> None:
    st.error(f"{showing.plain(str(wrong))} Mend it and upload it again.")
    rows = [
        {"row": "all" if each.row is None else f"{each.row:,}", "column": each.column, "problem": each.said}
        for each in wrong.problems
    ]
    st.dataframe(rows, hide_index=True, alt="What is wrong with the file, row by row")
    which = f"The first {len(wrong.problems):,} of {wrong.count:,}. " if wrong.count > len(wrong.problems) else ""
    st.caption(f"{which}Row 1 is the first one below the header; empty lines are not counted.")


def show_scored(name: str, model: str, scored: uploads.Scored, written: bytes) -> None:
    """Counts, a picture, a table and a download."""
    meaning, table = answers.MEANINGS[model], scored.table
    probabilities = table["probability"].to_numpy()
    yes = int((probabilities >= THRESHOLD).sum())
    first, second, third = st.columns(3)
    first.metric("Rows scored", f"{len(table):,}")
    second.metric(f"Class “{meaning.yes}”", f"{yes:,}")
    third.metric(f"Class “{meaning.no}”", f"{len(table) - yes:,}")
    if scored.ignored:
        st.caption(f"Columns that the model does not look at, ignored: {_listed(scored.ignored)}.")
    if scored.missing:
        told = ", ".join(f"{column} {count:,}" for column, count in scored.missing.items())
        st.caption(f"Missing values, taken as the feature's default: {told}.")
    showing.chart(*_histogram(meaning, probabilities))
    st.dataframe(table.slice(0, SHOWN).to_pandas(), hide_index=True, alt=f"The first answers of {name}")
    if len(table) > SHOWN:
        st.caption(f"The first {SHOWN:,} rows; the download has all {len(table):,}.")
    st.download_button(
        "Download as CSV", written, f"{name.rpartition('.')[0]}-{model}.csv", "text/csv", on_click="ignore",
        icon=":material/download:",
    )  # fmt: skip


def _listed(columns: list[str]) -> str:
    more = f" and {len(columns) - NAMED:,} more" if len(columns) > NAMED else ""
    return showing.plain(", ".join(each[:40] for each in columns[:NAMED])) + more


def _histogram(meaning: answers.Meaning, probabilities: Any) -> tuple[Any, str]:
    import altair as alt
    import numpy as np
    import pandas as pd

    counts, edges = np.histogram(probabilities, bins=20, range=(0, 1))
    tenths = alt.Axis(format=".1f", values=[tenth / 10 for tenth in range(11)])
    bins = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "customers": counts})
    drawn = (
        alt.Chart(bins)
        .mark_bar(color=showing.BLUE)
        .encode(
            x=alt.X("from:Q", bin="binned", title=meaning.probability, axis=tenths),
            x2="to:Q",
            y=alt.Y("customers:Q", title="Customers"),
            tooltip=[alt.Tooltip("from:Q", format=".2f"), alt.Tooltip("to:Q", format=".2f"), "customers"],
        )
    )
    low, middle, high = np.percentile(probabilities, (25, 50, 75))
    return (
        drawn,
        f"{meaning.probability} of the file's rows: half are between {low:.2f} and {high:.2f}, around {middle:.2f}.",
    )
