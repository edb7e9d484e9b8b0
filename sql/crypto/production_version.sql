SELECT oid || ' ' || relfilenode AS production FROM pg_class WHERE oid = 'prod.bt_crypto_events'::regclass;
