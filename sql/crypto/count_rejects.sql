SELECT count(*) AS rows FROM dqm.BT_CRYPTO_EVENTS_REJECTS WHERE run_date = %(run_date)s;
