"""Every week, production `churn-logreg` scores the week's cohort into `ops.churn_scoring`."""

from airflow_dags.luigi_bridge import render
from pipelines import ChurnBatchScore

dag = render(
    ChurnBatchScore,
    "churn_batch_score_w",
    "@weekly",
    doc=__doc__,
    tags=["churn", "weekly"],
    owner="ml-engineering",
    params=("date", "weeks"),
)
