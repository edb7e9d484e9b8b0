"""Drift: whether customers are still those that they were, week by week, and the reports of Evidently."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import reading, showing
from pipelines.churn import answers
from pipelines.churn.drift import DRIFT_SHARE
from pipelines.services import console
from pipelines.services.warehouse import Row


def page() -> None:
    st.title("Drift")
    reports = reading.drift_reports()
    if not reports:
        make = showing.command("luigi --module pipelines ChurnDriftReport", "churn_drift_monitor_w")
        st.info(f"There is no report yet. To make one: {make}")
        return
    st.caption(
        "Each week's customers against those of the eight weeks before, column by column. A week has drifted if "
        f"{DRIFT_SHARE:.0%} of the columns have (dashed), or more."
    )
    showing.chart(*_shares(reports))
    if any(each["drifted"] for each in reports):
        showing.chart(*_columns(reports))
    else:
        st.caption("No column has drifted in any week.")
    _show_report(reports)


def _shares(reports: list[Row]) -> tuple[Any, str]:
    import altair as alt
    import pandas as pd

    rows = pd.DataFrame([{"week": str(each["snapshot_date"]), "share": each["drift_share"]} for each in reports])
    line = alt.Chart(rows).mark_line(point=alt.OverlayMarkDef(size=70), color=showing.BLUE)
    line = line.encode(
        x=alt.X("week:O", title="Week", axis=showing.dates()),
        y=alt.Y("share:Q", title="Columns that drifted", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")),
        tooltip=["week", alt.Tooltip("share:Q", format=".0%")],
    )
    limit = alt.Chart(pd.DataFrame({"limit": [DRIFT_SHARE]})).mark_rule(color=showing.ORANGE, strokeDash=[4, 4])
    told = "; ".join(f"{each['snapshot_date']} {each['drift_share']:.0%}" for each in reports[:8])
    return line + limit.encode(y="limit:Q"), (
        f"Share of columns that drifted, by week, newest first: {told}. From {DRIFT_SHARE:.0%} on, a week has drifted."
    )


def _columns(reports: list[Row]) -> tuple[Any, str]:
    import altair as alt
    import pandas as pd

    found = [
        {"week": str(each["snapshot_date"]), "column": answers.label(name)}
        for each in reports
        for name in each["drifted"]
    ]
    weeks = sorted(str(each["snapshot_date"]) for each in reports)
    drawn = (
        alt.Chart(pd.DataFrame(found))
        .mark_square(size=140, color=showing.ORANGE)
        .encode(
            x=alt.X("week:O", title="Week", scale=alt.Scale(domain=weeks), axis=showing.dates()),
            y=alt.Y("column:N", title=None, axis=alt.Axis(labelLimit=320)),
            tooltip=["week", "column"],
        )
        .properties(title="Which columns drifted", height=showing.rows_high(len({each["column"] for each in found})))
    )
    told = "; ".join(f"{each['week']}: {each['column']}" for each in found[:10])
    return drawn, f"Columns that drifted, by week: {told}{' and more' if len(found) > 10 else ''}."


def _show_report(reports: list[Row]) -> None:
    by_week = {each["snapshot_date"]: each for each in reports}
    week = st.selectbox("Week", by_week, key="drift_week", bind="query-params")
    found = by_week[week]
    if found["stand_in"]:
        st.warning("There was no week before: this one was compared with itself and light noise. It tells nothing yet.")
    verdict = "has drifted" if found["drift_detected"] else "has not drifted"
    columns = ", ".join(map(answers.label, found["drifted"])) or "none"
    st.markdown(f"**{week} {verdict}**: {found['drift_share']:.0%} of the columns. Drifted: {columns}.")
    if found["left_out"]:
        with st.expander(f"{len(found['left_out'])} columns could not be compared"):
            rows = [{"column": answers.label(name), "because": why} for name, why in found["left_out"].items()]
            st.table(rows, hide_index=True, alt="Columns that were left out, and why")
    link = showing.link("Drift", drift_week=week, open_report="true")
    st.caption(f"Reported {console.moment(found['created_at'])}; [link to the report]({link}).")
    report = reading.drift_page(week, found["report_path"], found["report_key"], found["created_at"])
    st.download_button("Download the report", report, f"drift-{week}.html", "text/html", on_click="ignore",
                       icon=":material/download:")  # fmt: skip
    if st.toggle("Open the report of Evidently", key="open_report", bind="query-params"):
        showing.frame(report, 1040, 1000, f"Evidently's report of {week}")
