"""The window of a run: its date and the days before it, and the clock by which a date lies in the future."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from pipelines.core.statements import query
from pipelines.services.warehouse import Connection


@dataclass(frozen=True)
class Window:
    """``days`` days that end with ``run_date``; ``today`` is the run's clock in the project's zone."""

    run_date: date
    days: int
    today: date

    @property
    def start(self) -> date:
        return self.run_date - timedelta(days=self.days - 1)

    def bound(self) -> dict[str, date]:
        """The values that the SQL of the flow binds."""
        return {"run_date": self.run_date, "window_start": self.start, "window_end": self.run_date, "today": self.today}


def months(connection: Connection, until: date) -> list[date]:
    """The last days of the months in which raw history has rows, up to ``until``; oldest first."""
    rows = connection.execute(query("crypto/months"), {"until": until})
    return [min(row["last_day"], until) for row in rows]
