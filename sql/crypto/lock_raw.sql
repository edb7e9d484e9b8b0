-- No TRUNCATE between the snapshot of a run and what it reads.
LOCK TABLE raw.BT_CRYPTO_TRANSACTION_HISTORY IN ACCESS SHARE MODE;
