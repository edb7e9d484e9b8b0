-- What was found week by week, newest first.
SELECT snapshot_date, drift_detected, drift_share, drifted, left_out, stand_in, report_path, report_key, created_at
FROM ops.churn_drift
ORDER BY snapshot_date DESC;
