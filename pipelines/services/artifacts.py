"""The one door to files that stages leave: a folder of ``STATE_DIR``, or what ``ARTIFACTS_URL`` names (folder or S3).

A file appears under its name only when it is whole: on disk by a rename, on S3 by the nature of an upload.
"""

from __future__ import annotations

import mimetypes
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import MissingInput, PipelineError, UsageError
from pipelines.services.settings import settings

if TYPE_CHECKING:
    from pyarrow import fs


@dataclass(frozen=True)
class Place:
    """A folder on disk (``url`` is its path) or a prefix on S3 (``url`` starts with ``s3://``)."""

    url: str

    @property
    def on_s3(self) -> bool:
        return self.url.startswith("s3://")

    def at(self, name: str) -> str:
        """The path or URL of a file here, for engines that read it themselves."""
        return f"{self.url}/{name}"

    # Reading -------------------------------------------------------------------------------------------------------

    def exists(self, name: str) -> bool:
        return self.version(name) is not None

    def version(self, name: str) -> str | None:
        """What changes when the file is written again; None where it is missing. Nothing of it is read."""
        if not self.on_s3:
            with suppress(FileNotFoundError, NotADirectoryError):
                facts = Path(self.at(name)).stat()
                return f"{facts.st_ino} {facts.st_size} {facts.st_mtime_ns} {facts.st_ctime_ns}"
            return None
        with _errors_explained(self.at(name)):
            info = s3().get_file_info(self._key(name))
        return f"{info.size} {info.mtime_ns}" if info.is_file else None

    def size(self, name: str) -> int:
        """Bytes of a file; 0 where it is missing."""
        if not self.on_s3:
            path = Path(self.at(name))
            return path.stat().st_size if path.exists() else 0
        with _errors_explained(self.at(name)):
            return s3().get_file_info(self._key(name)).size or 0

    def names(self) -> list[str]:
        """What lies directly in it, sorted; empty where there is no such place."""
        if not self.on_s3:
            folder = Path(self.url)
            return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        from pyarrow import fs

        with _errors_explained(self.url):
            found = s3().get_file_info(fs.FileSelector(self._key(""), allow_not_found=True))
        return sorted(info.base_name for info in found)

    def read(self, name: str) -> bytes:
        """
        Raises:
            MissingInput: there is no such file.
        """
        with self.local(name) as path:
            return path.read_bytes()

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """The file as a path of this machine, while the context lasts.

        Raises:
            MissingInput: there is no such file, or it may not be read.
        """
        if not self.on_s3:
            path = Path(self.at(name))
            try:
                with path.open("rb"):
                    pass
            except OSError as error:
                raise MissingInput(f"{path}: {error.strerror or error}.") from None
            yield path
            return
        if not self.exists(name):
            raise MissingInput(f"{self.at(name)}: there is no such object.")
        with tempfile.TemporaryDirectory(prefix="kpi-delivery-") as scratch:
            path = Path(scratch) / Path(name).name
            with (
                _errors_explained(self.at(name)),
                s3().open_input_stream(self._key(name)) as source,
                path.open("wb") as copy,
            ):
                shutil.copyfileobj(source, copy, 1 << 22)
            yield path

    # Writing -------------------------------------------------------------------------------------------------------

    def write(self, name: str, content: bytes) -> str:
        """Write a small file; return its path or URL."""
        with self.writing(name) as path:
            path.write_bytes(content)
        return self.at(name)

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """A path to write to; the file is here under its name when the context ends without an error."""
        if self.on_s3:
            with tempfile.TemporaryDirectory(prefix="kpi-delivery-") as scratch:
                path = Path(scratch) / Path(name).name
                yield path
                with (
                    _errors_explained(self.at(name)),
                    path.open("rb") as source,
                    s3().open_output_stream(self._key(name), metadata=_kind(name)) as copy,
                ):
                    shutil.copyfileobj(source, copy, 1 << 22)
            return
        target = Path(self.at(name))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{target.parent} cannot be made: {error.strerror}. Look at ARTIFACTS_URL.") from None
        for left in target.parent.glob(f".{target.name}.new-*"):
            left.unlink(missing_ok=True)  # of a run that was killed
        new = target.with_name(f".{target.name}.new-{os.getpid()}")
        try:
            yield new
            new.replace(target)
        finally:
            new.unlink(missing_ok=True)

    @contextmanager
    def writing_folder(self) -> Iterator[Path]:
        """A folder to fill; when the context ends without an error, its files are here.

        On disk they take the place of what was there; on S3 ``index.html`` comes last.
        """
        if self.on_s3:
            with tempfile.TemporaryDirectory(prefix="kpi-delivery-") as scratch:
                yield Path(scratch)
                for path in sorted(Path(scratch).iterdir(), key=lambda path: path.name == "index.html"):
                    self.write(path.name, path.read_bytes())
            return
        target = Path(self.url)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".new-", dir=target.parent) as scratch:
                (new := Path(scratch, "folder")).mkdir()
                yield new
                shutil.rmtree(target, ignore_errors=True)
                new.rename(target)
        except OSError as error:
            raise PipelineError(f"{target} cannot be written: {error.strerror or error}.") from error

    def keep_newest(self, folder: str, number: int) -> None:
        """Remove all but the newest of the folders in one; on S3 that is a rule of the bucket."""
        if not self.on_s3:
            folders = sorted(Path(self.at(folder)).iterdir(), key=lambda path: path.stat().st_mtime)
            for old in folders[:-number]:
                shutil.rmtree(old, ignore_errors=True)

    def _key(self, name: str) -> str:
        return self.at(name).removeprefix("s3://").rstrip("/")


