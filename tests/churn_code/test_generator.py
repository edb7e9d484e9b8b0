"""Generated files are the same for the same arguments, and never written over anything."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from pipelines.churn import synthetic
from pipelines.core.errors import UsageError
from tests.churn_files import FILES

DIALECTS = pytest.mark.parametrize("dialect", synthetic.DIALECTS)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@DIALECTS
def test_the_same_arguments_make_the_same_bytes(dialect: str, tmp_path: Path) -> None:
    rows = [synthetic.generate(tmp_path / name, 150, seed=7, dialect=dialect) for name in ("one", "other")]
    files = contents(tmp_path / "one")
    assert files == contents(tmp_path / "other")
    assert sorted(files) == sorted(FILES.values())
    assert rows[0] == rows[1] == {name: text.count(b"\n") - 1 for name, text in files.items()}


@DIALECTS
def test_another_seed_makes_other_users(dialect: str, tmp_path: Path) -> None:
    for seed in (1, 2):
        synthetic.generate(tmp_path / str(seed), 150, seed=seed, dialect=dialect)
    one, other = contents(tmp_path / "1"), contents(tmp_path / "2")
    assert all(one[name] != other[name] for name in one)


def test_the_dialects_differ_in_how_they_are_written(tmp_path: Path) -> None:
    headers = {}
    for dialect in synthetic.DIALECTS:
        synthetic.generate(tmp_path / dialect, 150, dialect=dialect)
        headers[dialect] = {name: text.splitlines()[0] for name, text in contents(tmp_path / dialect).items()}
    same = {name for name in synthetic.FILES if headers["wallet"][name] == headers["bank"][name]}
    assert same == {"MARKETPLACE_DATA.csv", "EVALUATE.csv"}


def test_payments_end_with_the_day_that_is_asked_for(tmp_path: Path) -> None:
    synthetic.generate(tmp_path / "files", 300, last_day=date(2020, 2, 29), days=40, payments_per_user=10)
    days = [line.split(b",")[0] for line in contents(tmp_path / "files")["PAYMENTS.csv"].splitlines()[1:]]
    assert (min(days), max(days)) == (b"2020-01-21", b"2020-02-29")
    assert len(days) == pytest.approx(3000, rel=0.3)


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    synthetic.generate(tmp_path, 100)
    assert sorted(contents(tmp_path)) == sorted(FILES.values())


@pytest.mark.parametrize("inside", ["PAYMENTS.csv", "notes.txt", ".hidden"])
def test_a_folder_with_something_in_it_is_refused_and_stays_as_it_was(inside: str, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / inside).write_bytes(b"mine")
    with pytest.raises(UsageError, match="no empty folder"):
        synthetic.generate(folder, 100)
    assert contents(folder) == {inside: b"mine"}
    assert [path.name for path in tmp_path.iterdir()] == ["files"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "files").write_bytes(b"mine")
    with pytest.raises(UsageError, match="no empty folder"):
        synthetic.generate(tmp_path / "files", 100)
    assert (tmp_path / "files").read_bytes() == b"mine"


@pytest.mark.parametrize(
    "wrong", [{"users": 0}, {"days": 0}, {"days": 4000}, {"payments_per_user": 0}, {"dialect": "card"}]
)
def test_an_argument_out_of_range_is_refused_before_anything_is_made(wrong: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        synthetic.generate(tmp_path / "files", **{"users": 100, **wrong})  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_generator_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    for name in (f"files.new-{child}", f"files.new-{os.getppid()}", "files.new-year", "other"):
        (tmp_path / name).mkdir()
    synthetic.generate(tmp_path / "files", 100)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted(["files", f"files.new-{os.getppid()}", "files.new-year", "other"])


@pytest.mark.parametrize("users", [1, 2, 20])
def test_a_handful_of_users_is_enough(users: int, tmp_path: Path) -> None:
    rows = synthetic.generate(tmp_path / "files", users)
    assert set(rows) == set(FILES.values())
