-- What happened to raw history while its triggers were not there was not counted: every window is looked at again.
WITH uncounted AS (
    INSERT INTO raw.day_changes AS seen (day, backend, changes)
    VALUES ('-infinity', pg_backend_pid(), 1)
    ON CONFLICT (day, backend) DO UPDATE SET changes = seen.changes + 1
)
INSERT INTO ops.schema_version AS version (sha256) VALUES (%(sha256)s)
ON CONFLICT (one_row) DO UPDATE SET sha256 = excluded.sha256, applied_at = clock_timestamp();
