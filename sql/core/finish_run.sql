-- How a run ended is written once: what fails later in the same run is a row of ops.stage_runs.
UPDATE ops.runs
SET finished_at = clock_timestamp(), outcome = %(outcome)s, error = %(error)s, exit_code = %(exit_code)s
WHERE run_id = %(run_id)s AND finished_at IS NULL;
