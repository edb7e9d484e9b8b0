"""Data quality: what the gates said of the last crypto runs, and which rows they rejected."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import reading, showing
from pipelines.services import console
from pipelines.services.warehouse import Row

GATES, DAYS, SHOWN = 30, 30, 1_000
ANY = "any reason"


def page() -> None:
    st.title("Data quality")
    gates = reading.gates(GATES)
    if not gates:
        st.info(f"No gate has run yet. To run the crypto flow: {showing.command('make crypto', 'crypto_events_dag')}")
        return
    st.subheader("The last gates")
    wide = {"reasons": st.column_config.TextColumn(width=480)}
    rows = [_line(each) for each in gates]
    st.dataframe(rows, hide_index=True, column_config=wide, alt="The gates that ran last, newest first")
    _show_docs(gates)
    st.subheader("Rejected rows")
    rejects = reading.rejects_by_day(DAYS)
    if not rejects:
        st.markdown("No row was rejected.")
        return
    showing.chart(*_by_day(rejects))
    st.caption("By the date of the run; a row with two reasons counts for both.")
    _drill_down(rejects)


def _line(gate: Row) -> dict[str, str]:
    reasons = sorted(gate["reasons"].items(), key=lambda each: -each[1])
    return {
        "date": str(gate["run_date"]), "suite": gate["suite_name"], "outcome": gate["outcome"],
        "judged": f"{gate['rows_judged']:,}", "rejected": f"{gate['rows_rejected']:,}",
        "finished": console.moment(gate["finished_at"]),
        "reasons": ", ".join(f"{reason} {rows:,}" for reason, rows in reasons),
    }  # fmt: skip


def _show_docs(gates: list[Row]) -> None:
    with_docs = {
        "{date}, {suite}: {outcome} ({finished})".format(**_line(each)): each["docs_path"]
        for each in gates
        if each["docs_path"]
    }
    if not with_docs:
        return
    if (asked := st.query_params.get("docs")) and asked not in with_docs:
        st.info(f"The Data Docs that the address names are not among those of the last {len(gates)} gates.")
    chosen = st.selectbox("Data Docs of", with_docs, key="docs", bind="query-params")
    where, link = with_docs[chosen], showing.link("Data quality", docs=chosen, open_docs="true")
    st.caption(f"They are at `{where}/index.html`; [link to them on this page]({link}).")
    if st.toggle("Open the Data Docs", key="open_docs", bind="query-params"):
        if not (pages := reading.data_docs(where)):
            st.info(f"They are gone; they were at {where}.")
            return
        for tab, (name, page) in zip(st.tabs(list(pages)), pages.items(), strict=True):
            with tab:
                showing.frame(page, 700, 600, f"Data Docs of {chosen}: {name}")


def _by_day(rejects: list[Row]) -> tuple[Any, str]:
    import altair as alt
    import pandas as pd

    rows = [{"day": str(each["run_date"]), "reason": each["reason"], "rows": each["rows"]} for each in rejects]
    drawn = (
        alt.Chart(pd.DataFrame(rows))
        .mark_bar()
        .encode(
            x=alt.X("day:O", title="Date of the run", axis=showing.dates()),
            y=alt.Y("sum(rows):Q", title="Rejected rows", axis=alt.Axis(format=",d", tickMinStep=1)),
            color=alt.Color("reason:N", title=None, legend=alt.Legend(orient="bottom", columns=2, labelLimit=260)),
            tooltip=["day", "reason", alt.Tooltip("sum(rows):Q", title="rows", format=",")],
        )
    )
    told = "; ".join(f"{each['day']} {each['reason']} {each['rows']:,}" for each in rows[-10:])
    return drawn, f"Rejected rows by date of the run and reason, the last of them: {told}."


def _drill_down(rejects: list[Row]) -> None:
    days = sorted({each["run_date"] for each in rejects}, reverse=True)
    left, right = st.columns(2)
    day = left.selectbox("Date of the run", days, key="reject_day")
    reasons = sorted({each["reason"] for each in rejects if each["run_date"] == day})
    reason = right.selectbox("Reason", [ANY, *reasons], key="reject_reason")
    asked = None if reason == ANY else reason
    rows = reading.rejected_rows(day, asked, SHOWN)
    st.dataframe(rows, hide_index=True, alt=f"Rejected rows of {day}, {reason}")
    if len(rows) == SHOWN:
        st.caption(f"The first {SHOWN:,} rows.")

    def written() -> bytes:
        import pandas as pd
        import pyarrow

        found = reading.rejected_rows(day, asked, reading.MOST_ROWS)
        # By pandas: of numbers, PostgreSQL's NaN is one that Arrow does not know.
        return showing.spreadsheet(pyarrow.Table.from_pandas(pd.DataFrame(found), preserve_index=False))

    st.download_button(
        "Download as CSV", written, f"rejects-{day}{f'-{asked}' if asked else ''}.csv", "text/csv", on_click="ignore",
        icon=":material/download:",
    )  # fmt: skip
    st.caption(
        f"Up to {reading.MOST_ROWS:,} rows; all of them, as they are: "
        f"`python -m pipelines rejects --date {day} --csv FILE`. Text that a spreadsheet would run begins with '."
    )
