-- A DAG run whose tasks were cleared has several runs: the newest look of each stage at its sources counts.
SELECT DISTINCT ON (stage.stage, stage.key) stage.stage, stage.key, stage.source_versions
FROM ops.runs AS run
JOIN ops.stage_runs AS stage USING (run_id)
WHERE (run.run_id = %(run_id)s OR (run.dag_id = %(dag_id)s AND run.dag_run_id = %(dag_run_id)s))
  AND stage.source_versions IS NOT NULL
ORDER BY stage.stage, stage.key, stage.stage_run_id DESC;
