SELECT run_date, suite_name, outcome, rows_judged, rows_rejected, reasons, finished_at
FROM dqm.DQ_RUNS
ORDER BY dq_run_id DESC
LIMIT 10;
