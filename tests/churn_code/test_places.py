"""A file appears under its name only when it is whole; what a dead writer left is swept away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipelines.core.errors import MissingInput, UsageError
from pipelines.services.artifacts import Place, place


@pytest.fixture
def here(tmp_path: Path) -> Place:
    return Place(str(tmp_path / "place"))


def names(here: Place) -> list[str]:
    return sorted(str(path.relative_to(here.url)) for path in Path(here.url).rglob("*") if path.is_file())


def test_a_file_appears_only_when_it_is_whole(here: Place) -> None:
    with here.writing("a/b.bin") as path:
        path.write_bytes(b"half")
        assert not here.exists("a/b.bin")
        assert here.size("a/b.bin") == 0
        path.write_bytes(b"whole")
    assert here.read("a/b.bin") == b"whole"
    assert names(here) == ["a/b.bin"]


def test_a_writer_that_fails_leaves_nothing(here: Place) -> None:
    with pytest.raises(ZeroDivisionError), here.writing("a.bin") as path:
        path.write_bytes(b"half")
        raise ZeroDivisionError
    assert names(here) == []


def test_a_writer_that_fails_leaves_the_file_of_before(here: Place) -> None:
    here.write("a.bin", b"before")
    version = here.version("a.bin")
    with pytest.raises(KeyboardInterrupt), here.writing("a.bin") as path:
        path.write_bytes(b"half")
        raise KeyboardInterrupt
    assert (here.read("a.bin"), here.version("a.bin")) == (b"before", version)
    assert names(here) == ["a.bin"]


def test_what_a_killed_writer_left_is_removed_by_the_next(here: Place) -> None:
    child = os.fork()
    if child == 0:
        with here.writing("a.bin") as path:
            path.write_bytes(b"half")
            os._exit(9)  # as a kill: nothing is cleaned up
    os.waitpid(child, 0)
    assert names(here) == [f".a.bin.new-{child}"]
    here.write("b.bin", b"another file")
    assert names(here) == [f".a.bin.new-{child}", "b.bin"]
    here.write("a.bin", b"whole")
    assert names(here) == ["a.bin", "b.bin"]


def test_a_version_changes_with_each_writing_and_not_without(here: Place) -> None:
    assert here.version("a.bin") is None
    here.write("a.bin", b"same")
    first = here.version("a.bin")
    assert here.version("a.bin") == first
    here.write("a.bin", b"same")
    assert here.version("a.bin") != first


def test_reading_what_is_not_there_names_it(here: Place) -> None:
    with pytest.raises(MissingInput, match=r"place/a\.bin: No such file"):
        here.read("a.bin")
    assert not here.exists("a.bin")
    assert here.names() == []
    here.write("a.bin", b"")
    assert here.version("a.bin/b") is None


def test_only_the_newest_folders_are_kept(here: Place) -> None:
    for number, age in enumerate([30, 10, 20, 40]):
        here.write(f"clean/{number}/a", b"")
        os.utime(Path(here.at(f"clean/{number}")), (1_000_000 - age, 1_000_000 - age))
    here.keep_newest("clean", 2)
    assert Place(here.at("clean")).names() == ["1", "2"]


def test_a_place_is_a_folder_or_on_s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert place("files", "unused") == Place(str(tmp_path / "files"))
    assert place("s3://bucket/prefix/", "unused") == Place("s3://bucket/prefix")
    for wrong in ("http://host/x", "s3://", "s3:///"):
        with pytest.raises(UsageError, match="is no place that can be used"):
            place(wrong, "unused")
