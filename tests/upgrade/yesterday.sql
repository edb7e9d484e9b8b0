-- Rows in every table of a database of before the migrations: bad rows and both flows' records included.
INSERT INTO raw.bt_crypto_transaction_history (site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units)
VALUES
    ('BRASIL', 200234, '1/2/2023', 'ETH', 1200, 1.3),
    ('CHILE', 200235, '31/02/2026', 'DOGE', -1, 0),
    (NULL, NULL, NULL, NULL, NULL, NULL),
    ('MEXICO', 200236, '1/1/2999', 'it''s; "quoted" \x', 1, 0.00000001);
UPDATE raw.bt_crypto_transaction_history SET site_id = 'ARGENTINA' WHERE user_id = 200236;
INSERT INTO staging.snapshot VALUES ('s1', '2023-02-01', '2023-01-28', '2023-02-01', '2023-02-01', '2023-02-01 12:00+00');
INSERT INTO staging.bt_crypto_transaction_history
SELECT ingest_id, site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, purchase_day,
       round(purchase_price * purchase_units, 8), false, false, purchase_day IS NULL
FROM raw.bt_crypto_transaction_history;
INSERT INTO prod.bt_crypto_events (site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, purchase_value, is_active)
VALUES ('BRASIL', 200234, '2023-02-01', 'ETH', 1200, 1.3, 1560, true), ('MEXICO', 7, '2023-01-31', 'BTC', 1, 1, 1, false);
INSERT INTO dqm.dq_runs (snapshot_id, suite_name, run_date, window_start, window_end, today, on_invalid, outcome, rows_judged, rows_rejected, reasons, docs_path)
VALUES ('s1', 'suite_raw_history', '2023-02-01', '2023-01-28', '2023-02-01', '2023-02-01', 'quarantine', 'quarantined', 4, 3, '{"site_id_unknown": 1}', 'a/b.html'),
       ('s1', 'suite_staging_candidate', '2023-02-01', '2023-01-28', '2023-02-01', '2023-02-01', 'quarantine', 'passed', 1, 0, '{}', NULL);
INSERT INTO dqm.bt_crypto_events_rejects (run_date, snapshot_id, disposition, reasons, ingest_id, site_id, user_id, purchase_date)
VALUES ('2023-02-01', 's1', 'quarantined', '{site_id_unknown,purchase_date_calendar}', 2, 'CHILE', 200235, '31/02/2026');
INSERT INTO dqm.bt_crypto_events_rejects (run_date, snapshot_id, disposition, reasons, source_file, source_sha256, source_line, line)
VALUES ('2023-02-01', 'file', 'halted', '{not_utf8}', '/data/history.csv', 'abc', 17, E'bad\tline');
INSERT INTO ops.loaded_files VALUES ('abc', '/data/history.csv', 100, 5, 4, 1, '2023-02-01 12:00+00');
INSERT INTO ops.loaded_lines VALUES ('2023-02-01 12:00+00', 1, 4, '/data/history.csv', 1);
INSERT INTO ops.churn_scoring VALUES (1, '2019-05-26', 0.25, 0, '3'), (2, '2019-05-26', 1, 1, '3');
INSERT INTO ops.churn_drift VALUES ('2019-05-26', true, 0.6, '{spent_7d,estado}', '{"gender": "one value"}', false, 'r.html', NULL);
INSERT INTO ops.source_hashes VALUES ('/data/PAYMENTS.csv', '12 34', 'def');
INSERT INTO features.churn_weekly_features
SELECT id, '2019-05-26', 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 1,
       'female', 'unknown', 'unknown', 'córdoba', '2019-05-20', NULL, nullif(id, 2)::integer
FROM generate_series(1, 3) AS ids (id);
INSERT INTO ops.stage_records (stage, key, fingerprint, details, seconds)
SELECT stage, '2023-02-01, 5 days', 'f-' || stage, '{"rows": 3}', 1.5
FROM unnest(ARRAY['generate_fake_history_last_5_days', 'build_events_candidate', 'ge_validate_raw', 'ge_validate_candidate',
                  'merge_to_prod', 'vacuum_analyze_prod', 'notify_success']) AS stages (stage);
INSERT INTO ops.stage_records (stage, key, fingerprint, details, seconds)
VALUES
    ('generate_fake_history_last_5_days', 'file /data/history.csv', 'f', '{"loaded": 4}', 2),
    ('generate_churn_files', '/data', '10000', '{"PAYMENTS.csv": 5}', 3),
    ('clean_raw_sources', '/data', 'f-clean', '{"first_day": "2019-01-01"}', 0.1),
    ('train_spark_model', '2019-05-26', 'f-train', '{"metrics": {"roc_auc": 0.8123456789012345}}', 20),
    ('build_weekly_features', '2019-05-26, 8 weeks', 'f-weeks', '{"snapshots": ["2019-05-26"]}', 4),
    ('notify_success', 'churn 2019-05-26', 'f-churn-notify', '{}', 0.2);
