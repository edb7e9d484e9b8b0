"""Materializations in place of stage records; the ledger of runs."""

from pipelines.services.migrations import run

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run("0002_kernel")
