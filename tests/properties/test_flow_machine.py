"""A random life of the flow, held against a small model: changes in raw, runs, settings, kills, two runs at once.

After each step the ledger must agree with the model, too: which runs there were, how they ended, and what each of their
stages did.
"""

from __future__ import annotations

import copy
import os
import signal
import time
import traceback
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import luigi
import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from luigi.execution_summary import LuigiStatusCode
from luigi.task_register import Register

from pipelines import CryptoMerge
from pipelines.core import ledger
from pipelines.services import expectations, warehouse
from pipelines.services.settings import settings as flow_settings
from tests import helpers
from tests.properties.model import MERGE, STAGES, VALIDATE_RAW, Event, Key, Model, Options, Raw, World, same

FIRST = date(2023, 2, 1)
GOOD_DAYS = ["1/2/2023", "01/02/2023", "2/2/2023", "3/2/2023", "31/1/2023"]
BAD_DAYS = ["31/02/2023", "2023-02-01", "soon", "1/1/2999", None]
MOST_ROUND_TRIPS = 210  # of a run with the server; a few more than there are
SKIPPED = [(stage, "skipped") for stage in STAGES]
Rows = list[tuple[str, str]]  # what the stages of a run did: stage and outcome


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
RUNS = st.builds(
    Options,
    run_date=st.integers(0, 2).map(lambda days: FIRST + timedelta(days=days)),
    window_days=st.sampled_from([1, 3]),
    on_invalid=st.sampled_from(["halt", "quarantine", "quarantine"]),
    allow_mass_deactivation=st.booleans(),
)


def root(options: Options) -> CryptoMerge:
    """The root task as a new process has it: no task of an earlier run is known."""
    Register.clear_instance_cache()
    given = options._asdict()
    return CryptoMerge(date=given.pop("run_date"), **given, no_top_up=True, quiet=True)


def run_flow(options: Options) -> bool:
    """What the command ``luigi`` does, in this process."""
    ended = luigi.build([root(options)], local_scheduler=True, log_level="CRITICAL", detailed_summary=True)
    assert ended.status in (LuigiStatusCode.SUCCESS, LuigiStatusCode.FAILED), ended.summary_text
    return bool(ended.scheduling_succeeded)


