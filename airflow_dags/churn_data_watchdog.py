"""Every day, looks whether the churn files have changed; if so, `churn_training_dag` begins by itself.

The content of each file (SHA-256) is compared with that of the last time, which `source_hashes.json` holds. Where
nothing has changed, what follows is skipped. If `emit_dataset_update` fails, clear it: it tells again.
"""

from airflow_dags.luigi_bridge import render
from pipelines import ChurnWatchdog

dag = render(
    ChurnWatchdog,
    "churn_data_watchdog",
    "@daily",
    doc=__doc__,
    tags=["churn", "daily"],
    owner="ml-engineering",
)
