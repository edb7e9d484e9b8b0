UPDATE prod.BT_CRYPTO_EVENTS AS event SET is_active = false, updated_at = now()
WHERE is_active AND purchase_date BETWEEN %(start)s AND %(end)s AND NOT EXISTS (
    SELECT FROM staging.plain_events AS staged
    WHERE (staged.site_id, staged.user_id, staged.purchase_date, staged.crypto_type)
        = (event.site_id, event.user_id, event.purchase_date, event.crypto_type)
);
