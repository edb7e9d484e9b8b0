"""Whatever a stage executes in real runs is part of its code version: a change of it makes the stage stale."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pytest

from pipelines.churn.tasks import BuildWeeklyFeatures, CleanRawSources, TrainSparkModel
from pipelines.core.code_version import Code
from pipelines.core.statements import ROOT
from pipelines.crypto.tasks import MergeToProd, RawHistory, ValidateRaw
from tests.tracing.flows import FRAME, STAGES
from tests.tracing.recording import Executed, Recorder, is_required, parts_of

pytestmark = pytest.mark.timeout(1800)  # the first test runs both flows

BY_VALUE = "its value is in the fingerprint, whatever code gives it"
LEFT_OUT_METHODS = {  # that the kernel calls while a stage works, with what they call
    "key": "names a materialization: under another name there is none, and the stage is stale",
    "parameters": BY_VALUE,
    "sources": BY_VALUE,
    "requires": "the stages before: their fingerprints are in that of the stage",
    "exists": "whether what was made is still there: nothing that a stage makes depends on it",
    "default_of": "a parameter that was not given: in the key, or among the parameters of those that it matters to",
}
LEFT_OUT_SQL = {  # by its folder
    "core": "the tables of the kernel: materializations and hashes of files, which have one true value",
}


def missing(executed: Iterable[Executed], parts: Collection[str]) -> list[Executed]:
    """What ran and is neither covered by the parts of a version nor left out."""
    found = [
        each for each in executed
        if (needed := parts_of(each)) and needed.isdisjoint(parts) and is_required(each, parts) and not reason(each)
    ]  # fmt: skip
    return sorted(found, key=str)


def reason(executed: Executed) -> str | None:
    """Why a version need not cover something."""
    if executed.kind == "sql" and (found := LEFT_OUT_SQL.get(executed.name.partition("/")[0])):
        return found
    return LEFT_OUT_METHODS.get(executed.asked)


@pytest.fixture(scope="module")
def code() -> Code:
    return Code(ROOT)


@pytest.mark.parametrize("entry", [*STAGES, FRAME], ids=lambda entry: entry.removeprefix("pipelines."))
def test_what_a_stage_executes_is_part_of_its_version(entry: str, recorder: Recorder, code: Code) -> None:
    assert recorder.executed[entry], "it did not run"
    found = missing(recorder.executed[entry], code.version_of(entry).parts)
    assert not found, f"{entry} executes what its version does not cover:\n" + "\n".join(map(str, found))


def test_a_part_that_a_version_lacks_is_found(recorder: Recorder, code: Code) -> None:
    for entry in STAGES:
        parts, executed = code.version_of(entry).parts.keys(), recorder.executed[entry]
        for each in executed:
            if (needed := parts_of(each)) and each.statement is None and not reason(each):
                assert each in missing(executed, parts - needed)


def test_everything_that_is_left_out_has_a_reason_to_be(recorder: Recorder, code: Code) -> None:
    """The lists above hold nothing that could go."""
    uncovered = {
        each for entry in STAGES for each in recorder.executed[entry]
        if parts_of(each).isdisjoint(code.version_of(entry).parts)
    }  # fmt: skip
    assert {each.asked for each in uncovered if each.asked} == LEFT_OUT_METHODS.keys()
    sql = {each.name.partition("/")[0] for each in uncovered if each.kind == "sql"}
    assert sql == LEFT_OUT_SQL.keys()


@pytest.mark.parametrize(
    ("entry", "kind", "name"),
    [
        (MergeToProd.entry(), "function", "_refuse_outage"),
        (MergeToProd.entry(), "function", "Window.start"),  # a property
        (MergeToProd.entry(), "class", "Merged"),  # an __init__ that dataclass generated
        (MergeToProd.entry(), "sql", "crypto/deactivate"),
        (MergeToProd.entry(), "sql", "crypto/is_new_window"),  # by a function of a service
        (ValidateRaw.entry(), "function", "Rule._is"),  # inherited
        (RawHistory.entry(), "function", "_parquet_lines"),  # a generator
        (CleanRawSources.entry(), "function", "errors_explained"),  # a context manager
        (CleanRawSources.entry(), "sql", "churn/no_evaluate"),
        (TrainSparkModel.entry(), "function", "compare"),  # in a thread
        (TrainSparkModel.entry(), "function", "fit.<locals>.<lambda>"),  # in threads
        (BuildWeeklyFeatures.entry(), "function", "bound.<locals>.month"),  # through the frame, by its own entry, too
        (FRAME, "function", "on_duckdb.<locals>.ask"),
        (FRAME, "function", "on_spark.<locals>.ask"),
    ],
    ids=lambda each: each.rpartition(".")[2] if each else each,
)
def test_the_recorder_sees_it(recorder: Recorder, entry: str, kind: str, name: str) -> None:
    assert (kind, name) in {(each.kind, each.name) for each in recorder.executed[entry]}
