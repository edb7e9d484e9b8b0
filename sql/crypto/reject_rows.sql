-- Every judged row that breaks a rule, with all the reasons that apply, its own raw values, and where it came from.
WITH judged AS (
    SELECT history.*, array_remove({reasons}, NULL) AS reasons
    FROM staging.BT_CRYPTO_TRANSACTION_HISTORY AS history
),
bad AS (
    SELECT * FROM judged WHERE reasons <> '{{}}'
),
origin AS (
    SELECT bad.ingest_id, lines.path, bad.ingest_id + lines.lines_ahead AS line_no
    FROM bad
    JOIN raw.BT_CRYPTO_TRANSACTION_HISTORY AS history USING (ingest_id)
    JOIN ops.loaded_lines AS lines
        ON lines.inserted_at = history.inserted_at
        AND bad.ingest_id BETWEEN lines.first_ingest_id AND lines.last_ingest_id
)
INSERT INTO dqm.BT_CRYPTO_EVENTS_REJECTS AS reject (
    run_date, snapshot_id, disposition, reasons,
    ingest_id, site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units,
    source_file, source_line
)
SELECT
    %(run_date)s, %(snapshot_id)s, %(disposition)s, reasons,
    ingest_id, site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units,
    path, line_no
FROM bad
LEFT JOIN origin USING (ingest_id)
ON CONFLICT (ingest_id, run_date) WHERE ingest_id IS NOT NULL DO UPDATE
SET snapshot_id = excluded.snapshot_id, disposition = excluded.disposition, reasons = excluded.reasons,
    site_id = excluded.site_id, user_id = excluded.user_id, purchase_date = excluded.purchase_date,
    crypto_type = excluded.crypto_type, purchase_price = excluded.purchase_price,
    purchase_units = excluded.purchase_units, source_file = excluded.source_file, source_line = excluded.source_line,
    rejected_at = clock_timestamp();
