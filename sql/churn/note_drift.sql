INSERT INTO ops.churn_drift AS noted
    (snapshot_date, drift_detected, drift_share, drifted, left_out, stand_in, report_path, report_key)
VALUES (%(snapshot)s, %(drift_detected)s, %(drift_share)s, %(drifted)s, %(left_out)s, %(stand_in)s, %(path)s, %(key)s)
ON CONFLICT (snapshot_date) DO UPDATE
SET drift_detected = excluded.drift_detected, drift_share = excluded.drift_share, drifted = excluded.drifted,
    left_out = excluded.left_out, stand_in = excluded.stand_in, report_path = excluded.report_path,
    report_key = excluded.report_key, created_at = clock_timestamp();
