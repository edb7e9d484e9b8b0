-- A run is alive while a session has its id in its name. Airflow's runs have none between two tasks: they are given
-- some hours.
UPDATE ops.runs AS run
SET finished_at = clock_timestamp(), outcome = 'lost',
    error = 'The process ended without a word: killed, or its machine went down.'
WHERE run.flow = %(flow)s AND run.finished_at IS NULL AND run.run_id <> %(run_id)s
  AND NOT EXISTS (
      SELECT FROM pg_stat_activity WHERE application_name = %(session)s || run.run_id AND datname = current_database()
  )
  AND (run.engine <> 'airflow' OR clock_timestamp() - %(idle_hours)s * interval '1 hour' > coalesce(
      (SELECT max(stage.finished_at) FROM ops.stage_runs AS stage WHERE stage.run_id = run.run_id), run.started_at
  ))
RETURNING run.run_id;
