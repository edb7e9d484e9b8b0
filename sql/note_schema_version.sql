INSERT INTO ops.schema_version AS version (sha256) VALUES (%(sha256)s)
ON CONFLICT (one_row) DO UPDATE SET sha256 = excluded.sha256, applied_at = clock_timestamp();
