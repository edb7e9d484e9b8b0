"""Retrains `churn-model` when its five files were updated, and promotes it if it is better.

Candidate and production are judged on the same customers; promotion needs a gain of `CHURN_PROMOTION_MIN_DELTA` in
AUC. The previous version stays one command away: `python -m pipelines models rollback churn-model`.
"""

from airflow_dags.luigi_bridge import render
from pipelines import ChurnTraining, ChurnWatchdog

dag = render(
    ChurnTraining,
    "churn_training_dag",
    ChurnWatchdog.last.makes,
    doc=__doc__,
    tags=["churn", "model"],
    owner="ml-engineering",
)
