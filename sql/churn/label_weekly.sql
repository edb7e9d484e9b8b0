-- A frame with its label, in the columns of features.churn_weekly_features.
SELECT frame.customer_id, CAST($snapshot AS date) AS snapshot_date,
       frame.* EXCLUDE (customer_id),
       coalesce(evaluate.churn, CASE WHEN $passed THEN CAST(active.customer_id IS NULL AS integer) END) AS labeled_churn
FROM frame
LEFT JOIN evaluate ON evaluate.customer_id = frame.customer_id
LEFT JOIN active ON active.customer_id = frame.customer_id
ORDER BY frame.customer_id;
