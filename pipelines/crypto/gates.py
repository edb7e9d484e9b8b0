"""The two gates before production: Great Expectations judges, the policy decides, the evidence is kept.

A gate passes where every expectation holds. Where one does not, ``halt`` stops; ``quarantine`` sets the bad rows aside
and goes on, if the rules that failed can name their rows and their share is small. Whatever no rule can pin on rows
stops the load under either policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.types.json import Jsonb

from pipelines.core.errors import GateFailed, PipelineError, Refusal
from pipelines.core.statements import query
from pipelines.crypto import rules
from pipelines.crypto.candidate import snapshot_in_staging
from pipelines.crypto.results import Validated
from pipelines.crypto.rules import Rule
from pipelines.crypto.window import Window
from pipelines.services import console, expectations
from pipelines.services.artifacts import Place
from pipelines.services.expectations import data_docs
from pipelines.services.warehouse import Connection, Row, one


@dataclass(frozen=True)
class Policy:
    """What bad rows do to the load: ``on_invalid`` is halt or quarantine; ``max_reject_share`` is 0 to 1."""

    on_invalid: str
    max_reject_share: float


@dataclass(frozen=True)
class Known:
    """Names that the settings know."""

    sites: tuple[str, ...]
    types: tuple[str, ...]


def validate_raw(
    tx: Connection, url: str, window: Window, known: Known, policy: Policy, docs: Place
) -> Validated | Refusal:
    """``ge_validate_raw``: the raw table has its shape, and every judged row holds the rules.

    Returns:
        Counts; or a refusal, with rejects and a run in dqm.
    """
    snapshot = _own_snapshot(tx, window)
    expectations.loaded()
    tx.execute(query("crypto/bring_back"), snapshot)
    row_rules = rules.raw_rules(snapshot["today"], known.sites, known.types)
    suites = [
        _suite("suite_raw_table", "raw", "bt_crypto_transaction_history", rules.RAW_TABLE_RULES),
        _suite("suite_raw_history", "staging", "bt_crypto_transaction_history", row_rules),
    ]
    return _judge(tx, url, snapshot, suites, (*row_rules, *rules.CANDIDATE_RULES), policy, docs, may_set_aside=True)


def validate_candidate(
    tx: Connection, url: str, window: Window, known: Known, policy: Policy, docs: Place
) -> Validated | Refusal:
    """``ge_validate_candidate``: what is about to be merged is typed, positive, consistent and unique by key.

    The raw gate has set bad rows aside already where the policy says so: nothing that fails here is excused.
    """
    snapshot = _own_snapshot(tx, window)
    expectations.loaded()
    row_rules = rules.raw_rules(snapshot["today"], known.sites, known.types)
    suites = [_suite("suite_staging_candidate", "staging", "bt_crypto_events_candidate", rules.CANDIDATE_RULES)]
    return _judge(tx, url, snapshot, suites, (*row_rules, *rules.CANDIDATE_RULES), policy, docs, may_set_aside=False)


def _own_snapshot(tx: Connection, window: Window) -> Row:
    snapshot = snapshot_in_staging(tx)
    if snapshot is None or (snapshot["run_date"], snapshot["window_start"]) != (window.run_date, window.start):
        whose = f"the run of {snapshot['run_date']}" if snapshot else "no run"
        raise PipelineError(
            f"Staging holds the rows of {whose}, not of {window.run_date}: run the flow of that date again."
        )
    return snapshot


def _suite(name: str, schema: str, table: str, of: Sequence[Rule]) -> expectations.Suite:
    return expectations.Suite(name, schema, table, {rule.reason: rule.expectation() for rule in of})


def _judge(
    tx: Connection, url: str, snapshot: Row, suites: list[expectations.Suite], row_rules: Sequence[Rule],
    policy: Policy, docs: Place, may_set_aside: bool,
) -> Validated | Refusal:  # fmt: skip
    suite = suites[-1].name
    title = f"{suite} {snapshot['snapshot_id']}"
    quarantine = policy.on_invalid == "quarantine" and may_set_aside
    with docs.writing_folder() as site:
        result = expectations.validate(url, suites, site, title)
        failures = result.failures
        # What the raw gate has set aside stays as it is, whatever the second gate finds.
        names_rows = quarantine or (failures and policy.on_invalid == "halt")
        reasons = _reject(tx, snapshot, row_rules, "quarantined") if names_rows else []
        counts = one(tx, "crypto/count_judged", snapshot)
        why = _why_halt(failures, reasons, counts, policy, quarantine)
        rejected = counts["rejected"] if reasons else 0
        judged = counts["judged"] if may_set_aside else counts["candidates"]
        outcome = "halted" if why else "quarantined" if rejected else "passed"
        if why and reasons:
            tx.execute(query("crypto/halt_rejects"), snapshot)
        elif rejected:
            tx.execute(query("crypto/set_aside"), snapshot)
            tx.execute(query("crypto/leave_out_astray"), snapshot)
        told = [(reason["reason"], f"{reason['rows']:,}", reason["first"]) for reason in reasons]
        data_docs.write_front_page(site, title, _in_words(outcome, judged, rejected), result, told)
    tx.execute(query("crypto/note_dq_run"), {
        **snapshot, "suite_name": suite, "on_invalid": policy.on_invalid, "outcome": outcome, "docs_path": docs.url,
        "rows_judged": judged, "rows_rejected": rejected,
        "reasons": Jsonb({reason["reason"]: reason["rows"] for reason in reasons}),
    })  # fmt: skip
    if why:
        return Refusal(GateFailed(_told(suite, snapshot, why, docs, policy)))
    if not may_set_aside:
        return Validated(snapshot["snapshot_id"], judged, rejected, docs.url)
    standing = one(tx, "crypto/count_judged", snapshot)["candidates"] if rejected else counts["candidates"]
    redelivered = judged - rejected - standing  # copies of rows that stand
    return Validated(snapshot["snapshot_id"], judged, rejected, docs.url, redelivered)


def _reject(tx: Connection, snapshot: Row, row_rules: Sequence[Rule], disposition: str) -> list[Row]:
    """Write every bad row with all its reasons; return, per reason, how many ``rows`` and where the ``first`` is."""
    cases, values = rules.reasons(row_rules)
    tx.execute(query("crypto/reject_rows").format(reasons=cases), {**snapshot, **values, "disposition": disposition})
    return tx.execute(query("crypto/count_reasons"), snapshot).fetchall()


def _why_halt(
    failures: Sequence[expectations.Failure], reasons: list[Row], counts: Row, policy: Policy, quarantine: bool
) -> list[str]:
    """What stops the load, a line each; empty where it may go on."""
    explained = {reason["reason"] for reason in reasons}
    unexplained = [failure for failure in failures if failure.reject_code not in explained]
    if not quarantine or unexplained:
        told = [f"{failure.reject_code} {failure.message}" for failure in unexplained]
        return told + _counted(reasons)
    rejected, judged = counts["rejected"], counts["judged"]
    if rejected and rejected >= policy.max_reject_share * judged:
        share = f"{rejected:,} of {judged:,} rows are bad ({rejected / judged:.1%}): not under MAX_REJECT_SHARE"
        return [f"{share}={policy.max_reject_share:g}", *_counted(reasons)]
    return []


def _in_words(outcome: str, judged: int, rejected: int) -> str:
    if outcome == "halted":
        return f"Halted: {console.rows(judged)} judged, {rejected:,} rejected; production was not touched."
    return f"{outcome.capitalize()}: {console.rows(judged)} judged, {rejected:,} set aside."


def _counted(reasons: list[Row]) -> list[str]:
    return [f"{each['reason']}: {console.rows(each['rows'])}, the first: {each['first']}" for each in reasons]


def _told(suite: str, snapshot: Row, why: list[str], docs: Place, policy: Policy) -> str:
    or_else = "run with --on-invalid quarantine" if policy.on_invalid == "halt" else "raise MAX_REJECT_SHARE"
    return (
        f"{suite} failed for {snapshot['run_date']} (window from {snapshot['window_start']}); "
        "production was not touched.\n"
        + "".join(f"    {line}\n" for line in why)
        + f"  Rows and reasons: python -m pipelines rejects --date {snapshot['run_date']}\n"
        + f"  Data Docs: {docs.at('index.html')}\n"
        + f"  Repair the rows in raw.BT_CRYPTO_TRANSACTION_HISTORY and run again with the same options, or {or_else}."
    )
