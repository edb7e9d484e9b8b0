"""Files for who has none: generated once, in a folder or on S3 that holds nothing."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from pipelines.churn import synthetic
from pipelines.churn.results import GeneratedFiles
from pipelines.core import results
from pipelines.core.errors import MissingInput
from pipelines.core.results import Address, Nothing
from pipelines.services import console
from pipelines.services.artifacts import Place
from pipelines.services.warehouse import Connection

STAGE = "generate_churn_files"


@dataclass(frozen=True)
class Wanted:
    """Where the files are to be.

    Attributes:
        root: the folder, or the prefix on S3.
        is_named: whether CHURN_DATA_ROOT names it.
        users: how many to generate.
        clean_tables: the materialization that says that files were here before.
    """

    root: Place
    is_named: bool
    users: int
    clean_tables: Address

    @property
    def address(self) -> Address:
        """The materialization of the generation itself."""
        return Address(self.clean_tables.flow, STAGE, self.root.url)


def are_missing(connection: Connection | None, wanted: Wanted) -> bool:
    """Whether the files are to be generated: there is none, or the upload of generated ones was interrupted.

    Args:
        connection: None where there is no database yet.

    Raises:
        MissingInput: the folder that CHURN_DATA_ROOT names is not there, holds other files, or has lost its files.
    """
    root = wanted.root
    if root.on_s3 and _interrupted(connection, wanted) is not None:
        return True
    if any(root.exists(file) for file in synthetic.FILES):
        return False
    if wanted.is_named and not root.on_s3 and not Path(root.url).is_dir():
        raise MissingInput(
            f"CHURN_DATA_ROOT={root.url}: there is no such folder. Make it, and files are generated in it."
        )
    if wanted.is_named and _exists(connection, wanted.clean_tables) and not _exists(connection, wanted.address):
        raise MissingInput(
            f"CHURN_DATA_ROOT={root.url}: the files that were here are gone. None are generated in their place: "
            "a model would learn from what nobody did."
        )
    if root.names():
        raise MissingInput(
            f"{root.url} holds none of {', '.join(synthetic.FILES)}, but other files. Put the files there; in an empty "
            "folder they are generated."
        )
    return True


def generate_missing(connection: Connection, run_id: UUID, wanted: Wanted) -> None:
    """Generates the files where they are missing; under the flow's lock.

    Args:
        connection: outside of a transaction: an upload that begins is noted at once.

    Raises:
        MissingInput: as ``are_missing``.
    """
    if not are_missing(connection, wanted):
        return
    root = wanted.root
    if (interrupted := _interrupted(connection, wanted)) is not None:
        _upload(connection, run_id, wanted, interrupted.users)
        return
    console.note(f"{root.url} is empty: generating files of {wanted.users:,} users")
    if root.on_s3:
        _upload(connection, run_id, wanted, wanted.users)
        return
    started = time.monotonic()
    rows = synthetic.generate(Path(root.url), wanted.users)
    _note(connection, run_id, wanted, GeneratedFiles(wanted.users, rows), time.monotonic() - started)


def _upload(connection: Connection, run_id: UUID, wanted: Wanted, users: int) -> None:
    """Uploads the files that are missing; a materialization without rows says that an upload has begun.

    Objects that are there and differ in size are somebody's own: then nothing is written.
    """
    root, started = wanted.root, time.monotonic()
    _note(connection, run_id, wanted, GeneratedFiles(users, None), 0.0)
    with tempfile.TemporaryDirectory(prefix="kpi-delivery-") as scratch:
        rows = synthetic.generate(folder := Path(scratch) / "files", users)
        there = [file for file in synthetic.FILES if root.exists(file)]
        if any(root.size(file) != (folder / file).stat().st_size for file in there):
            results.forget(connection, wanted.address)
            return
        for file in synthetic.FILES:
            if file not in there:
                with root.writing(file) as path:
                    shutil.copyfile(folder / file, path)
    _note(connection, run_id, wanted, GeneratedFiles(users, rows), time.monotonic() - started)


def _interrupted(connection: Connection | None, wanted: Wanted) -> GeneratedFiles | None:
    """The generation whose upload has begun and not ended."""
    if not wanted.root.on_s3 or connection is None:
        return None
    begun = results.read(connection, wanted.address, GeneratedFiles)
    return begun.result if begun and begun.result.rows is None else None


def _exists(connection: Connection | None, address: Address) -> bool:
    return connection is not None and results.read(connection, address, Nothing) is not None


def _note(connection: Connection, run_id: UUID, wanted: Wanted, files: GeneratedFiles, seconds: float) -> None:
    made_from = {"users": files.users}
    results.write(connection, wanted.address, run_id, f"{files.users} users", made_from, files, seconds)
