UPDATE prod.BT_CRYPTO_EVENTS AS event SET is_active = false, updated_at = now()
FROM changes
WHERE change = 'deactivated'
  AND (event.site_id, event.user_id, event.purchase_date, event.crypto_type)
    = (changes.site_id, changes.user_id, changes.purchase_date, changes.crypto_type);
UPDATE prod.BT_CRYPTO_EVENTS AS event
SET purchase_price = changes.purchase_price, purchase_units = changes.purchase_units,
    purchase_value = changes.purchase_value, is_active = true, updated_at = now()
FROM changes
WHERE change IN ('updated', 'reactivated')
  AND (event.site_id, event.user_id, event.purchase_date, event.crypto_type)
    = (changes.site_id, changes.user_id, changes.purchase_date, changes.crypto_type);
INSERT INTO prod.BT_CRYPTO_EVENTS (
    site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, purchase_value
)
SELECT site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, purchase_value
FROM changes
WHERE change = 'inserted'
ORDER BY purchase_date, site_id, user_id, crypto_type;
