SELECT * FROM ops.runs
WHERE starts_with(run_id::text, %(part)s) OR right(run_id::text, length(%(part)s)) = %(part)s
ORDER BY started_at DESC
LIMIT 2;
