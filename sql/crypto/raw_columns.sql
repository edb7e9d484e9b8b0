SELECT attname AS name, format_type(atttypid, NULL) AS type,
       pg_get_serial_sequence('raw.bt_crypto_transaction_history', attname) IS NOT NULL AS has_sequence
FROM pg_attribute
WHERE attrelid = 'raw.bt_crypto_transaction_history'::regclass AND attnum > 0 AND NOT attisdropped;
