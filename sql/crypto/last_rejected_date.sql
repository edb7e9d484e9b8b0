SELECT max(run_date) AS run_date FROM dqm.BT_CRYPTO_EVENTS_REJECTS;
