UPDATE dqm.BT_CRYPTO_EVENTS_REJECTS SET disposition = 'halted'
WHERE run_date = %(run_date)s AND snapshot_id = %(snapshot_id)s
  AND ingest_id IN (SELECT ingest_id FROM staging.BT_CRYPTO_TRANSACTION_HISTORY);
