"""Every day, production holds the trusted crypto events of the last five days.

Rows are judged before they are loaded. A bad row stops the load at its gate: the gate's log names the rule, the count,
the rejects and the Data Docs. Mend the rows in raw history and clear `build_events_candidate` and what follows; or
trigger the date again with `on_invalid=quarantine` to load the good ones now.
"""

from airflow_dags.luigi_bridge import render
from pipelines import CryptoPipeline

dag = render(
    CryptoPipeline,
    "crypto_events_dag",
    "@daily",
    doc=__doc__,
    tags=["crypto", "daily"],
    owner="data-engineering",
    params=("date", "window_days", "on_invalid", "source", "allow_mass_deactivation"),
)
