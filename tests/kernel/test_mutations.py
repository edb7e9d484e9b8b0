"""A change of a function or SQL file makes stale exactly the stages that execute it, on a copy of this project."""

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

SEED, SAMPLED = 2019, 64
ENTRIES = entries()
VERSIONS = {entry: Code(ROOT).version_of(entry) for entry in ENTRIES}
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


MODULES = sorted({*ROOT.glob("pipelines/crypto/**/*.py"), *ROOT.glob("pipelines/churn/**/*.py")})
FUNCTIONS = {str(module.relative_to(ROOT)): [*functions(module)] for module in MODULES}


def sample() -> list[Place]:
    """Functions of all modules in turn: those in closures, and some that are in none."""
    chance = random.Random(SEED)
    queues = []
    for places in FUNCTIONS.values():
        inside = [place for place in places if place.part in PARTS]
        outside = [place for place in places if place.part not in PARTS]
        chance.shuffle(inside)
        chance.shuffle(outside)
        queues.append([*inside[:1], *outside[:1], *inside[1:]])
    turns = [queue[turn] for turn in range(max(map(len, queues))) for queue in queues if turn < len(queue)]
    return turns[:SAMPLED]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
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


def holders(part: str) -> set[str]:
    return {entry for entry, version in VERSIONS.items() if part in version.parts}


def test_every_name_that_a_stage_uses_can_be_followed() -> None:
    assert [str(problem) for problem in Code(ROOT).problems(ENTRIES)] == []


def test_a_copy_has_the_same_versions(tree: Path) -> None:
    assert versions(tree) == VERSIONS
    for entry, version in VERSIONS.items():
        files = sum(part.startswith("sql/") for part in version.parts)
        print(f"{entry:60} {len(version.parts) - files:4} definitions {files:3} SQL files")
        assert f"{entry.removesuffix('.work')}" in version.parts


def test_the_sample_is_spread_over_the_project() -> None:
    places = sample()
    assert len(places) >= 60
    assert {place.file for place in places} == {file for file, found in FUNCTIONS.items() if found}
    assert sum(place.part in PARTS for place in places) >= 30


@pytest.mark.parametrize("place", sample(), ids=lambda place: place.part.removeprefix("pipelines."))
def test_a_statement_more_makes_those_stale_that_execute_the_function(tree: Path, place: Place) -> None:
    path = tree / place.file
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    before, after = lines[: place.first_line - 1], lines[place.first_line - 1 :]
    indent = " " * place.column
    if place.docstring is not None:
        at = place.docstring.lineno - 1
        before[at] = before[at].replace('"""', '"""Changed. ', 1)
    try:
        path.write_text("".join([*before, f"{indent}# a comment\n", "\n", *after]), encoding="utf-8")
        assert stale(tree) == set(), "a docstring, a comment and a blank line"
        path.write_text(
            "".join([*lines[: place.first_line - 1], f"{indent}_kpi_mutation = 1\n", *after]), encoding="utf-8"
        )
        assert stale(tree) == holders(place.part)
    finally:
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("file", sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("sql/**/*.sql")))
def test_a_token_more_makes_those_stale_that_execute_the_file(tree: Path, file: str) -> None:
    path = tree / file
    text = path.read_text(encoding="utf-8")
    try:
        path.write_text(f"-- a comment\n{text}\n\n/* another */\n", encoding="utf-8")
        assert stale(tree) == set(), "comments and blank lines"
        path.write_text(f"{text}\nAND kpi_mutation", encoding="utf-8")
        assert stale(tree) == holders(file)
    finally:
        path.write_text(text, encoding="utf-8")


class Reword(ast.NodeTransformer):
    """Changes the texts within a ``raise``."""

    def __init__(self) -> None:
        self.within = False
        self.count = 0

    def visit_Raise(self, node: ast.Raise) -> ast.AST:  # noqa: N802 - as ast calls it
        if isinstance(node.exc, ast.Call):
            self.within = True
            node.exc.args = [self.visit(each) for each in node.exc.args]
            self.within = False
        return node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:  # noqa: N802 - as ast calls it
        return node  # an expression, not a text

    def visit_Constant(self, node: ast.Constant) -> ast.AST:  # noqa: N802 - as ast calls it
        if self.within and isinstance(node.value, str):
            self.count += 1
            return ast.Constant(f"{node.value} Changed.")
        return node


def test_other_words_in_all_errors_make_no_stage_stale(tree: Path) -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in tree.glob("pipelines/c[rh]*/**/*.py")}
    changed = 0
    try:
        for path, text in texts.items():
            reword = Reword()
            path.write_text(ast.unparse(reword.visit(ast.parse(text))), encoding="utf-8")
            changed += reword.count
        assert changed > 50
        assert stale(tree) == set()
    finally:
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
