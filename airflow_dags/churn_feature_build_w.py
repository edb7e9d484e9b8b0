"""Every week, loads the features of the week's snapshot into `features.churn_weekly_features`."""

from airflow_dags.luigi_bridge import render
from pipelines import ChurnFeatureStore

dag = render(
    ChurnFeatureStore,
    "churn_feature_build_w",
    "@weekly",
    doc=__doc__,
    tags=["churn", "weekly"],
    owner="data-engineering",
    params=("date", "weeks"),
)
