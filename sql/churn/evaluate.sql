-- The ground truth, once per customer.
SELECT cus_cust_id_buy AS customer_id, CAST(churn AS integer) AS churn
FROM last_lines('evaluate')
WHERE churn IS NOT NULL
ORDER BY customer_id;
