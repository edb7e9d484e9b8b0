"""Cached versions equal computed ones, whatever was edited and however the cache was damaged."""

from __future__ import annotations

import ast
import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.code_version import CodeVersion, versions, write_cache
from pipelines.core.statements import ROOT
from tests.kernel.project import BASE, Project
from tests.kernel.stages import entries

FILES = {
    "pkg/flow/__init__.py": "",
    "pkg/flow/tasks.py": """
        from pkg.core import Stage, query
        from pkg.flow import helpers
        from pkg.services import suites
        class Base(Stage):
            def work(self, tx):
                return self.run(tx)
        class A(Base):
            def run(self, tx):
                suites.judge()
                return helpers.used(query("flow/upsert"))
        class B(Base):
            def run(self, tx):
                return query(f"flow/read_{tx}"), helpers.Thing(1).double()
        """,
    "pkg/flow/helpers.py": """
        LIMIT = 10
        def used(x):
            '''Docs of used.'''
            if x > LIMIT:
                raise ValueError(f"too many {text(x)}")
            return [y for y in x if y]
        def text(x):
            return str(x)
        def unused():
            return 10
        class Thing:
            def __init__(self, size):
                self.size = size
            def double(self):
                return self.size * 10
        """,
}
ENTRIES = ["pkg.flow.tasks.A.work", "pkg.flow.tasks.B.work"]
# Of equal length, too: a size and a time of writing may be the same before and after.
EDITS = [
    ("pkg/flow/helpers.py", "10", "20"), ("pkg/flow/helpers.py", "x > LIMIT", "x < LIMIT"),
    ("pkg/flow/helpers.py", "Docs of used", "Other docs"), ("pkg/flow/helpers.py", "if y]", "if not y]"),
    ("pkg/flow/tasks.py", "flow/upsert", "flow/read_a"), ("pkg/flow/tasks.py", "flow/read_{tx}", "flow/{tx}_a"),
    ("pkg/flow/tasks.py", "helpers.used(", "helpers.text("), ("pkg/services/suites.py", "VERSION = 3", "VERSION = 4"),
    ("sql/flow/upsert.sql", "SELECT *", "SELECT a"), ("sql/flow/read_a.sql", "SELECT 1", "SELECT 9"),
    ("pkg/core/__init__.py", "def record", "def forget"),
]  # fmt: skip
NEW_FILES = {
    "sql/flow/read_c.sql": "SELECT 3", "sql/flow/10.sql": "SELECT 4",
    "pkg/flow/helpers/__init__.py": "def used(x): ...",
    "pkg/flow/suites.py": "",
}  # fmt: skip
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), st.sampled_from(EDITS)),
        st.tuples(st.just("undo"), st.sampled_from(EDITS)),
        st.tuples(st.just("add"), st.sampled_from(sorted(NEW_FILES))),
        st.tuples(st.just("remove"), st.sampled_from(sorted(NEW_FILES))),
        st.tuples(st.just("cache"), st.none()),
        st.tuples(st.just("damage"), st.integers(0, 10_000)),
    ),
    min_size=2, max_size=12,
)  # fmt: skip


@pytest.fixture
def made(tmp_path: Path) -> Project:
    return make(tmp_path)


def make(root: Path) -> Project:
    made = Project(root)
    made.write({**BASE, **FILES})
    return made


def cold(made: Project) -> dict[str, CodeVersion]:
    return versions(made.root, ENTRIES, None, made.code())


def cached(made: Project) -> dict[str, CodeVersion]:
    return versions(made.root, ENTRIES, made.root / "state/cache.json", made.code())


