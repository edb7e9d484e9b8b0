INSERT INTO prod.BT_CRYPTO_EVENTS (
    site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, purchase_value
)
SELECT site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, purchase_value
FROM staging.plain_events
ON CONFLICT (purchase_date, site_id, user_id, crypto_type) DO UPDATE
SET purchase_price = excluded.purchase_price, purchase_units = excluded.purchase_units,
    purchase_value = excluded.purchase_value, is_active = true, updated_at = now();
