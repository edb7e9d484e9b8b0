-- The readable lines as rows of raw history, in their order; and which rows came from which lines, a row per stretch in
-- which neither ids nor lines have a gap: a file without unreadable lines needs one.
WITH readable AS (
    SELECT source_rows.*, row_number() OVER (ORDER BY line_no) AS place
    FROM source_rows
    WHERE reasons = '{}'
    ORDER BY line_no
),
numbered AS MATERIALIZED (
    SELECT nextval(pg_get_serial_sequence('raw.bt_crypto_transaction_history', 'ingest_id')) AS ingest_id, readable.*
    FROM readable
),
loaded AS (
    INSERT INTO raw.BT_CRYPTO_TRANSACTION_HISTORY (
        ingest_id, site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units
    )
    OVERRIDING SYSTEM VALUE
    SELECT ingest_id, site_id, user_id::bigint, purchase_date, crypto_type, purchase_price, purchase_units
    FROM numbered
)
INSERT INTO ops.loaded_lines (inserted_at, first_ingest_id, last_ingest_id, path, lines_ahead)
SELECT now(), min(ingest_id), max(ingest_id), %(path)s, min(line_no - ingest_id)
FROM numbered
GROUP BY line_no - place, ingest_id - place;
