"""A random life of the flow, held against a small model: changes in raw, runs, settings, kills, two runs at once."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from pipelines import CryptoMerge
from pipelines.core.errors import GateFailed, MassDeactivation
from pipelines.services import expectations, warehouse
from pipelines.services.settings import settings as flow_settings
from tests import helpers
from tests.properties.model import Event, Key, Model, Raw, same

FIRST = date(2023, 2, 1)
GOOD_DAYS = ["1/2/2023", "01/02/2023", "2/2/2023", "3/2/2023", "31/1/2023"]
BAD_DAYS = ["31/02/2023", "2023-02-01", "soon", "1/1/2999", None]


def mostly(good: list[Any], bad: list[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(*[st.sampled_from(good)] * 12, st.sampled_from(bad))


ROWS = st.builds(
    Raw,
    site_id=mostly(["ARGENTINA", "BRASIL"], ["CHILE", None]),
    user_id=mostly([1, 2, 3, 4], [None]),
    purchase_date=mostly(GOOD_DAYS, BAD_DAYS),
    crypto_type=mostly(["BTC", "ETH"], ["DOGE", None]),
    price=mostly([Decimal("10.0000"), Decimal("20.5000")], [Decimal("-1.0000"), Decimal("NaN"), None]),
    units=mostly([Decimal("1.00000000"), Decimal("0.33333333")], [Decimal("0E-8"), None]),
)
RUNS = st.fixed_dictionaries(
    {
        "date": st.integers(0, 2).map(lambda days: FIRST + timedelta(days=days)),
        "window_days": st.sampled_from([1, 3]),
        "on_invalid": st.sampled_from(["halt", "quarantine", "quarantine"]),
        "allow_mass_deactivation": st.booleans(),
    }
)


def run_stages(options: dict[str, Any]) -> None:
    """What one process does; versions of the sources are pinned afresh, as in a new one."""
    helpers.new_run()
    for each in CryptoMerge(**options, no_top_up=True, quiet=True).stages():
        each.run()


def in_child(work: Callable[[], None]) -> int:
    """Fork a process that does the work and leaves without any clean-up; return its pid."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except (GateFailed, MassDeactivation):
            code = 30
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def killed_at(query_number: int, options: dict[str, Any]) -> None:
    """Run, and be killed -9 when the n-th query is about to be asked: within a transaction or between two."""
    asked = 0
    real = warehouse.query

    def query(name: str) -> Any:
        nonlocal asked
        asked += 1
        if asked == query_number:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(name)

    for module in (warehouse, *(m for m in list(sys.modules.values()) if getattr(m, "query", None) is real)):
        module.query = query  # type: ignore[attr-defined]
    run_stages(options)