def place(url: str | None, default: str) -> Place:
    """The place that a setting names; the folder ``default`` of STATE_DIR where it names none.

    Raises:
        UsageError: it is neither a folder nor on S3.
    """
    if url is None:
        return Place(str(settings().home / default))
    if "://" not in url:
        return Place(str(Path(url).expanduser().resolve()))
    if not url.startswith("s3://") or not url.removeprefix("s3://").strip("/"):
        raise UsageError(f"{url} is no place that can be used: give a folder, or s3://bucket/prefix.")
    return Place(url.rstrip("/"))


def data_docs() -> Place:
    """Where Data Docs are kept."""
    return place(settings().data_docs_url, "data_docs")


def store() -> Place:
    """Where stages leave their files."""
    return place(settings().artifacts_url, "artifacts")


def bucket() -> Place:
    """The bucket in which the store is, of which a stage may leave a file under a name of its own.

    Raises:
        UsageError: the store is on disk.
    """
    if not (where := store()).on_s3:
        raise UsageError(f"{where.url} is in no bucket: look at ARTIFACTS_URL.")
    return Place("s3://" + where.url.removeprefix("s3://").split("/")[0])


def _kind(name: str) -> dict[str, str]:
    """What a browser needs to know of an object, to show it."""
    return {"Content-Type": mimetypes.guess_type(name)[0] or "application/octet-stream"}


@lru_cache
def s3() -> fs.S3FileSystem:
    """S3, or the server that ``MLFLOW_S3_ENDPOINT_URL`` names."""
    from pyarrow import fs

    chosen = settings()
    options: dict[str, Any] = {"region": chosen.aws_region}
    if chosen.mlflow_s3_endpoint_url:
        options["endpoint_override"] = chosen.mlflow_s3_endpoint_url
    if chosen.aws_access_key_id and chosen.aws_secret_access_key:
        options["access_key"] = chosen.aws_access_key_id
        options["secret_key"] = chosen.aws_secret_access_key.get_secret_value()
    return fs.S3FileSystem(connect_timeout=10, **options)


@contextmanager
def _errors_explained(url: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PipelineError(
            f"{url}: S3 refuses or does not answer: {str(error).splitlines()[0]}. Look at MLFLOW_S3_ENDPOINT_URL, "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and whether the bucket is there."
        ) from None
