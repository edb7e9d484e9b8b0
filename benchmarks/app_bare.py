"""What one writes in half an hour, for ``benchmarks.app``: the same form and file, the model's answer, and no why."""

import pandas as pd
import streamlit as st

from pipelines.churn.declaration import DECLARED, NUMERIC


@st.cache_resource
def model():
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model("models:/churn-model@production")


st.title("Score")
how = st.radio("Customers", ("By hand", "A file of many"))
if how == "By hand":
    with st.form("customer"):
        row = {name: st.number_input(DECLARED[name].label, value=float(DECLARED[name].default)) for name in NUMERIC}
        if st.form_submit_button("Score"):
            st.metric("Probability", f"{model().predict(pd.DataFrame([row]))[0]:.4f}")
elif file := st.file_uploader("File", type="csv"):
    rows = pd.read_csv(file)
    rows["probability"] = model().predict(rows[list(NUMERIC)].astype(float))
    st.dataframe(rows)
    st.download_button("Download as CSV", rows.to_csv(index=False), "scored.csv")
