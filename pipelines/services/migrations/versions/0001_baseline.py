"""The tables of the first release."""

from pipelines.services.migrations import run

revision = "0001"
down_revision = None


def upgrade() -> None:
    run("0001_baseline")
