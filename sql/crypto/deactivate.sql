-- Keys of the window that vanished.
UPDATE prod.BT_CRYPTO_EVENTS AS event
SET is_active = false, updated_at = now()
FROM changes
WHERE changes.change = 'deactivated'
  AND (event.purchase_date, event.site_id, event.user_id, event.crypto_type)
    = (changes.purchase_date, changes.site_id, changes.user_id, changes.crypto_type)
  AND event.purchase_date BETWEEN %(window_start)s AND %(window_end)s;
