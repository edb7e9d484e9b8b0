SELECT
    count(*) AS judged,
    count(*) FILTER (WHERE NOT redelivered AND NOT quarantined) AS candidates,
    (SELECT count(*) FROM dqm.BT_CRYPTO_EVENTS_REJECTS
     WHERE run_date = %(run_date)s AND snapshot_id = %(snapshot_id)s
       AND ingest_id IN (SELECT ingest_id FROM staging.BT_CRYPTO_TRANSACTION_HISTORY)) AS rejected
FROM staging.BT_CRYPTO_TRANSACTION_HISTORY;
