-- A tenth of the usual sample is enough for the joins to come, and joins without any are slower.
SET LOCAL default_statistics_target = 10;
ANALYZE staging.BT_CRYPTO_TRANSACTION_HISTORY;
