-- A new table is filled faster than an emptied one, and by parallel workers.
SET LOCAL work_mem = '256MB';
SET LOCAL hash_mem_multiplier = 2;
SET LOCAL jit = off;
DROP TABLE IF EXISTS staging.floor_events;
CREATE UNLOGGED TABLE staging.floor_events AS
SELECT ingest_id, site_id COLLATE "C" AS site_id, user_id, purchase_date, crypto_type COLLATE "C" AS crypto_type,
       purchase_price, purchase_units, purchase_day, round(purchase_price * purchase_units, 8) AS purchase_value
FROM raw.BT_CRYPTO_TRANSACTION_HISTORY
WHERE purchase_day BETWEEN %(start)s AND %(end)s OR purchase_day IS NULL OR purchase_day > %(today)s;
SET LOCAL default_statistics_target = 10;
ANALYZE staging.floor_events;
