SELECT count(*) AS keys
FROM prod.BT_CRYPTO_EVENTS
WHERE is_active AND purchase_date BETWEEN %(window_start)s AND %(window_end)s;
