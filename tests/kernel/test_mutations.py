"""A change of a function or SQL file makes stale exactly the stages that execute it, on a copy of this project.

All changes are made in one copy, and each stage's parts say by which of them it is stale; a few are made one by one.
"""

from __future__ import annotations

import ast
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines.core.code_version import Code, CodeVersion
from pipelines.core.statements import ROOT
from tests.kernel.stages import entries

ENTRIES = entries()
CODE = Code(ROOT)
VERSIONS = {entry: CODE.version_of(entry) for entry in ENTRIES}
PARTS = {part for version in VERSIONS.values() for part in version.parts}


@dataclass(frozen=True)
class Place:
    """A function of a module, by the name that it has in a version."""

    part: str
    file: str
    first_line: int  # of the statements after the docstring
    column: int
    docstring: ast.expr | None


def functions(file: Path) -> Iterator[Place]:
    name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")

    def within(body: list[ast.stmt], prefix: str) -> Iterator[Place]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from within(node.body, f"{prefix}.{node.name}")
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                docstring = (
                    node.body[0].value if ast.get_docstring(node) and isinstance(node.body[0], ast.Expr) else None
                )
                first = node.body[1] if docstring and len(node.body) > 1 else node.body[0]
                if first.lineno > node.lineno and (docstring is None or first is not node.body[0]):
                    yield Place(
                        f"{prefix}.{node.name}", str(file.relative_to(ROOT)), first.lineno, first.col_offset, docstring
                    )

    yield from within(ast.parse(file.read_bytes()).body, name)


SQL = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("sql/**/*.sql"))
MODULES = sorted({*ROOT.glob("pipelines/crypto/**/*.py"), *ROOT.glob("pipelines/churn/**/*.py")})
FUNCTIONS = {str(module.relative_to(ROOT)): [*functions(module)] for module in MODULES}


EVERY = [place for places in FUNCTIONS.values() for place in places]
ALONE = random.Random(2019).sample([place for place in EVERY if place.part in PARTS], 8)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_project(tmp_path_factory)


def copy_of_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what decides versions."""
    copy = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "pipelines", copy / "pipelines", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "sql", copy / "sql")
    return copy


def versions(tree: Path) -> dict[str, CodeVersion]:
    code = Code(tree)
    return {entry: code.version_of(entry) for entry in ENTRIES}


def stale(tree: Path) -> set[str]:
    return {entry for entry, version in versions(tree).items() if version.digest != VERSIONS[entry].digest}


def edited(place: Place, text: str, statement: str) -> str:
    """The text of a module with a statement more in a function."""
    lines = text.splitlines(keepends=True)
    lines.insert(place.first_line - 1, " " * place.column + statement + "\n")
    return "".join(lines)


def edit(tree: Path, places: list[Place], statement: str, docstrings: bool = False) -> None:
    """Put a statement into functions, from the last line of a module to its first."""
    for place in sorted(places, key=lambda place: (place.file, -place.first_line)):
        path = tree / place.file
        text = edited(place, path.read_text(encoding="utf-8"), statement)
        if docstrings and place.docstring is not None:
            lines = text.splitlines(keepends=True)
            lines[place.docstring.lineno - 1] = lines[place.docstring.lineno - 1].replace('"""', '"""Changed. ', 1)
            text = "".join(lines)
        path.write_text(text, encoding="utf-8")


def append(tree: Path, files: list[str], text: str) -> None:
    for file in files:
        with (tree / file).open("a", encoding="utf-8") as sql:
            sql.write(text)


def holders(part: str) -> set[str]:
    return {entry for entry, version in VERSIONS.items() if part in version.parts}


def test_every_name_that_a_stage_uses_can_be_followed() -> None:
    assert [str(problem) for problem in CODE.problems(ENTRIES)] == []


def test_a_copy_has_the_same_versions(tree: Path) -> None:
    assert versions(tree) == VERSIONS
    for entry, version in VERSIONS.items():
        files = sum(part.startswith("sql/") for part in version.parts)
        print(f"{entry:60} {len(version.parts) - files:4} definitions {files:3} SQL files")
        assert f"{entry.removesuffix('.work')}" in version.parts


def test_functions_of_all_modules_are_changed() -> None:
    assert len(EVERY) > 200
    assert sum(place.part in PARTS for place in EVERY) > 60
    assert {place.part.rpartition(".")[0] for place in EVERY if place.part in PARTS} > {
        "pipelines.crypto.history", "pipelines.crypto.gates", "pipelines.churn.features", "pipelines.churn.lifecycle",
    }  # fmt: skip


@pytest.fixture(scope="module")
def changes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """By stage the parts that differ after all functions and all SQL files were changed."""
    tree = copy_of_project(tmp_path_factory)
    edit(tree, EVERY, "_kpi_mutation = 1")
    append(tree, SQL, "\nAND kpi_mutation")
    found = {}
    for entry, version in versions(tree).items():
        added, removed, changed = Code.changes(VERSIONS[entry].parts, version.parts)
        assert (added, removed) == ((), ())
        assert (version.digest != VERSIONS[entry].digest) is bool(changed)
        found[entry] = set(changed)
    return found


def test_a_change_makes_those_stale_that_execute_it_and_no_other(changes: dict[str, set[str]]) -> None:
    made = {*SQL, *(place.part for place in EVERY)}
    found = {part: {entry for entry, changed in changes.items() if part in changed} for part in made}
    assert found == {part: holders(part) for part in made}
    assert set().union(*changes.values()) <= made


@pytest.mark.parametrize("place", ALONE, ids=lambda place: place.part.removeprefix("pipelines."))
def test_one_function_changed_alone(tree: Path, place: Place) -> None:
    path = tree / place.file
    text = path.read_text(encoding="utf-8")
    path.write_text(edited(place, text, "_kpi_mutation = 1"), encoding="utf-8")
    assert stale(tree) == holders(place.part)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("file", SQL[::12])
def test_one_sql_file_changed_alone(tree: Path, file: str) -> None:
    text = (tree / file).read_text(encoding="utf-8")
    append(tree, [file], "\nAND kpi_mutation")
    assert stale(tree) == holders(file)
    (tree / file).write_text(text, encoding="utf-8")


def test_comments_docstrings_and_blank_lines_make_no_stage_stale(tmp_path_factory: pytest.TempPathFactory) -> None:
    tree = copy_of_project(tmp_path_factory)
    edit(tree, EVERY, "# a comment\n", docstrings=True)
    append(tree, SQL, "\n\n-- a comment\n/* another */\n")
    assert stale(tree) == set()


class Reword(ast.NodeTransformer):
    """Changes the texts within a ``raise``."""

    def __init__(self) -> None:
        self.within = False
        self.count = 0

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            self.within = True
            node.exc.args = [self.visit(each) for each in node.exc.args]
            self.within = False
        return node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        return node  # an expression, not a text

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if self.within and isinstance(node.value, str):
            self.count += 1
            return ast.Constant(f"{node.value} Changed.")
        return node


def test_other_words_in_all_errors_make_no_stage_stale(tmp_path_factory: pytest.TempPathFactory) -> None:
    tree = copy_of_project(tmp_path_factory)
    changed = 0
    for path in tree.glob("pipelines/c[rh]*/**/*.py"):
        reword = Reword()
        path.write_text(ast.unparse(reword.visit(ast.parse(path.read_bytes()))), encoding="utf-8")
        changed += reword.count
    assert changed > 50
    assert stale(tree) == set()
