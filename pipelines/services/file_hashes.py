"""SHA-256 of files, read again only where their size or times have changed (``ops.source_hashes``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipelines.core.statements import query

if TYPE_CHECKING:
    from pipelines.services.warehouse import Connection


def sha256(connection: Connection, path: str, version: str | None, read: Callable[[], str], may_read: bool) -> str:
    """The SHA-256 of a file.

    Args:
        path: the file, as it is known by.
        version: what changes when it is written again: its size and times.
        read: hashes the file.
        may_read: whether it may be read and remembered; asking must cost milliseconds, and write nothing.

    Returns:
        The hash; where it is not known and may not be read, a text that equals no hash.
    """
    at = {"path": path, "version": version}
    if known := connection.execute(query("core/read_file_hash"), at).fetchone():
        return str(known["sha256"])
    if not may_read:
        return f"not read yet: {version}"
    found = read()
    connection.execute(query("core/note_file_hash"), {**at, "sha256": found})
    return found
