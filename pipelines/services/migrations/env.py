"""How Alembic applies the revisions, or prints them: executed by its commands, which the package calls."""

from functools import partial

from alembic import context

from pipelines.services.migrations import run_file

given = context.config.attributes
configure = partial(context.configure, version_table="schema_revision", version_table_schema="ops")
if context.is_offline_mode():
    configure(dialect_name="postgresql", literal_binds=True)
else:
    configure(connection=given["connection"], purge=given["from_base"])

with context.begin_transaction():
    run_file("lock_schema")
    if given["from_base"]:
        run_file("migrations/0001_baseline/01_schemas")  # Alembic creates its table before the first revision
        if given.get("drops_revisions"):
            context.execute("DROP TABLE ops.schema_revision")  # what is printed creates it anew
    context.run_migrations()
    run_file("mark_all_windows_changed")
