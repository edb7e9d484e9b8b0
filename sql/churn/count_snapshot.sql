SELECT count(*) AS rows, count(labeled_churn) AS labelled, count(*) FILTER (WHERE labeled_churn = 1) AS churned
FROM features.churn_weekly_features
WHERE snapshot_date = %(snapshot)s;
