-- Whether production has never seen a key of the window.
SELECT NOT EXISTS (
    SELECT FROM prod.BT_CRYPTO_EVENTS WHERE purchase_date BETWEEN %(window_start)s AND %(window_end)s
) AS is_new;
