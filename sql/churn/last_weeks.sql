WITH weeks AS (
    SELECT snapshot_date, count(*) AS customers, count(labeled_churn) AS labelled,
           count(*) FILTER (WHERE labeled_churn = 1) AS churned
    FROM features.churn_weekly_features
    GROUP BY snapshot_date
    ORDER BY snapshot_date DESC
    LIMIT 10
)
SELECT weeks.*, coalesce(scored.customers, 0) AS scored, drift.drift_share
FROM weeks
LEFT JOIN LATERAL (
    SELECT count(DISTINCT customer_id) AS customers FROM ops.churn_scoring WHERE snapshot_date = weeks.snapshot_date
) AS scored ON true
LEFT JOIN ops.churn_drift AS drift USING (snapshot_date)
ORDER BY snapshot_date DESC;
