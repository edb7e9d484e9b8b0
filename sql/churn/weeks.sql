-- The snapshots that the feature store holds, newest first, each with a customer for example: from one to the next by
-- the key, not by all rows.
WITH RECURSIVE weeks AS (
    SELECT max(snapshot_date) AS snapshot_date FROM features.churn_weekly_features
    UNION ALL
    SELECT (SELECT max(snapshot_date) FROM features.churn_weekly_features AS older
            WHERE older.snapshot_date < weeks.snapshot_date)
    FROM weeks
    WHERE weeks.snapshot_date IS NOT NULL
)
SELECT snapshot_date,
       (SELECT min(customer_id) FROM features.churn_weekly_features AS week
        WHERE week.snapshot_date = weeks.snapshot_date) AS example
FROM weeks
WHERE snapshot_date IS NOT NULL;
