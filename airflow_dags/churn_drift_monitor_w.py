"""Every week, compares the current snapshot with the eight weeks before it.

The report is a page of `drift_reports/` (and of the bucket, where there is one); its result is a row of
`ops.churn_drift`.
"""

from airflow_dags.luigi_bridge import render
from pipelines import ChurnDriftReport

dag = render(
    ChurnDriftReport,
    "churn_drift_monitor_w",
    "@weekly",
    doc=__doc__,
    tags=["churn", "weekly"],
    owner="ml-engineering",
)
