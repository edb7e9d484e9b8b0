SELECT run_id, started_at
FROM ops.runs
WHERE dag_id = %(dag_id)s AND dag_run_id = %(dag_run_id)s AND finished_at IS NULL
ORDER BY started_at DESC
LIMIT 1;
