"""The catalogue: the tasks that a user types. Importing it is cheap."""

from __future__ import annotations

import sys
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
from pipelines.core.stage import Root
from pipelines.crypto.tasks import CryptoBackfill, CryptoMerge, CryptoPipeline
from pipelines.services import console

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

if "luigi.cmdline" in sys.modules:  # imported by the command alone
    console.tame_luigi(__all__)


class Everything(Root):
    """The crypto flow up to its notification, then the whole life of the churn models."""

    flow = "everything"

    def run(self) -> Iterator[Any]:  # type: ignore[override]
        yield CryptoPipeline(date=self.date, quiet=self.quiet)
        yield Churn(date=self.date, quiet=self.quiet)
        super().run()

    def report(self) -> None:
        """Nothing beyond what both have told."""
