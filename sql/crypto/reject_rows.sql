-- Every judged row that breaks a rule, with all the reasons that apply and its own raw values.
INSERT INTO dqm.BT_CRYPTO_EVENTS_REJECTS AS reject (
    run_date, snapshot_id, disposition, reasons,
    ingest_id, site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units,
    source_file, source_sha256, source_line, line
)
SELECT
    %(run_date)s, %(snapshot_id)s, %(disposition)s, reasons,
    ingest_id, site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units,
    NULL, NULL, NULL, NULL
FROM (
    SELECT history.*, array_remove({reasons}, NULL) AS reasons
    FROM staging.BT_CRYPTO_TRANSACTION_HISTORY AS history
) AS judged
WHERE reasons <> '{{}}'
ON CONFLICT (ingest_id, run_date) WHERE ingest_id IS NOT NULL DO UPDATE
SET snapshot_id = excluded.snapshot_id, disposition = excluded.disposition, reasons = excluded.reasons,
    site_id = excluded.site_id, user_id = excluded.user_id, purchase_date = excluded.purchase_date,
    crypto_type = excluded.crypto_type, purchase_price = excluded.purchase_price,
    purchase_units = excluded.purchase_units, rejected_at = clock_timestamp();
