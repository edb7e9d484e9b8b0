-- One join tells what differs.
CREATE TEMPORARY TABLE changes ON COMMIT DROP AS
SELECT site_id, user_id, purchase_date, crypto_type,
       staged.purchase_price, staged.purchase_units, staged.purchase_value,
       CASE WHEN is_active IS NULL THEN 'inserted' WHEN staged.ingest_id IS NULL THEN 'deactivated'
            WHEN is_active THEN 'updated' ELSE 'reactivated' END AS change
FROM (
    SELECT site_id, user_id, purchase_day AS purchase_date, crypto_type,
           purchase_price, purchase_units, purchase_value, ingest_id
    FROM staging.floor_events
) AS staged
FULL JOIN (
    SELECT site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, is_active
    FROM prod.BT_CRYPTO_EVENTS
    WHERE purchase_date BETWEEN %(start)s AND %(end)s
) AS trusted USING (site_id, user_id, purchase_date, crypto_type)
WHERE CASE
    WHEN staged.ingest_id IS NULL THEN is_active
    WHEN is_active THEN (staged.purchase_price, staged.purchase_units)
                     <> (trusted.purchase_price, trusted.purchase_units)
    ELSE true
END;
ANALYZE changes;
