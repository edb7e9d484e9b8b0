INSERT INTO prod.BT_CRYPTO_EVENTS (
    site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, purchase_value
)
SELECT site_id, user_id, purchase_day, crypto_type, purchase_price, purchase_units,
       round(purchase_price * purchase_units, 8)
FROM raw.BT_CRYPTO_TRANSACTION_HISTORY
WHERE purchase_day BETWEEN %(start)s AND %(end)s;
