-- What is known of a customer at a snapshot.
SELECT * FROM features.churn_weekly_features
WHERE snapshot_date = %(snapshot)s AND customer_id = %(customer)s;
