-- Days that production has never seen: every candidate is new, in the order of the index.
INSERT INTO prod.BT_CRYPTO_EVENTS (
    site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, purchase_value
)
SELECT site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, purchase_value
FROM staging.BT_CRYPTO_EVENTS_CANDIDATE
ORDER BY purchase_date, site_id, user_id, crypto_type;
