-- Undated rows and those of days to come, once set aside, are not counted again, not even by this snapshot's next judge.
DELETE FROM staging.BT_CRYPTO_TRANSACTION_HISTORY
WHERE quarantined AND (purchase_day IS NULL OR purchase_day > greatest(%(today)s, %(window_end)s));
