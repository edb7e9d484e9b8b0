"""The app: score customers, look at models, at drift, and at why rows were rejected. It reads, and runs no stage."""

from collections.abc import Callable, Mapping

import streamlit as st

from app import drift, model, quality, score, showing

PAGES: Mapping[str, Callable[[], None]] = {
    "Score": score.page,
    "Model": model.page,
    "Drift": drift.page,
    "Data quality": quality.page,
}
WIDE = ("Drift", "Data quality")  # reports and tables of others

# In the address as ?page=…: a page can be sent to somebody.
page = st.segmented_control(
    "Page", PAGES, default="Score", required=True, key="page", bind="query-params", label_visibility="collapsed"
)
page = page or "Score"  # of an address with an empty one
st.set_page_config(f"{page} · KPI Delivery", page_icon="📈", layout="wide" if page in WIDE else "centered")
if page != "Score":
    score.forget_file()
with showing.calmly():
    PAGES[page]()
showing.prepare()
