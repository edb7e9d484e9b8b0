-- Keys that production does not know, in the order of its index: ON CONFLICT would make a first load half as long again.
INSERT INTO prod.BT_CRYPTO_EVENTS (
    site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, purchase_value
)
SELECT site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, purchase_value
FROM changes
WHERE change = 'inserted'
ORDER BY purchase_date, site_id, user_id, crypto_type;
