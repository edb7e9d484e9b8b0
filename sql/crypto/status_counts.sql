SELECT
    (SELECT count(*) FROM prod.BT_CRYPTO_EVENTS WHERE is_active) AS production_active,
    (SELECT count(*) FROM prod.BT_CRYPTO_EVENTS WHERE NOT is_active) AS production_inactive,
    (SELECT count(*) FROM dqm.BT_CRYPTO_EVENTS_REJECTS WHERE disposition = 'quarantined') AS rejects_quarantined,
    (SELECT count(*) FROM dqm.BT_CRYPTO_EVENTS_REJECTS WHERE disposition = 'halted') AS rejects_of_halted_runs;
