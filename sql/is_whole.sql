-- Whether what sql/schema/ made is still there, the counting triggers included: asked by catalogue, in a millisecond.
SELECT count(*) = 5
   AND to_regclass('raw.day_changes') IS NOT NULL
   AND to_regclass('ops.bt_crypto_events') IS NOT NULL
   AND to_regclass('staging.snapshot') IS NOT NULL
   AND to_regclass('staging.bt_crypto_events_candidate') IS NOT NULL
   AND to_regclass('prod.bt_crypto_events') IS NOT NULL
   AND to_regclass('dqm.dq_runs') IS NOT NULL
   AND to_regclass('dqm.bt_crypto_events_rejects') IS NOT NULL
   AND to_regclass('ops.stage_records') IS NOT NULL
   AND to_regclass('ops.loaded_files') IS NOT NULL
   AND to_regclass('ops.loaded_lines') IS NOT NULL
   AND to_regclass('features.churn_weekly_features') IS NOT NULL
   AND to_regclass('ops.churn_scoring') IS NOT NULL
   AND to_regclass('ops.churn_drift') IS NOT NULL
   AND to_regclass('ops.source_hashes') IS NOT NULL AS whole
FROM pg_trigger
WHERE tgrelid = to_regclass('raw.bt_crypto_transaction_history') AND starts_with(tgname::text, 'count_') AND tgenabled = 'A';
