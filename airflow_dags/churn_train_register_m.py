"""Every month, trains `churn-logreg` on the last weekly snapshots, registers it, and promotes it if it is better."""

from airflow_dags.luigi_bridge import render
from pipelines import ChurnLogregTraining

dag = render(
    ChurnLogregTraining,
    "churn_train_register_m",
    "@monthly",
    doc=__doc__,
    tags=["churn", "model", "monthly"],
    owner="ml-engineering",
    params=("date", "lookback_weeks"),
)
