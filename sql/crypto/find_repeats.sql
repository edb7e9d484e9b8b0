-- Keys that more than one judged row has.
CREATE TEMPORARY TABLE repeated ON COMMIT DROP AS
SELECT site_id, user_id, purchase_day, crypto_type
FROM staging.BT_CRYPTO_TRANSACTION_HISTORY
WHERE site_id IS NOT NULL AND user_id IS NOT NULL AND purchase_day IS NOT NULL AND crypto_type IS NOT NULL
GROUP BY user_id, purchase_day, site_id, crypto_type
HAVING count(*) > 1;
