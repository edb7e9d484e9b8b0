"""The watchdog tells which files really changed; what it cannot remember counts as new."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from pipelines.churn import sources, watchdog
from pipelines.core.errors import MissingInput
from pipelines.services.artifacts import Place
from tests.churn_files import FILES, write_files


def look(folder: Path) -> dict[str, str]:
    """What changed since the last look, taken as seen."""
    root, store = Place(str(folder / "files")), Place(str(folder / "store"))
    now = {source.file: sources.sha256(root, source.file) for source in sources.present(root)}
    told = watchdog.changes(watchdog.remembered(store), now)
    watchdog.remember(store, now)
    return told


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    """A folder whose files were looked at."""
    write_files(tmp_path / "files")
    look(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (None, {"a": "1"}, {"a": "new"}),
        (None, {}, {}),
        ({}, {"a": "1"}, {"a": "new"}),
        ({"a": "1"}, {"a": "1"}, {}),
        ({"a": "1"}, {"a": "2"}, {"a": "changed"}),
        ({"a": "1"}, {}, {"a": "gone"}),
        ({"a": "1", "b": "1", "c": "1"}, {"b": "2", "c": "1", "d": "1"}, {"a": "gone", "b": "changed", "d": "new"}),
    ],
)
def test_each_change_has_a_word(before: dict[str, str] | None, now: dict[str, str], told: dict[str, str]) -> None:
    assert watchdog.changes(before, now) == told


def test_the_first_look_finds_every_file_new(tmp_path: Path) -> None:
    write_files(tmp_path / "files")
    there = set(FILES.values()) - {FILES["evaluate"]}
    assert look(tmp_path) == dict.fromkeys(there, "new")
    assert look(tmp_path) == {}


def test_a_file_that_was_written_again_as_it_was_has_not_changed(seen: Path) -> None:
    write_files(seen / "files")
    os.utime(seen / "files" / FILES["payments"], (0, 0))
    assert look(seen) == {}


def test_one_byte_is_a_change(seen: Path) -> None:
    path = seen / "files" / FILES["demograficos"]
    path.write_bytes(path.read_bytes() + b"\n")
    assert look(seen) == {FILES["demograficos"]: "changed"}
    assert look(seen) == {}


def test_the_ground_truth_may_come_and_go(seen: Path) -> None:
    write_files(seen / "files", evaluate=[(1, 0)])
    assert look(seen) == {FILES["evaluate"]: "new"}
    (seen / "files" / FILES["evaluate"]).unlink()
    assert look(seen) == {FILES["evaluate"]: "gone"}


@pytest.mark.parametrize("content", [None, b"", b"{", b"[1]", b"null", b"7", b'"x"', b"\xff\xfe", bytes(50)])
def test_without_a_state_that_can_be_read_every_file_is_new(seen: Path, content: bytes | None) -> None:
    """A run too many costs minutes; a change that nobody notices costs a model."""
    state = seen / "store" / watchdog.STATE
    state.unlink() if content is None else state.write_bytes(content)
    assert set(look(seen).values()) == {"new"}
    assert look(seen) == {}


def test_a_missing_file_is_an_error_and_the_state_stays(seen: Path) -> None:
    state = seen / "store" / watchdog.STATE
    before = state.read_bytes()
    (seen / "files" / FILES["payments"]).unlink()
    with pytest.raises(MissingInput, match=r"PAYMENTS\.csv is missing"):
        look(seen)
    assert state.read_bytes() == before


def test_the_state_holds_the_hash_of_each_file_and_nothing_else_is_left(seen: Path) -> None:
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (seen / "files").iterdir()}
    assert json.loads((seen / "store" / watchdog.STATE).read_text()) == files
    assert [path.name for path in (seen / "store").iterdir()] == [watchdog.STATE]


@pytest.mark.parametrize(
    ("content", "rows"),
    [(b"", 0), (b"header", 0), (b"header\n", 0), (b"header\nrow", 1), (b"header\nrow\n", 1), (b"h\r\n1\r\n2\r\n", 2)],
)
def test_the_rows_of_a_file_are_its_lines_after_the_header(tmp_path: Path, content: bytes, rows: int) -> None:
    (tmp_path / "PAYMENTS.csv").write_bytes(content)
    assert sources.count_lines(Place(str(tmp_path)), "PAYMENTS.csv") == rows
