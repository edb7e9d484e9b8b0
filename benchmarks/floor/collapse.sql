-- Only where keys repeat: exact copies go, unless another version has the same key.
DELETE FROM staging.floor_events AS repeated
USING (
    SELECT ingest_id, row_number() OVER same_row > 1 AND count(*) OVER same_row = count(*) OVER same_key AS is_copy
    FROM staging.floor_events
    WINDOW
        same_key AS (PARTITION BY site_id, user_id, purchase_day, crypto_type),
        same_row AS (PARTITION BY site_id, user_id, purchase_day, crypto_type, purchase_price, purchase_units
                     ORDER BY ingest_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
) AS numbered
WHERE numbered.ingest_id = repeated.ingest_id AND numbered.is_copy;
