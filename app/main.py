"""The app's front page: which models are in production, and what the last runs did."""

import streamlit as st

from pipelines import tracking, warehouse
from pipelines.errors import PipelineError

MODELS = ("churn-model", "churn-logreg")

st.set_page_config(page_title="KPI Delivery", page_icon="📈")
st.title("KPI Delivery")
try:
    st.subheader("Models in production")
    st.table({"model": MODELS, "version": [tracking.version_of(name, "production") or "none yet" for name in MODELS]})
    with warehouse.connect() as connection:
        for title, name in (("Crypto events: the last gates", "crypto/last_runs"), ("Churn", "churn/last_stages")):
            st.subheader(title)
            st.dataframe(connection.execute(warehouse.query(name)).fetchall(), hide_index=True)
except PipelineError as problem:
    st.warning(f"{problem}")
    st.button("Try again")
