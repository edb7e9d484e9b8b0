"""Comments on every schema, table, view, column and function."""

from pipelines.services.migrations import run

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run("0003_comments")
