-- Quarantine: what was rejected is no candidate.
UPDATE staging.BT_CRYPTO_TRANSACTION_HISTORY AS history
SET quarantined = true
FROM dqm.BT_CRYPTO_EVENTS_REJECTS AS reject
WHERE reject.run_date = %(run_date)s
  AND reject.snapshot_id = %(snapshot_id)s
  AND reject.ingest_id = history.ingest_id;
