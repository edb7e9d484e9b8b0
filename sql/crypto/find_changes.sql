-- What production must become to say what the candidates say of the window: one join, and a row per difference.
-- A key whose new version is quarantined is in staging, though no candidate: it has not vanished.
CREATE TEMPORARY TABLE changes ON COMMIT DROP AS
WITH staged AS (
    SELECT site_id, user_id, purchase_day AS purchase_date, crypto_type,
           purchase_price, purchase_units, purchase_value, quarantined
    FROM staging.BT_CRYPTO_TRANSACTION_HISTORY
    WHERE NOT redelivered
),
trusted AS (
    SELECT site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, is_active
    FROM prod.BT_CRYPTO_EVENTS
    WHERE purchase_date BETWEEN %(window_start)s AND %(window_end)s
)
SELECT
    site_id, user_id, purchase_date, crypto_type,
    staged.purchase_price, staged.purchase_units, staged.purchase_value,
    CASE
        WHEN trusted.is_active IS NULL THEN 'inserted'
        WHEN staged.quarantined IS NULL THEN 'deactivated'
        WHEN NOT trusted.is_active THEN 'reactivated'
        ELSE 'updated'
    END AS change
FROM staged
FULL JOIN trusted USING (site_id, user_id, purchase_date, crypto_type)
WHERE CASE
    WHEN staged.quarantined IS NULL THEN trusted.is_active
    WHEN staged.quarantined THEN false
    WHEN trusted.is_active IS NULL OR NOT trusted.is_active THEN true
    ELSE (staged.purchase_price, staged.purchase_units) <> (trusted.purchase_price, trusted.purchase_units)
END;
