SELECT attname AS name, format_type(atttypid, NULL) AS type
FROM pg_attribute
WHERE attrelid = 'raw.bt_crypto_transaction_history'::regclass AND attnum > 0 AND NOT attisdropped;
