-- Active events of production and their value, of the days up to the newest that has some.
SELECT purchase_date, crypto_type, count(*) AS events, sum(purchase_value)::double precision AS value
FROM prod.BT_CRYPTO_EVENTS
WHERE is_active AND purchase_date > (SELECT max(purchase_date) FROM prod.BT_CRYPTO_EVENTS WHERE is_active) - %(days)s
GROUP BY purchase_date, crypto_type
ORDER BY purchase_date, crypto_type;
