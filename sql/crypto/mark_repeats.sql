-- Rows that share a key: exact copies of the first one are re-deliveries; where versions differ, all are in conflict.
WITH versions AS (
    SELECT
        ingest_id, site_id, user_id, purchase_day, crypto_type,
        row_number() OVER same_row > 1 AS redelivered,
        dense_rank() OVER same_key AS version
    FROM staging.BT_CRYPTO_TRANSACTION_HISTORY
    JOIN repeated USING (site_id, user_id, purchase_day, crypto_type)
    WINDOW
        same_key AS (PARTITION BY site_id, user_id, purchase_day, crypto_type ORDER BY purchase_price, purchase_units),
        same_row AS (PARTITION BY site_id, user_id, purchase_day, crypto_type, purchase_price, purchase_units
                     ORDER BY ingest_id)
),
verdicts AS (
    SELECT
        ingest_id, redelivered,
        max(version) OVER (PARTITION BY site_id, user_id, purchase_day, crypto_type) > 1 AS key_conflict
    FROM versions
),
marked AS (
    UPDATE staging.BT_CRYPTO_TRANSACTION_HISTORY AS history
    SET redelivered = verdicts.redelivered, key_conflict = verdicts.key_conflict
    FROM verdicts
    WHERE verdicts.ingest_id = history.ingest_id AND (verdicts.redelivered OR verdicts.key_conflict)
    RETURNING verdicts.redelivered
)
SELECT count(*) FILTER (WHERE redelivered) AS copies FROM marked;
