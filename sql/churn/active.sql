-- Who paid from $cutoff on, before $until: what a label looks at. No feature does.
SELECT DISTINCT cus_cust_id_buy AS customer_id
FROM payments
WHERE fecha >= $cutoff AND fecha < $until AND cus_cust_id_buy IS NOT NULL
ORDER BY customer_id;
