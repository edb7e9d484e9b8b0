-- A gate that judges the same snapshot again starts from all of it.
UPDATE staging.BT_CRYPTO_TRANSACTION_HISTORY SET quarantined = false
WHERE quarantined
  AND EXISTS (SELECT FROM dqm.DQ_RUNS WHERE run_date = %(run_date)s AND snapshot_id = %(snapshot_id)s);
