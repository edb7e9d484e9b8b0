-- The ground truth, once per customer: the last line counts.
SELECT cus_cust_id_buy AS customer_id, CAST(churn AS integer) AS churn
FROM evaluate
WHERE cus_cust_id_buy IS NOT NULL AND churn IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY cus_cust_id_buy ORDER BY line DESC) = 1
ORDER BY customer_id;
