"""Bring production to what was proven, in one transaction that touches only what differs."""

from __future__ import annotations

from pipelines.core.errors import MassDeactivation
from pipelines.core.statements import query
from pipelines.crypto.results import Merged
from pipelines.crypto.window import Window
from pipelines.services.warehouse import Connection, one


def merge(
    tx: Connection, window: Window, valid: int, max_deactivation_share: float, allow_mass_deactivation: bool
) -> Merged:
    """Insert, update, reactivate and deactivate events of the window.

    Args:
        tx: a transaction in which staging holds this window's judged rows.
        window: the days whose production may change.
        valid: how many candidates the gate let through.
        max_deactivation_share: of the window's active keys, how many may vanish at once (0 to 1).
        allow_mass_deactivation: go on all the same.

    Raises:
        MassDeactivation: more would vanish; nothing was written.
    """
    if one(tx, "crypto/is_new_window", window.bound())["is_new"]:  # first loads, and the months of a backfill
        inserted = tx.execute(query("crypto/insert_window")).rowcount
        return Merged(valid, inserted, 0, 0, 0, 0, production_version(tx))
    tx.execute(query("crypto/find_changes"), window.bound())
    changes = one(tx, "crypto/count_changes", {})
    if changes["deactivated"] and not allow_mass_deactivation:
        _refuse_outage(tx, window, changes["deactivated"], max_deactivation_share)
    known = changes["updated"] + changes["reactivated"]
    if changes["deactivated"]:
        tx.execute(query("crypto/deactivate"), window.bound())
    if known:
        tx.execute(query("crypto/upsert"))
    if changes["inserted"]:
        tx.execute(query("crypto/insert_new"))
    unchanged = valid - known - changes["inserted"]
    return Merged(valid=valid, **changes, unchanged=unchanged, production=production_version(tx))


def _refuse_outage(tx: Connection, window: Window, vanishing: int, max_share: float) -> None:
    active = one(tx, "crypto/count_active", window.bound())["keys"]
    if vanishing > max_share * active:
        raise MassDeactivation(
            f"The merge would deactivate {vanishing:,} of the {active:,} active keys from {window.start} to "
            f"{window.run_date}: more than MAX_DEACTIVATION_SHARE={max_share:g}. It looks like an upstream outage; "
            "production was not touched. If those rows are really gone, run again with --allow-mass-deactivation."
        )


def production_version(connection: Connection) -> str:
    """Another one where the table was emptied, restored or made anew: what was merged is not there any more."""
    return str(one(connection, "crypto/production_version", {})["production"])


def vacuum(connection: Connection) -> None:
    """Give back dead rows of production and refresh its statistics; outside of any transaction."""
    connection.execute(query("crypto/vacuum_prod"))
