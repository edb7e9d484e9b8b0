SELECT
    (SELECT count(*) FROM staging.BT_CRYPTO_TRANSACTION_HISTORY) AS judged,
    (SELECT count(*) FROM dqm.BT_CRYPTO_EVENTS_REJECTS
     WHERE run_date = %(run_date)s AND snapshot_id = %(snapshot_id)s) AS rejected;
