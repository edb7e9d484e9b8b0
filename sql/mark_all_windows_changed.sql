-- Changes of raw history while a trigger was missing were not counted: every window counts as changed.
INSERT INTO raw.day_changes AS seen (day, backend, changes)
VALUES ('-infinity', pg_backend_pid(), 1)
ON CONFLICT (day, backend) DO UPDATE SET changes = seen.changes + 1;
