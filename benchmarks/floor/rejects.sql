-- Only where something is wrong: every bad row with all its reasons.
WITH judged AS (
    SELECT *, array_remove(ARRAY[
        CASE WHEN site_id IS NULL THEN 'site_id_missing' END,
        CASE WHEN site_id <> ALL ('{ARGENTINA,BRASIL,MEXICO}') THEN 'site_id_unknown' END,
        CASE WHEN user_id IS NULL THEN 'user_id_missing' END,
        CASE WHEN purchase_date !~ '^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$' THEN 'purchase_date_format' END,
        CASE WHEN purchase_day IS NULL THEN 'purchase_date_no_calendar_day' END,
        CASE WHEN purchase_day > %(today)s THEN 'purchase_date_future' END,
        CASE WHEN crypto_type IS NULL THEN 'crypto_type_missing' END,
        CASE WHEN crypto_type <> ALL ('{BTC,ETH,USDC}') THEN 'crypto_type_unknown' END,
        CASE WHEN purchase_price IS NULL THEN 'purchase_price_missing' END,
        CASE WHEN purchase_price < 0 OR purchase_price = 'NaN' THEN 'purchase_price_negative' END,
        CASE WHEN purchase_units IS NULL THEN 'purchase_units_missing' END,
        CASE WHEN purchase_units <= 0 OR purchase_units = 'NaN' THEN 'purchase_units_not_positive' END,
        CASE WHEN user_id IS NOT NULL AND purchase_day IS NOT NULL AND count(*) OVER (
            PARTITION BY site_id, user_id, purchase_day, crypto_type
        ) > 1 THEN 'key_conflict' END
    ], NULL) AS reasons
    FROM staging.floor_events
)
INSERT INTO dqm.BT_CRYPTO_EVENTS_REJECTS (
    run_date, snapshot_id, disposition, reasons, ingest_id,
    site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units
)
SELECT %(end)s, 'floor', 'halted', reasons, ingest_id,
       site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units
FROM judged
WHERE reasons <> '{}';
