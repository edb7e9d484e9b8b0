-- One row per customer of any user file: what was known of them on the day of the extract. Where a file names a customer
-- twice, its last line counts.
WITH demograficos_last AS (
    FROM demograficos WHERE cus_cust_id_buy IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY cus_cust_id_buy ORDER BY line DESC) = 1
), dinero_cuenta_last AS (
    FROM dinero_cuenta WHERE cus_cust_id_buy IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY cus_cust_id_buy ORDER BY line DESC) = 1
), marketplace_last AS (
    FROM marketplace_data WHERE cus_cust_id_buy IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY cus_cust_id_buy ORDER BY line DESC) = 1
), active_user_last AS (
    FROM active_user WHERE cus_cust_id_buy IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY cus_cust_id_buy ORDER BY line DESC) = 1
)
SELECT cus_cust_id_buy AS customer_id, gender, rango_edad, tarjetas, estado, inversion, spent_ml, recency_ml, frequency_ml,
       last_login_mp_date_1, last_login_ml_date_1
FROM demograficos_last
FULL JOIN dinero_cuenta_last USING (cus_cust_id_buy)
FULL JOIN marketplace_last USING (cus_cust_id_buy)
FULL JOIN active_user_last USING (cus_cust_id_buy)
ORDER BY customer_id;
