"""The catalogue: the tasks that a user types. Importing it is cheap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipelines.churn.tasks import (
    Churn,
    ChurnBatchScore,
    ChurnDriftReport,
    ChurnFeatureStore,
    ChurnLogregTraining,
    ChurnTraining,
    ChurnWatchdog,
)
from pipelines.core.run import Environment
from pipelines.core.stage import Root
from pipelines.crypto.tasks import CryptoBackfill, CryptoMerge, CryptoPipeline

__all__ = [
    "Churn",
    "ChurnBatchScore",
    "ChurnDriftReport",
    "ChurnFeatureStore",
    "ChurnLogregTraining",
    "ChurnTraining",
    "ChurnWatchdog",
    "CryptoBackfill",
    "CryptoMerge",
    "CryptoPipeline",
    "Everything",
]


class Everything(Root):
    """The crypto flow up to its notification, then the whole life of the churn models."""

    flow = "everything"

    @classmethod
    def environment(cls) -> Environment:
        return CryptoPipeline.environment()

    def complete(self) -> bool:
        return self._reported

    def run(self) -> Iterator[Any]:
        yield CryptoPipeline(date=self.date, quiet=self.quiet)
        yield Churn(date=self.date, quiet=self.quiet)
        self._reported = True  # both flows have runs, and reports, of their own
