"""Why a stage is stale: what changed since its materialization."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.core.stage import Stage

KINDS: Mapping[str, str] = {
    "code": "code",
    "parameters": "parameter",
    "sources": "source version",
    "upstream": "upstream stage",
}


@dataclass(frozen=True)
class Cause:
    """One thing that makes a stage stale.

    Attributes:
        stage: the stale stage; one before the one that was asked about makes that one stale, too.
        kind: function, SQL file, parameter, source version, upstream stage, or materialization.
        name: which one.
        was, now: its value then and now; empty where it was not there.
    """

    stage: str
    kind: str
    name: str
    was: str
    now: str


def causes(stage: Stage[Any]) -> list[Cause]:
    """All that makes a stage stale, and the stages before it, first to last; empty where it is current.

    Raises:
        PipelineError: it cannot be known.
    """
    found: list[Cause] = []
    stage.check()
    if stage.is_current():  # staging of a date before is overwritten, and its merge is current all the same
        return []
    with stage.flow_run.environment.explained(stage.stage):
        for each in stage.line():
            found += _causes_of(each)
    return found


def _causes_of(stage: Stage[Any]) -> Iterator[Cause]:
    connection = stage.flow_run.reader()
    if connection is None:
        yield Cause(stage.stage, "materialization", stage.key, "", "nothing has run yet")
        return
    if not stage.should_run():
        return
    left = stage.materialization()
    if left is None:
        yield Cause(
            stage.stage, "materialization", stage.key, "", "never made, refused, forgotten, or of another shape"
        )
        return
    if not left.made_from:
        yield Cause(
            stage.stage, "materialization", stage.key, "made before the ledger", "what it was made of is not known"
        )
        return
    now = stage.made_from()
    for part, kind in KINDS.items():
        before = left.made_from.get(part)
        if not isinstance(before, Mapping):
            before = {}
        for name in sorted({*before, *now[part]}):
            if before.get(name) != now[part].get(name):
                was, value = _text(before.get(name)), _text(now[part].get(name))
                yield Cause(stage.stage, _kind(kind, name), name, was, value)
    if left.fingerprint == stage.fingerprint() and not stage.exists(connection):
        yield Cause(stage.stage, "materialization", stage.key, "there", "gone, or overwritten by another run")


def _kind(kind: str, name: str) -> str:
    if kind != "code":
        return kind
    return "SQL file" if name.endswith(".sql") else "function"


def _text(value: Any) -> str:
    """A value in a few words: a hash by its beginning."""
    text = "" if value is None else str(value)
    return text[:12] if re.fullmatch("[0-9a-f]{64}", text) else text[:60]
