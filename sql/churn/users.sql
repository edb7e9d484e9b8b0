-- One row per customer of any user file: what was known of them on the day of the extract.
SELECT cus_cust_id_buy AS customer_id, gender, rango_edad, tarjetas, estado, inversion, spent_ml, recency_ml, frequency_ml,
       last_login_mp_date_1, last_login_ml_date_1
FROM last_lines('demograficos')
FULL JOIN last_lines('dinero_cuenta') USING (cus_cust_id_buy)
FULL JOIN last_lines('marketplace_data') USING (cus_cust_id_buy)
FULL JOIN last_lines('active_user') USING (cus_cust_id_buy)
ORDER BY customer_id;
