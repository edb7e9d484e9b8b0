"""Typed results of stages, and the materializations that hold them in ``ops.materializations``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from pipelines.core.errors import NewerResult
from pipelines.core.statements import query

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[dict[str, Any]]

R = TypeVar("R")


@dataclass(frozen=True)
class Nothing:
    """The result of a stage that has no facts to pass on."""


@dataclass(frozen=True)
class Notified:
    """Where a message went."""

    told: str


@dataclass(frozen=True)
class Materialization(Generic[R]):
    """What a stage left: its result, and what it was made from.

    Attributes:
        fingerprint: of everything that decided the result.
        made_from: the parts of the fingerprint: code, parameters, upstream stages, source versions.
        result: the stage's own dataclass.
        seconds: how long the stage worked.
        finished_at: when it was written.
        run_id: the run that made it; None where it is older than the ledger.
    """

    fingerprint: str
    made_from: Mapping[str, Any]
    result: R
    seconds: float
    finished_at: datetime
    run_id: UUID | None


@dataclass(frozen=True)
class Address:
    """Which materialization: of a stage of a flow, and which one of them (its date and window, say)."""

    flow: str
    stage: str
    key: str

    def bound(self) -> dict[str, str]:
        return dataclasses.asdict(self)


def encode(result: Any) -> dict[str, Any]:
    """A result as JSON values."""
    encoded: dict[str, Any] = _adapter(type(result)).dump_python(result, mode="json")  # type: ignore[arg-type] # classes are hashable
    return encoded


def decode(kind: type[R], stored: object) -> R | None:
    """A stored result as its dataclass: fields that the class lacks are ignored.

    Returns:
        None where a field is missing or has another type: the materialization is stale.
    """
    from pydantic import ValidationError

    if not isinstance(stored, Mapping):
        return None
    try:
        result: R = _adapter(kind).validate_python(dict(stored))  # type: ignore[arg-type] # classes are hashable
    except ValidationError:
        return None
    return result


@lru_cache
def _adapter(kind: type[Any]) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def version_of(kind: type[Any]) -> int:
    """``VERSION`` of a result's class: raised where a field changes its meaning."""
    return int(getattr(kind, "VERSION", 1))


def read(connection: Connection, address: Address, kind: type[R]) -> Materialization[R] | None:
    """The materialization at an address; None where there is none that this code can read.

    Raises:
        NewerResult: a newer version of the code wrote it.
    """
    row = connection.execute(query("core/read_materialization"), address.bound()).fetchone()
    if row is None:
        return None
    stored = row.pop("result_version")
    if stored > version_of(kind):
        raise NewerResult(
            f"{address.stage} ({address.key}): its result was written by a newer version of the code (result version "
            f"{stored}; this code knows {version_of(kind)}). Update the code, then run again."
        )
    result = decode(kind, row.pop("result"))
    row["made_from"] = row["made_from"] if isinstance(row["made_from"], Mapping) else {}
    return None if result is None else Materialization(result=result, **row)


def write(
    tx: Connection,
    address: Address,
    run_id: UUID,
    fingerprint: str,
    made_from: Mapping[str, Any],
    result: Any,
    seconds: float,
) -> None:
    """Write a materialization in the transaction that holds the stage's rows."""
    from psycopg.types.json import Jsonb

    tx.execute(query("core/write_materialization"), {
        **address.bound(), "run_id": run_id, "fingerprint": fingerprint, "made_from": Jsonb(made_from),
        "result": Jsonb(encode(result)), "result_version": version_of(type(result)), "seconds": seconds,
    })  # fmt: skip


def forget(connection: Connection, address: Address) -> bool:
    """Remove a materialization, so that the stage runs again; whether there was one."""
    return connection.execute(query("core/forget_materialization"), address.bound()).rowcount > 0
