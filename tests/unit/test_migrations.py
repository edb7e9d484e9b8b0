"""The revisions of the code: files, their order, and how SQL is split into statements."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from pipelines.services import migrations


def test_the_revisions_of_alembic_are_the_files_of_sql() -> None:
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    revisions = [*script.walk_revisions()][::-1]
    assert tuple(each.revision for each in revisions) == migrations.known()
    assert script.get_current_head() == migrations.head()
    assert [path.stem for path in sorted(migrations.FOLDER.glob("[0-9]*"))] == [
        Path(each.path).stem for each in revisions
    ]
    for older, newer in pairwise(revisions):
        assert newer.down_revision == older.revision


@pytest.mark.parametrize(
    ("script", "statements"),
    [
        ("", []),
        ("-- only; a comment\n", []),
        ("SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';', 'it''s;' -- not; here\n, \"a;b\" /* nor; here */;", ["SELECT ';', 'it''s;' \n, \"a;b\""]),
        ("DO $$ BEGIN; END $$;\nDO $x$ ; $$ ; $x$;", ["DO $$ BEGIN; END $$", "DO $x$ ; $$ ; $x$"]),
        ("SELECT 4 - 2 / 1, j ->> 'a', $1;", ["SELECT 4 - 2 / 1, j ->> 'a', $1"]),
    ],
)
def test_a_script_is_split_at_the_ends_of_its_statements(script: str, statements: list[str]) -> None:
    assert [*migrations.statements(script)] == statements


def test_each_statement_of_the_files_begins_with_its_verb() -> None:
    for file in migrations.FOLDER.rglob("*.sql"):
        text = file.read_text(encoding="utf-8")
        for statement in migrations.statements(text):
            assert statement.split()[0] in {"ALTER", "COMMENT", "CREATE", "DO", "DROP", "INSERT"}, file
