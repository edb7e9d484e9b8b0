"""The catalogue: the tasks that a user types. Importing it is cheap."""

from pipelines.churn.tasks import (
    Churn,
    ChurnBatchScore,
    ChurnDriftReport,
    ChurnFeatureStore,
    ChurnLogregTraining,
    ChurnTraining,
    ChurnWatchdog,
)
from pipelines.crypto.tasks import CryptoBackfill, CryptoMerge, CryptoPipeline
from pipelines.everything import Everything

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
