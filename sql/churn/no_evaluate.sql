-- Without EVALUATE.csv there is no ground truth.
SELECT CAST(NULL AS bigint) AS customer_id, CAST(NULL AS integer) AS churn WHERE false;