class FlowMachine(RuleBasedStateMachine):
    """Every successful run leaves production as the model has it, and every judged row is somewhere."""

    rows = Bundle("rows")

    @initialize()
    def begin(self) -> None:
        helpers.new_run()
        self.database = warehouse.connection()
        helpers.empty(self.database)
        self.model = Model()
        self.raw: dict[int, Raw] = {}
        self.share, self.sites = 0.9, ("ARGENTINA", "BRASIL")
        self.use_settings()

    def use_settings(self) -> None:
        os.environ["MAX_REJECT_SHARE"] = str(self.share)
        os.environ["CRYPTO_SITES"] = ",".join(self.sites)
        flow_settings.cache_clear()

    # What happens to raw history -------------------------------------------------------------------------------------

    @rule(target=rows, added=st.lists(ROWS, min_size=1, max_size=6), copies=st.integers(1, 2))
    def insert(self, added: list[Raw], copies: int) -> int:
        for row in added * copies:
            found = self.database.execute(
                "INSERT INTO raw.bt_crypto_transaction_history (site_id, user_id, purchase_date, crypto_type,"
                " purchase_price, purchase_units) VALUES (%s, %s, %s, %s, %s, %s) RETURNING ingest_id",
                row,
            ).fetchone()
            assert found is not None
            self.raw[found["ingest_id"]] = row
        return max(self.raw)

    @rule(ingest_id=rows, row=ROWS)
    def update(self, ingest_id: int, row: Raw) -> None:
        if ingest_id in self.raw:
            self.database.execute(
                "UPDATE raw.bt_crypto_transaction_history SET site_id = %s, user_id = %s, purchase_date = %s,"
                " crypto_type = %s, purchase_price = %s, purchase_units = %s WHERE ingest_id = %s",
                (*row, ingest_id),
            )
            self.raw[ingest_id] = row

    @rule(ingest_id=rows)
    def delete(self, ingest_id: int) -> None:
        self.database.execute("DELETE FROM raw.bt_crypto_transaction_history WHERE ingest_id = %s", (ingest_id,))
        self.raw.pop(ingest_id, None)

    @rule(share=st.sampled_from([0.1, 0.5, 0.9]), chile=st.booleans())
    def change_settings(self, share: float, chile: bool) -> None:
        self.share, self.sites = share, ("ARGENTINA", "BRASIL", *(["CHILE"] if chile else []))
        self.use_settings()

    # Runs ------------------------------------------------------------------------------------------------------------

    @rule(options=RUNS)
    def run(self, options: dict[str, Any]) -> None:
        if self.nothing_to_do(options):
            before = self.production()
            run_stages(options)
            assert self.production() == before
            return
        judged, bad, error, after = self.expected(options)
        if error is None:
            run_stages(options)
            self.accept(judged, bad, options, after)
        else:
            before = self.production()
            with pytest.raises(error):
                run_stages(options)
            assert self.production() == before, "a refused run touched production"
            if error is GateFailed:
                assert self.rejects(options["date"]) >= {(key, tuple(sorted(why))) for key, why in bad.items()}
            elif options["on_invalid"] == "quarantine":
                self.model.quarantined |= {ingest_id: judged[ingest_id] for ingest_id in bad}

    @rule(options=RUNS, query_number=st.integers(1, 60))
    def run_killed(self, options: dict[str, Any], query_number: int) -> None:
        helpers.new_run()
        os.waitpid(in_child(lambda: killed_at(query_number, options)), 0)
        warehouse.lock("crypto", print)  # once the server has noticed that the killed run is gone
        self.note_quarantined()
        assert self.production() in (self.model.production, self.expected(options)[3]), "half a merge"
        self.model.production = self.production()

    @rule(options=RUNS, other=RUNS)
    def run_twice_at_once(self, options: dict[str, Any], other: dict[str, Any]) -> None:
        """Two dates at once must end as one after the other, in either order."""
        helpers.new_run()
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in
                 [in_child(lambda: run_stages(options)), in_child(lambda: run_stages(other))]]  # fmt: skip
        assert set(codes) <= {0, 30}, codes
        one, two = self.expected(options)[3], self.expected(other)[3]
        self.note_quarantined()
        found, before = self.production(), self.model.production
        assert found.keys() <= before.keys() | one.keys() | two.keys(), "an event that neither run could load"
        self.model.production = found

    # What must hold --------------------------------------------------------------------------------------------------

    def expected(self, options: dict[str, Any]) -> tuple[dict[int, Raw], dict[int, set[str]], Any, dict[Key, Event]]:
        today, days = flow_settings().today(), options["window_days"]
        judged = self.model.judged(self.raw, options["date"], days, today)
        bad = self.model.verdicts(judged, today, self.sites, flow_settings().crypto_types)
        after, deactivated, active = self.model.merged(judged, bad, options["date"], days)
        if bad and (options["on_invalid"] == "halt" or len(bad) >= self.share * len(judged)):
            return judged, bad, GateFailed, after
        if not options["allow_mass_deactivation"] and deactivated > 0.5 * active:
            return judged, bad, MassDeactivation, after
        return judged, bad, None, after

    def accept(
        self, judged: dict[int, Raw], bad: dict[int, set[str]], options: dict[str, Any], after: dict[Key, Event]
    ) -> None:
        assert self.production() == after
        self.model.production = after
        self.model.quarantined |= {ingest_id: judged[ingest_id] for ingest_id in bad}
        rejected = dict(self.rejects(options["date"]))
        for ingest_id, row in judged.items():
            if ingest_id in bad:
                assert rejected[ingest_id] == tuple(sorted(bad[ingest_id])), "a bad row without its reasons"
            else:
                assert (row.price, row.units, True) in [(e.price, e.units, e.active) for e in after.values()]
        assert self.nothing_to_do(options), "a rerun would not be a no-op"

    def nothing_to_do(self, options: dict[str, Any]) -> bool:
        helpers.new_run()
        return CryptoMerge(**options, no_top_up=True, quiet=True).requires().complete()

    def production(self) -> dict[Key, Event]:
        rows = self.database.execute("SELECT * FROM prod.bt_crypto_events")
        return {
            (row["site_id"], row["user_id"], row["purchase_date"], row["crypto_type"]): Event(
                row["purchase_price"], row["purchase_units"], row["purchase_value"], row["is_active"]
            )
            for row in rows
        }

    def rejects(self, run_date: date) -> set[tuple[int, tuple[str, ...]]]:
        rows = self.database.execute("SELECT * FROM dqm.bt_crypto_events_rejects WHERE run_date = %s", (run_date,))
        return {(row["ingest_id"], tuple(sorted(row["reasons"]))) for row in rows}

    def note_quarantined(self) -> None:
        """A run that was killed or refused after its gate has set rows aside: take them over, in their own words."""
        for row in self.database.execute(
            "SELECT * FROM dqm.bt_crypto_events_rejects WHERE disposition = 'quarantined' ORDER BY rejected_at"
        ):
            kept = Raw(row["site_id"], row["user_id"], row["purchase_date"], row["crypto_type"],
                       row["purchase_price"], row["purchase_units"])  # fmt: skip
            if same(self.raw.get(row["ingest_id"]), kept):
                self.model.quarantined[row["ingest_id"]] = kept

    @invariant()
    def raw_is_as_users_left_it(self) -> None:
        if hasattr(self, "database"):
            found = self.database.execute("SELECT ingest_id FROM raw.bt_crypto_transaction_history")
            assert {row["ingest_id"] for row in found} == set(self.raw)


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("database")
def test_flow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random lives; ``KPI_EXAMPLES`` asks for more of them."""
    monkeypatch.setenv("MAX_REJECT_SHARE", "0.9")
    monkeypatch.setenv("CRYPTO_SITES", "ARGENTINA,BRASIL")
    expectations.loaded()
    run_state_machine_as_test(
        FlowMachine,
        settings=settings(
            max_examples=int(os.environ.get("KPI_EXAMPLES", "25")),
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
