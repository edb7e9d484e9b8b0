"""The crypto flow by its older name; not scheduled, for `crypto_events_dag` is.

Readers of `ops.bt_crypto_events` find there a view on `prod.BT_CRYPTO_EVENTS`. What one of both DAGs did for a date is
done for the other.
"""

from airflow_dags.luigi_bridge import render
from pipelines import CryptoPipeline

dag = render(
    CryptoPipeline,
    "etl_crypto_events_d",
    None,
    doc=__doc__,
    tags=["crypto", "alias"],
    owner="data-engineering",
    params=("date", "window_days", "on_invalid", "source", "allow_mass_deactivation"),
)
