-- The gates that ran last, newest first.
SELECT dq_run_id, run_date, suite_name, outcome, rows_judged, rows_rejected, reasons, docs_path, finished_at
FROM dqm.DQ_RUNS
ORDER BY dq_run_id DESC
LIMIT %(most)s;
