"""Generates the CSV files where there are none, in an empty folder or an empty prefix on S3."""

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
class Destination:
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


def are_missing(connection: Connection | None, destination: Destination) -> bool:
    """Whether the files are to be generated: there is none, or the upload of generated ones was interrupted.

    Args:
        connection: None where there is no database yet.

    Raises:
        MissingInput: the folder that CHURN_DATA_ROOT names is not there, holds other files, or has lost its files.
    """
    root = destination.root
    if _interrupted(connection, destination) is not None:
        return True
    if any(root.exists(file) for file in synthetic.FILES):
        return False
    if destination.is_named and not root.on_s3 and not Path(root.url).is_dir():
        raise MissingInput(
            f"CHURN_DATA_ROOT={root.url}: there is no such folder. Make it, and files are generated in it."
        )
    if (
        destination.is_named
        and _exists(connection, destination.clean_tables)
        and not _exists(connection, destination.address)
    ):
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


def generate_missing(connection: Connection, run_id: UUID, destination: Destination) -> None:
    """Generates the files where they are missing; under the flow's lock.

    Args:
        connection: outside of a transaction: an upload that begins is noted at once.

    Raises:
        MissingInput: as ``are_missing``.
    """
    if not are_missing(connection, destination):
        return
    root = destination.root
    if (interrupted := _interrupted(connection, destination)) is not None:
        _upload(connection, run_id, destination, interrupted.users)
        return
    console.note(f"{root.url} is empty: generating files of {destination.users:,} users")
    if root.on_s3:
        _upload(connection, run_id, destination, destination.users)
        return
    started = time.monotonic()
    rows = synthetic.generate(Path(root.url), destination.users)
    _note(connection, run_id, destination, GeneratedFiles(destination.users, rows), time.monotonic() - started)


def _upload(connection: Connection, run_id: UUID, destination: Destination, users: int) -> None:
    """Uploads the files that are missing; a materialization without rows says that an upload has begun.

    Objects that are there and differ in size are somebody's own: then nothing is written.
    """
    root, started = destination.root, time.monotonic()
    _note(connection, run_id, destination, GeneratedFiles(users, None), 0.0)
    with tempfile.TemporaryDirectory(prefix="kpi-delivery-") as scratch:
        rows = synthetic.generate(folder := Path(scratch) / "files", users)
        there = [file for file in synthetic.FILES if root.exists(file)]
        if any(root.size(file) != (folder / file).stat().st_size for file in there):
            results.forget(connection, destination.address)
            return
        for file in synthetic.FILES:
            if file not in there:
                with root.writing(file) as path:
                    shutil.copyfile(folder / file, path)
    _note(connection, run_id, destination, GeneratedFiles(users, rows), time.monotonic() - started)


def _interrupted(connection: Connection | None, destination: Destination) -> GeneratedFiles | None:
    """The generation whose upload has begun and not ended."""
    if not destination.root.on_s3 or connection is None:
        return None
    begun = results.read(connection, destination.address, GeneratedFiles)
    return begun.result if begun and begun.result.rows is None else None


def _exists(connection: Connection | None, address: Address) -> bool:
    return connection is not None and results.read(connection, address, Nothing) is not None


def _note(
    connection: Connection, run_id: UUID, destination: Destination, files: GeneratedFiles, seconds: float
) -> None:
    made_from = {"users": files.users}
    results.write(connection, destination.address, run_id, f"{files.users} users", made_from, files, seconds)
