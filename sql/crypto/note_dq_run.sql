INSERT INTO dqm.DQ_RUNS (
    snapshot_id, suite_name, run_date, window_start, window_end, today,
    on_invalid, outcome, rows_judged, rows_rejected, reasons, docs_path
)
VALUES (
    %(snapshot_id)s, %(suite_name)s, %(run_date)s, %(window_start)s, %(window_end)s, %(today)s,
    %(on_invalid)s, %(outcome)s, %(rows_judged)s, %(rows_rejected)s, %(reasons)s, %(docs_path)s
);
