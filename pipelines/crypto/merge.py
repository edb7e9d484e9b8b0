"""Bring production to what was proven, in one transaction that touches only what differs."""

from __future__ import annotations

from pipelines.crypto.window import Window
from pipelines.errors import MassDeactivation
from pipelines.warehouse import Connection, one, query


def merge(
    tx: Connection, window: Window, valid: int, max_deactivation_share: float, allow_mass_deactivation: bool
) -> dict[str, int]:
    """Insert, update, reactivate and deactivate events of the window.

    Args:
        tx: a transaction in which staging holds this window's judged rows.
        window: the days whose production may change.
        valid: how many candidates the gate let through.
        max_deactivation_share: of the window's active keys, how many may vanish at once (0 to 1).
        allow_mass_deactivation: go on all the same.

    Returns:
        Counts of keys: ``valid``, ``inserted``, ``updated``, ``reactivated``, ``deactivated``, ``unchanged``.

    Raises:
        MassDeactivation: more would vanish; nothing was written.
    """
    guard = {"max_deactivation_share": max_deactivation_share, "allow_mass_deactivation": allow_mass_deactivation}
    counts = one(tx, "crypto/merge", {**window.bound(), **guard})
    if not counts.pop("merged"):
        raise MassDeactivation(
            f"The merge would deactivate {counts['deactivated']:,} of the {counts['active_before']:,} active keys from "
            f"{window.start} to {window.run_date}: more than MAX_DEACTIVATION_SHARE={max_deactivation_share:g}. It "
            "looks like an upstream outage; production was not touched. If those rows are really gone, run again with "
            "--allow-mass-deactivation."
        )
    changed = counts["inserted"] + counts["updated"] + counts["reactivated"]
    del counts["active_before"]
    return {"valid": valid, **counts, "unchanged": valid - changed}


def vacuum(connection: Connection) -> None:
    """Give back dead rows of production and refresh its statistics; outside of any transaction."""
    connection.execute(query("crypto/vacuum_prod"))
