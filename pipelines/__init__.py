"""The catalogue: the tasks that a user types. Importing it is cheap."""

from pipelines.crypto.tasks import CryptoBackfill, CryptoMerge, CryptoPipeline

__all__ = ["CryptoBackfill", "CryptoMerge", "CryptoPipeline"]
