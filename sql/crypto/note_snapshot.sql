-- Whose rows are in staging. Every run replaces them.
INSERT INTO staging.snapshot (snapshot_id, run_date, window_start, window_end, today)
VALUES (%(snapshot_id)s, %(run_date)s, %(window_start)s, %(window_end)s, %(today)s);
