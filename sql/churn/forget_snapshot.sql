DELETE FROM features.churn_weekly_features WHERE snapshot_date = %(snapshot)s;
