"""Where the record of a stage lives: a row of ``ops.materializations``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import luigi

from pipelines.core.statements import query

if TYPE_CHECKING:
    from pipelines.services.warehouse import Connection

Details = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """What a stage left: from what it was made, what came out, when, and how long it took (seconds)."""

    fingerprint: str
    details: Details
    seconds: float
    finished_at: datetime


class RecordTarget(luigi.Target):
    """One stage's record; ``key`` tells which of the stage's runs it is."""

    def __init__(self, flow: str, stage: str, key: str) -> None:
        self.flow, self.stage, self.key = flow, stage, key

    def __str__(self) -> str:
        return f"record of {self.stage} for {self.key}"

    def read(self) -> Record | None:
        from pipelines.services import warehouse

        row = warehouse.connection().execute(query("read_record"), self._where()).fetchone()
        return Record(**row) if row else None

    def exists(self) -> bool:
        return self.read() is not None

    def write(self, tx: Connection, fingerprint: str, details: Details, seconds: float) -> None:
        """Leave the record in the transaction that holds the stage's rows."""
        from psycopg.types.json import Jsonb

        done = {"fingerprint": fingerprint, "details": Jsonb(details), "seconds": seconds}
        tx.execute(query("write_record"), {**self._where(), **done})

    def forget(self) -> None:
        """Drop the record, so that the stage runs again."""
        from pipelines.services import warehouse

        warehouse.connection().execute(query("forget_record"), self._where())

    def _where(self) -> dict[str, str]:
        return {"flow": self.flow, "stage": self.stage, "key": self.key}
