SELECT EXISTS (
    SELECT FROM ops.churn_scoring WHERE snapshot_date = %(snapshot)s AND model_version = %(version)s
) AS there;
