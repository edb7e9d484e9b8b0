-- The newest materialization of each stage of the churn flow.
SELECT DISTINCT ON (stage) stage, key, finished_at, seconds, result, result ->> 'reason' AS reason
FROM ops.materializations
WHERE flow = 'churn' AND stage IN (
    'clean_raw_sources', 'feature_engineering', 'train_spark_model', 'evaluate_candidate', 'decide_promotion',
    'promote_model', 'skip_promotion', 'log_drift_result', 'build_weekly_features', 'train_logreg', 'promote_logreg',
    'score_cohort'
)
ORDER BY stage, finished_at DESC;