def write(made: Project) -> dict[str, CodeVersion]:
    return write_cache(made.root, ENTRIES, made.root / "state/cache.json", made.code())


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_cached_versions_equal_computed_ones(steps: list[tuple[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made, cache = make(Path(folder)), Path(folder) / "state/cache.json"
        for kind, what in steps:
            match kind, what:
                case "edit" | "undo", (file, *texts):
                    old, new = texts if kind == "edit" else reversed(texts)
                    path = made.root / file
                    times = path.stat().st_mtime_ns
                    path.write_text(path.read_text().replace(old, new))
                    os.utime(path, ns=(times, times))
                case "add", str(file):
                    made.write({file: NEW_FILES[file]})
                case "remove", str(file):
                    (made.root / file).unlink(missing_ok=True)
                case "cache", _:
                    assert write(made) == cold(made)
                case "damage", int(at) if cache.exists():
                    content = bytearray(cache.read_bytes())
                    content[at % len(content)] ^= 1 + at % 255
                    cache.write_bytes(content)
            assert cached(made) == cold(made), kind


def test_a_current_cache_is_used(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = write(made)
    monkeypatch.setattr(ast, "parse", lambda *_: pytest.fail("it was computed"))
    assert cached(made) == expected
    assert write(made) == expected, "it is not written anew"


def test_asking_writes_nothing(made: Project) -> None:
    cached(made)
    assert not (made.root / "state").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"made_by": 1, "records": []}'])
def test_a_damaged_cache_is_replaced(made: Project, content: bytes) -> None:
    cache = made.root / "state/cache.json"
    cache.parent.mkdir()
    cache.write_bytes(content)
    assert cached(made) == write(made) == cold(made)
    assert json.loads(cache.read_bytes())["records"]


@pytest.mark.parametrize("change", ["made_by", "listing", "files", "parts", "check"])
def test_a_cache_of_another_shape_is_not_used(made: Project, change: str) -> None:
    write(made)
    cache = made.root / "state/cache.json"
    content = json.loads(cache.read_bytes())
    (record,) = content["records"].values()
    (content if change == "made_by" else record)[change] = None
    cache.write_text(json.dumps(content))
    assert cached(made) == cold(made)


def test_a_cache_that_cannot_be_written_is_left(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    (made.root / "state").write_text("a file where the folder should be")
    assert write(made) == cold(made)
    (made.root / "state").unlink()
    monkeypatch.setattr(Path, "replace", refuse)
    assert write(made) == cold(made)
    assert list((made.root / "state").iterdir()) == [], "nothing half written stays"


def test_other_entries_keep_their_record(made: Project) -> None:
    cache = made.root / "state/cache.json"
    write_cache(made.root, ENTRIES[:1], cache, made.code())
    write_cache(made.root, ENTRIES[1:], cache, made.code())
    assert len(json.loads(cache.read_bytes())["records"]) == 2


def writes(root: Path) -> list[bool]:
    made = Project(root)
    return [write(made) == cached(made) == cold(made) for _ in range(10)]


def test_two_writers_at_once_leave_a_whole_cache(made: Project) -> None:
    with ProcessPoolExecutor(2) as processes:
        assert all(all(each) for each in processes.map(writes, [made.root] * 4))
    assert cached(made) == cold(made)
    assert [path.name for path in (made.root / "state").iterdir()] == ["cache.json"]


# Formatting -----------------------------------------------------------------------------------------------------------


def unparse(text: str, _: random.Random) -> str:
    return ast.unparse(ast.parse(text))


def space(text: str, chance: random.Random) -> str:
    """Blank lines and comments between lines, spaces at the ends of others."""
    lines = []
    for line in text.splitlines():
        opens = line.count("'''") % 2
        lines.append(line + " " * chance.randint(0, 2))
        if not opens and chance.random() < 0.3:
            lines.append(chance.choice(["", "# a comment", "        # pipelines.core", "\t"]))
    return "\n".join(lines) + "\n"


def parentheses(text: str, _: random.Random) -> str:
    return text.replace("return x", "return (x)").replace("self.size * 10", "((self.size) * (10))")


def document(text: str, chance: random.Random) -> str:
    return text.replace("Docs of used.", f"Docs {chance.random()}").replace("too many", f"more than {chance.random()}")


def reorder(text: str, chance: random.Random) -> str:
    """Functions and classes in another order; what runs at import stays before them."""
    tree = ast.parse(text)
    defined = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
    others = [each for each in tree.body if not isinstance(each, ast.FunctionDef)]
    chance.shuffle(defined)
    tree.body = [*others, *defined]
    return ast.unparse(tree)


FORMATS: list[Callable[[str, random.Random], str]] = [unparse, space, parentheses, document, reorder]


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(FORMATS), st.integers()), min_size=1, max_size=4))
def test_formatting_changes_no_version(steps: list[tuple[Callable[[str, random.Random], str], int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = make(Path(folder))
        before = cold(made)
        for file in ("pkg/flow/tasks.py", "pkg/flow/helpers.py"):
            text = (made.root / file).read_text()
            for change, seed in steps:
                text = change(text, random.Random(seed))
            (made.root / file).write_text(text)
        assert cold(made) == before


@pytest.mark.parametrize("flow", ["crypto", "churn"])
def test_formatting_the_project_changes_no_version(tmp_path: Path, flow: str) -> None:
    """Every module of the project, written anew by ``ast.unparse``."""
    shutil.copytree(ROOT / "pipelines", tmp_path / "pipelines", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "sql", tmp_path / "sql")
    mine = [entry for entry in entries() if f".{flow}." in entry]
    before = versions(tmp_path, mine)
    for path in (tmp_path / "pipelines").rglob("*.py"):
        path.write_text(ast.unparse(ast.parse(path.read_bytes())))
    for path in (tmp_path / "sql").rglob("*.sql"):
        path.write_text("-- a comment\n" + path.read_text().replace("\n", "  \n\n") + "\n/* the end */")
    assert versions(tmp_path, mine) == before