def in_child(work: Callable[[], object]) -> int:
    """Fork a process that does the work and leaves without any clean-up; return its pid."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def killed_at(round_trip: int, options: Options) -> None:
    """Run, and be killed -9 before the n-th round trip to the server: in a transaction, between two, at a COMMIT."""
    made = 0
    real = psycopg.Connection.wait

    def wait(self: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal made
        made += 1
        if made == round_trip:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, *arguments, **options)

    psycopg.Connection.wait = wait  # type: ignore[method-assign]
    run_flow(options)


class FlowMachine(RuleBasedStateMachine):
    """Every run leaves production as the model has it, every validated row is somewhere, every run is in the ledger."""

    rows = Bundle("rows")

    @initialize()
    def begin(self) -> None:
        self.database = warehouse.migrated("tests")
        helpers.empty(self.database)
        self.model = Model()
        self.raw: dict[int, Raw] = {}
        self.share, self.sites = 0.9, ("ARGENTINA", "BRASIL")
        self.known: dict[UUID, dict[str, Any]] = {}  # the runs of the ledger, each with its stages
        self.killed: set[UUID] = set()  # those that the next run marks as lost
        self.use_settings()

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()

    def use_settings(self) -> None:
        os.environ["MAX_REJECT_SHARE"] = str(self.share)
        os.environ["CRYPTO_SITES"] = ",".join(self.sites)
        flow_settings.cache_clear()

    def world(self) -> World:
        return World(self.raw, flow_settings().today(), self.sites, flow_settings().crypto_types, self.share)

    # What happens to raw history -------------------------------------------------------------------------------------

    @rule(target=rows, added=st.lists(ROWS, min_size=1, max_size=6), copies=st.integers(1, 2))
    def insert(self, added: list[Raw], copies: int) -> int:
        for row in added * copies:
            [ingest_id] = helpers.insert_rows(self.database, row)
            self.raw[ingest_id] = row
            self.model.touch(row)
        return max(self.raw)

    @rule(ingest_id=rows, row=ROWS)
    def update(self, ingest_id: int, row: Raw) -> None:
        if ingest_id in self.raw:
            self.database.execute(
                "UPDATE raw.bt_crypto_transaction_history SET site_id = %s, user_id = %s, purchase_date = %s,"
                " crypto_type = %s, purchase_price = %s, purchase_units = %s WHERE ingest_id = %s",
                (*row, ingest_id),
            )
            self.model.touch(self.raw[ingest_id])
            self.model.touch(row)
            self.raw[ingest_id] = row

    @rule(ingest_id=rows)
    def delete(self, ingest_id: int) -> None:
        self.database.execute("DELETE FROM raw.bt_crypto_transaction_history WHERE ingest_id = %s", (ingest_id,))
        if ingest_id in self.raw:
            self.model.touch(self.raw.pop(ingest_id))

    @rule(share=st.sampled_from([0.1, 0.5, 0.9]), chile=st.booleans())
    def change_settings(self, share: float, chile: bool) -> None:
        self.share, self.sites = share, ("ARGENTINA", "BRASIL", *(["CHILE"] if chile else []))
        self.use_settings()

    # Runs ------------------------------------------------------------------------------------------------------------

    @rule(options=RUNS)
    def run(self, options: Options) -> None:
        judged = self.model.judged(self.raw, options.run_date, options.window_days, self.world().today)
        bad = self.model.verdicts(judged, self.world().today, self.sites, flow_settings().crypto_types)
        nothing_to_do = self.model.is_current(MERGE, options, self.world())
        assert self.is_complete(options) == nothing_to_do
        succeeded = run_flow(options)
        [run_id] = self.new_runs()
        assert succeeded == (self.known[run_id]["outcome"] == "succeeded")
        self.hold(run_id, options)
        assert self.production() == self.model.production
        if succeeded and not nothing_to_do:
            self.accept(judged, bad, options)
        if self.outcomes(run_id)[-1] == (VALIDATE_RAW, "refused"):
            assert self.rejects(options.run_date) >= {(key, tuple(sorted(why))) for key, why in bad.items()}

    @rule(options=RUNS, round_trip=st.integers(1, MOST_ROUND_TRIPS))
    def run_killed(self, options: Options, round_trip: int) -> None:
        _, status = os.waitpid(in_child(lambda: killed_at(round_trip, options)), 0)
        self.wait_until_the_server_has_noticed()
        new = self.new_runs()
        assert len(new) <= 1
        ended = [run_id for run_id in new if self.known[run_id]["outcome"]]
        if ended:
            self.hold(ended[0], options)
        else:
            assert os.WTERMSIG(status) == signal.SIGKILL, "it was not killed, and left no end"
            self.killed |= set(new)
            self.hold_killed(self.outcomes(new[0]) if new else [], options)
        self.note_quarantined()
        assert self.production() == self.model.production, "half a merge, or one that the ledger does not have"

    @rule(options=RUNS, other=RUNS)
    def run_twice_at_once(self, options: Options, other: Options) -> None:
        """Two at once must end as one after the other."""
        asked = {in_child(lambda: run_flow(options)): options, in_child(lambda: run_flow(other)): other}
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in asked]
        assert codes == [0, 0]
        self.wait_until_the_server_has_noticed()
        new = self.new_runs()
        assert len(new) == 2, new
        at_work = {run_id: found for run_id in new if (found := self.at_work(run_id))}
        in_turn = sorted(at_work, key=lambda run_id: min(at_work[run_id]))
        if len(in_turn) == 2:
            assert max(at_work[in_turn[0]]) < min(at_work[in_turn[1]]), "they interleave"
        before = copy.deepcopy(self.model)
        for run_id in in_turn:
            mine = asked[self.known[run_id]["process_id"]]
            if run_id != in_turn[0] and self.is_overtaken(run_id):
                continue
            self.hold(run_id, mine)
        for run_id in set(new) - set(in_turn):  # it asked before the other one began, or had ended
            mine = asked[self.known[run_id]["process_id"]]
            assert sorted(self.outcomes(run_id)) == sorted(SKIPPED)
            assert self.known[run_id]["outcome"] == "succeeded"
            assert any(model.is_current(MERGE, mine, self.world()) for model in (before, self.model))
        self.note_quarantined()
        assert self.production() == self.model.production

    # The ledger against the model ------------------------------------------------------------------------------------

    def hold(self, run_id: UUID, options: Options) -> None:
        """A run that has ended did what the model does."""
        did = [each for each in self.model.run(options, self.world()) if each[1] != "skipped"]
        run, outcomes = self.known[run_id], self.outcomes(run_id)
        is_refused = any(outcome == "refused" for _, outcome in did)
        skipped = [(stage, "skipped") for stage in STAGES if stage not in dict(did)]
        if is_refused:  # those that it came to; Luigi asks no stage before one that is current
            assert [each for each in outcomes if each[1] != "skipped"] == did
            assert {each for each in outcomes if each[1] == "skipped"} <= set(skipped)
        else:
            assert sorted(outcomes) == sorted([*did, *skipped])
            assert [each for each in outcomes if each[1] != "skipped"] == did
        assert (run["flow"], run["root_task"], run["run_date"]) == ("crypto", "CryptoMerge", options.run_date)
        assert (run["outcome"], run["exit_code"]) == (("refused", 30) if is_refused else ("succeeded", 0)), run
        assert run["error"] == next((each["error"] for each in run["stages"] if each["outcome"] == "refused"), None)
        if is_refused:
            told = "--on-invalid" if did[-1][0] == VALIDATE_RAW else "The merge would deactivate"
            assert did[-1][0] in (VALIDATE_RAW, MERGE)
            assert told in run["error"] or "MAX_REJECT_SHARE" in run["error"], run["error"]
        for each in run["stages"]:
            has_run = each["outcome"] == "ran"
            assert (each["fingerprint"] is not None, each["result"] is not None) == (has_run, has_run)
            assert (each["error"] is not None) == (each["outcome"] == "refused")
            assert each["key"] == options.key

    def hold_killed(self, outcomes: Rows, options: Options) -> None:
        """A run that was killed did the beginning of what the model does."""
        to_do = self.model.run(options, self.world())
        did = [each for _, each in zip(outcomes, to_do, strict=False)]  # no further than the run came
        assert outcomes[: len(did)] == did
        if outcomes[len(did) :]:
            assert sorted(dict(outcomes)) == sorted(STAGES), "skipped stages are noted together"
            assert {outcome for _, outcome in outcomes[len(did) :]} == {"skipped"}
            return
        ahead = copy.deepcopy(self.model)
        if next(ahead.run(options, self.world()), None) == (VALIDATE_RAW, "refused"):
            stands = self.database.execute(
                "SELECT FROM ops.materializations WHERE stage = %s AND key = %s", (VALIDATE_RAW, options.key)
            ).rowcount
            if not stands:  # killed after the refusal and before the ledger had it
                self.model = ahead

    def is_overtaken(self, run_id: UUID) -> bool:
        """Whether a run was refused because the other one, of the same date, has replaced what it was to go on from."""
        last = self.known[run_id]["stages"][-1]
        return last["outcome"] == "refused" and "is not current for" in last["error"]

    def new_runs(self) -> list[UUID]:
        """The runs that came since the last look, oldest first, once all that must hold of the others has been seen."""
        found = {row["run_id"]: {**row, "stages": []} for row in helpers.rows_of(self.database, "ops.runs")}
        for row in helpers.rows_of(self.database, "ops.stage_runs", order="stage_run_id"):
            found[row["run_id"]]["stages"].append(row)
        new = sorted(found.keys() - self.known.keys())
        lost = self.killed if new else set()
        assert self.known.keys() <= found.keys(), "a run is gone"
        for run_id, before in self.known.items():
            now = found[run_id]
            if run_id in lost:
                assert (now["outcome"], now["exit_code"]) == ("lost", None)
                assert now["finished_at"] is not None
                assert "killed" in now["error"]
                now_as_before = {name: before[name] for name in ("outcome", "exit_code", "finished_at", "error")}
                assert {**now, **now_as_before} == before, "more than its end was written"
            else:
                assert now == before, "a run has changed that had ended"
        self.killed -= lost
        assert all(run_id.version == 7 for run_id in new)
        assert max(self.known, default=UUID(int=0)) < min(new, default=UUID(int=2**128 - 1)), "ids sort by time"
        self.known = found
        return new

    def outcomes(self, run_id: UUID) -> Rows:
        return [(each["stage"], each["outcome"]) for each in self.known[run_id]["stages"]]

    def at_work(self, run_id: UUID) -> list[int]:
        """The rows of a run that it wrote while it held the flow's lock, by their number."""
        return [each["stage_run_id"] for each in self.known[run_id]["stages"] if each["outcome"] != "skipped"]

    def wait_until_the_server_has_noticed(self) -> None:
        """A session outlives its process by a moment."""
        there = "SELECT FROM pg_stat_activity WHERE starts_with(application_name, %s) AND datname = current_database()"
        while self.database.execute(there, (ledger.SESSION,)).rowcount:
            time.sleep(0.02)

    # What must hold --------------------------------------------------------------------------------------------------

    def accept(self, judged: dict[int, Raw], bad: dict[int, set[str]], options: Options) -> None:
        rejected = dict(self.rejects(options.run_date))
        for ingest_id, row in judged.items():
            if ingest_id in bad:
                assert rejected[ingest_id] == tuple(sorted(bad[ingest_id])), "a bad row without its reasons"
            else:
                loaded = [(each.price, each.units, each.active) for each in self.model.production.values()]
                assert (row.price, row.units, True) in loaded
        assert self.is_complete(options), "a rerun would not be a no-op"

    def is_complete(self, options: Options) -> bool:
        asked = root(options)
        try:
            return asked.requires().complete()
        finally:
            asked.flow_run.close()

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
        """A run that was killed after its gate has quarantined rows: take them over, in their own words."""
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

    @invariant()
    def only_runs_write_the_ledger(self) -> None:
        if hasattr(self, "database"):
            assert self.new_runs() == []
            unfinished = {run_id for run_id, run in self.known.items() if run["outcome"] is None}
            assert unfinished == self.killed

    @invariant()
    def every_materialization_is_of_a_run_in_the_ledger(self) -> None:
        if not hasattr(self, "database"):
            return
        left = helpers.rows_of(self.database, "ops.materializations")
        assert {(each["stage"], each["key"]) for each in left} == self.model.left.keys()
        for each in left:
            [made] = [
                row for row in self.known[each["run_id"]]["stages"]
                if (row["stage"], row["key"], row["outcome"]) == (each["stage"], each["key"], "ran")
            ]  # fmt: skip
            assert (made["fingerprint"], made["result"]) == (each["fingerprint"], each["result"])


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("database")
def test_flow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random lives; ``KPI_EXAMPLES`` asks for more of them."""
    monkeypatch.setenv("MAX_REJECT_SHARE", "0.9")
    monkeypatch.setenv("LOCK_WAIT_SECONDS", "300")  # two at once wait for each other, on a busy machine too
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


@pytest.mark.usefixtures("database")
def test_what_was_refused_and_is_asked_for_again_as_before_is_not_merged_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by the machine: after the gates have run again, what follows them is as it was."""
    monkeypatch.setenv("MAX_REJECT_SHARE", "0.9")
    monkeypatch.setenv("CRYPTO_SITES", "ARGENTINA,BRASIL")
    life = FlowMachine()
    life.begin()
    quarantine, halt = (Options(FIRST, 3, on_invalid, True) for on_invalid in ("quarantine", "halt"))
    good = Raw("BRASIL", 1, "1/2/2023", "BTC", Decimal("10.0000"), Decimal("1.00000000"))
    life.insert([good, good._replace(user_id=2, price=Decimal("-1.0000"))], copies=1)
    try:
        for options in (quarantine, halt, quarantine):
            life.run(options)
            life.every_materialization_is_of_a_run_in_the_ledger()
        [*_, last] = life.known
        assert (VALIDATE_RAW, "ran") in life.outcomes(last)
        assert (MERGE, "skipped") in life.outcomes(last)
    finally:
        life.teardown()
