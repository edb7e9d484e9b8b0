"""The data dictionary is whole, and that of the docs is the one of the code."""

from __future__ import annotations

import pytest

from pipelines.services import migrations
from scripts import data_dictionary
from tests.upgrade.conftest import Database

OURS = "nspname IN ('raw', 'staging', 'prod', 'dqm', 'features', 'ops')"
UNCOMMENTED = {
    "schema": f"SELECT nspname AS name FROM pg_namespace WHERE {OURS} AND obj_description(oid, 'pg_namespace') IS NULL",
    "table or view": f"""
        SELECT oid::regclass::text AS name FROM pg_class
        WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE {OURS}) AND relkind NOT IN ('i', 'S', 't')
              AND obj_description(oid, 'pg_class') IS NULL""",
    "column": f"""
        SELECT attrelid::regclass || '.' || attname AS name FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE {OURS}) AND relkind NOT IN ('i', 'S', 't')
              AND attnum > 0 AND NOT attisdropped AND col_description(attrelid, attnum) IS NULL""",
    "function": f"""
        SELECT oid::regprocedure::text AS name FROM pg_proc
        WHERE pronamespace IN (SELECT oid FROM pg_namespace WHERE {OURS})
              AND obj_description(oid, 'pg_proc') IS NULL""",
}


@pytest.fixture
def migrated(fresh: Database) -> Database:
    migrations.bring_up(fresh.connection)
    return fresh


@pytest.mark.parametrize("kind", UNCOMMENTED)
def test_everything_that_the_project_makes_has_a_comment(migrated: Database, kind: str) -> None:
    assert migrated.fetch(UNCOMMENTED[kind]) == [], "give it its COMMENT ON in a new revision of sql/migrations/"


def test_the_page_of_the_docs_is_the_generated_one(migrated: Database) -> None:
    migrated.connection.execute("CREATE TABLE raw.payments (fecha text)")  # of `python -m pipelines seed`
    page = data_dictionary.page(migrated.connection)
    assert data_dictionary.PAGE.read_text(encoding="utf-8") == page, "run: python -m scripts.data_dictionary"
    for table in migrated.tables():
        assert (f"### {table}\n" in page) is (table != "raw.payments")
