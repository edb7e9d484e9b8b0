-- What each schema, table, view, column and function holds: the source of docs/data-dictionary.md.
-- A comment on a schema is left to its owner: the schemas may be a DBA's.
DO $$
DECLARE
    about record;
BEGIN
    FOR about IN
        SELECT nspname AS name, words
        FROM (VALUES
            ('raw', 'What arrives, as it arrives.'),
            ('staging', 'What one run validates: its snapshot of raw history and the candidates made from it.'),
            ('prod', 'Validated events.'),
            ('dqm', 'Data quality: the runs of the gates, and the rejects.'),
            ('features', 'The feature store of the churn flow.'),
            ('ops', 'Operations: materializations, runs, loaded files, scores, drift.')
        ) AS comments (name, words)
        JOIN pg_namespace ON nspname = name
        WHERE pg_has_role(nspowner, 'USAGE')
    LOOP
        EXECUTE format('COMMENT ON SCHEMA %I IS %L', about.name, about.words);
    END LOOP;
END $$;

-- raw
COMMENT ON TABLE raw.BT_CRYPTO_TRANSACTION_HISTORY IS 'Crypto transactions as they arrived. Append-only for our stages; bad rows stay here, and are rejected by a gate.';
COMMENT ON COLUMN raw.BT_CRYPTO_TRANSACTION_HISTORY.site_id IS 'Site of the transaction, such as ARGENTINA.';
COMMENT ON COLUMN raw.BT_CRYPTO_TRANSACTION_HISTORY.user_id IS 'User who bought.';
COMMENT ON COLUMN raw.BT_CRYPTO_TRANSACTION_HISTORY.purchase_date IS 'Date of the purchase as text, D/M/YYYY.';
COMMENT ON COLUMN raw.BT_CRYPTO_TRANSACTION_HISTORY.crypto_type IS 'Crypto that was bought, such as BTC.';
COMMENT ON COLUMN raw.BT_CRYPTO_TRANSACTION_HISTORY.purchase_price IS 'Price of one unit.';
COMMENT ON COLUMN raw.BT_CRYPTO_TRANSACTION_HISTORY.purchase_units IS 'Units that were bought.';
COMMENT ON COLUMN raw.BT_CRYPTO_TRANSACTION_HISTORY.ingest_id IS 'Number of the row, in order of arrival.';
COMMENT ON COLUMN raw.BT_CRYPTO_TRANSACTION_HISTORY.inserted_at IS 'When the row arrived.';
COMMENT ON COLUMN raw.BT_CRYPTO_TRANSACTION_HISTORY.purchase_day IS 'purchase_date as a date; empty where the text is none. Generated, and indexed.';

COMMENT ON TABLE raw.day_changes IS 'How often each day of raw history was changed: the source version of a window is read from here. Written by the triggers of raw history.';
COMMENT ON COLUMN raw.day_changes.day IS 'Day of the changed rows; -infinity for undated rows and for TRUNCATE.';
COMMENT ON COLUMN raw.day_changes.backend IS 'Process of the server that made the changes: writers do not wait for one another.';
COMMENT ON COLUMN raw.day_changes.changes IS 'Number of rows changed by it.';

COMMENT ON FUNCTION raw.parse_day(text) IS 'D/M/YYYY as a date; NULL where the text is no date.';
COMMENT ON FUNCTION raw.count_changes() IS 'Trigger function: counts changes of raw history in raw.day_changes.';

-- staging
COMMENT ON TABLE staging.snapshot IS 'The snapshot that staging.BT_CRYPTO_TRANSACTION_HISTORY holds: one row. Unlogged: a crash of the server empties both.';
COMMENT ON COLUMN staging.snapshot.snapshot_id IS 'Id of the snapshot.';
COMMENT ON COLUMN staging.snapshot.run_date IS 'Run date.';
COMMENT ON COLUMN staging.snapshot.window_start IS 'First day of the window.';
COMMENT ON COLUMN staging.snapshot.window_end IS 'Last day of the window.';
COMMENT ON COLUMN staging.snapshot.today IS 'Today in the zone of the project, when the snapshot was taken.';
COMMENT ON COLUMN staging.snapshot.taken_at IS 'When the snapshot was taken.';

COMMENT ON TABLE staging.BT_CRYPTO_TRANSACTION_HISTORY IS 'The rows of raw history that one run validates. Unlogged.';
COMMENT ON COLUMN staging.BT_CRYPTO_TRANSACTION_HISTORY.ingest_id IS 'The row in raw history.';
COMMENT ON COLUMN staging.BT_CRYPTO_TRANSACTION_HISTORY.site_id IS 'As in raw history.';
COMMENT ON COLUMN staging.BT_CRYPTO_TRANSACTION_HISTORY.user_id IS 'As in raw history.';
COMMENT ON COLUMN staging.BT_CRYPTO_TRANSACTION_HISTORY.purchase_date IS 'As in raw history: text, D/M/YYYY.';
COMMENT ON COLUMN staging.BT_CRYPTO_TRANSACTION_HISTORY.crypto_type IS 'As in raw history.';
COMMENT ON COLUMN staging.BT_CRYPTO_TRANSACTION_HISTORY.purchase_price IS 'As in raw history.';
COMMENT ON COLUMN staging.BT_CRYPTO_TRANSACTION_HISTORY.purchase_units IS 'As in raw history.';
COMMENT ON COLUMN staging.BT_CRYPTO_TRANSACTION_HISTORY.purchase_day IS 'purchase_date as a date; empty where the text is none.';
COMMENT ON COLUMN staging.BT_CRYPTO_TRANSACTION_HISTORY.purchase_value IS 'Price times units, rounded to 8 decimals.';
COMMENT ON COLUMN staging.BT_CRYPTO_TRANSACTION_HISTORY.redelivered IS 'Whether the row is an exact copy of one with a smaller ingest_id.';
COMMENT ON COLUMN staging.BT_CRYPTO_TRANSACTION_HISTORY.key_conflict IS 'Whether another, different row has the same key.';
COMMENT ON COLUMN staging.BT_CRYPTO_TRANSACTION_HISTORY.quarantined IS 'Whether a gate has quarantined the row.';

COMMENT ON VIEW staging.BT_CRYPTO_EVENTS_CANDIDATE IS 'The candidates: what the second gate validates is what the merge reads.';
COMMENT ON COLUMN staging.BT_CRYPTO_EVENTS_CANDIDATE.site_id IS 'Site of the transaction.';
COMMENT ON COLUMN staging.BT_CRYPTO_EVENTS_CANDIDATE.user_id IS 'User who bought.';
COMMENT ON COLUMN staging.BT_CRYPTO_EVENTS_CANDIDATE.purchase_date IS 'Date of the purchase.';
COMMENT ON COLUMN staging.BT_CRYPTO_EVENTS_CANDIDATE.crypto_type IS 'Crypto that was bought.';
COMMENT ON COLUMN staging.BT_CRYPTO_EVENTS_CANDIDATE.purchase_price IS 'Price of one unit.';
COMMENT ON COLUMN staging.BT_CRYPTO_EVENTS_CANDIDATE.purchase_units IS 'Units that were bought.';
COMMENT ON COLUMN staging.BT_CRYPTO_EVENTS_CANDIDATE.purchase_value IS 'Price times units, rounded to 8 decimals.';
COMMENT ON COLUMN staging.BT_CRYPTO_EVENTS_CANDIDATE.value_error IS 'purchase_value where it is not price times units; empty otherwise.';

-- prod
COMMENT ON TABLE prod.BT_CRYPTO_EVENTS IS 'Validated crypto events, one row per key: date, site, user and crypto.';
COMMENT ON COLUMN prod.BT_CRYPTO_EVENTS.site_id IS 'Site of the transaction.';
COMMENT ON COLUMN prod.BT_CRYPTO_EVENTS.user_id IS 'User who bought.';
COMMENT ON COLUMN prod.BT_CRYPTO_EVENTS.purchase_date IS 'Date of the purchase.';
COMMENT ON COLUMN prod.BT_CRYPTO_EVENTS.crypto_type IS 'Crypto that was bought.';
COMMENT ON COLUMN prod.BT_CRYPTO_EVENTS.purchase_price IS 'Price of one unit.';
COMMENT ON COLUMN prod.BT_CRYPTO_EVENTS.purchase_units IS 'Units that were bought.';
COMMENT ON COLUMN prod.BT_CRYPTO_EVENTS.purchase_value IS 'Price times units, rounded to 8 decimals.';
COMMENT ON COLUMN prod.BT_CRYPTO_EVENTS.is_active IS 'False since the key vanished from raw history: deactivated, not deleted.';
COMMENT ON COLUMN prod.BT_CRYPTO_EVENTS.created_at IS 'When the row was inserted.';
COMMENT ON COLUMN prod.BT_CRYPTO_EVENTS.updated_at IS 'When the row last changed: updated, deactivated or reactivated.';

-- dqm
COMMENT ON TABLE dqm.DQ_RUNS IS 'One row for each gate that ran, passed or not.';
COMMENT ON COLUMN dqm.DQ_RUNS.dq_run_id IS 'Number of the row, in order of time.';
COMMENT ON COLUMN dqm.DQ_RUNS.snapshot_id IS 'The snapshot that was validated.';
COMMENT ON COLUMN dqm.DQ_RUNS.suite_name IS 'The suite of expectations.';
COMMENT ON COLUMN dqm.DQ_RUNS.run_date IS 'Run date.';
COMMENT ON COLUMN dqm.DQ_RUNS.window_start IS 'First day of the window.';
COMMENT ON COLUMN dqm.DQ_RUNS.window_end IS 'Last day of the window.';
COMMENT ON COLUMN dqm.DQ_RUNS.today IS 'Today in the zone of the project, for the rule on future dates.';
COMMENT ON COLUMN dqm.DQ_RUNS.on_invalid IS 'What the run does with violations: halt, or quarantine.';
COMMENT ON COLUMN dqm.DQ_RUNS.outcome IS 'passed, quarantined or halted.';
COMMENT ON COLUMN dqm.DQ_RUNS.rows_judged IS 'Rows that were validated.';
COMMENT ON COLUMN dqm.DQ_RUNS.rows_rejected IS 'Rows that broke a rule.';
COMMENT ON COLUMN dqm.DQ_RUNS.reasons IS 'Reject code -> number of rows.';
COMMENT ON COLUMN dqm.DQ_RUNS.docs_path IS 'Page of the validation result in Data Docs.';
COMMENT ON COLUMN dqm.DQ_RUNS.finished_at IS 'When the gate ended.';

COMMENT ON TABLE dqm.BT_CRYPTO_EVENTS_REJECTS IS 'The rejects: each bad row with its reject codes and its raw values, once per run date, as the last run for that date saw it.';
COMMENT ON COLUMN dqm.BT_CRYPTO_EVENTS_REJECTS.reject_id IS 'Number of the reject, in order of time.';
COMMENT ON COLUMN dqm.BT_CRYPTO_EVENTS_REJECTS.run_date IS 'Run date.';
COMMENT ON COLUMN dqm.BT_CRYPTO_EVENTS_REJECTS.snapshot_id IS 'The snapshot that was validated.';
COMMENT ON COLUMN dqm.BT_CRYPTO_EVENTS_REJECTS.disposition IS 'halted: the load stopped. quarantined: the valid rows were loaded.';
COMMENT ON COLUMN dqm.BT_CRYPTO_EVENTS_REJECTS.reasons IS 'Reject codes: the rules that the row broke.';
COMMENT ON COLUMN dqm.BT_CRYPTO_EVENTS_REJECTS.ingest_id IS 'The row in raw history; empty for a line of a file that could not become a row.';
COMMENT ON COLUMN dqm.BT_CRYPTO_EVENTS_REJECTS.site_id IS 'As in raw history.';
COMMENT ON COLUMN dqm.BT_CRYPTO_EVENTS_REJECTS.user_id IS 'As in raw history.';
COMMENT ON COLUMN dqm.BT_CRYPTO_EVENTS_REJECTS.purchase_date IS 'As in raw history: text.';
COMMENT ON COLUMN dqm.BT_CRYPTO_EVENTS_REJECTS.crypto_type IS 'As in raw history.';
COMMENT ON COLUMN dqm.BT_CRYPTO_EVENTS_REJECTS.purchase_price IS 'As in raw history.';
COMMENT ON COLUMN dqm.BT_CRYPTO_EVENTS_REJECTS.purchase_units IS 'As in raw history.';
COMMENT ON COLUMN dqm.BT_CRYPTO_EVENTS_REJECTS.source_file IS 'File that the row came from, where it came from one.';
COMMENT ON COLUMN dqm.BT_CRYPTO_EVENTS_REJECTS.source_sha256 IS 'SHA-256 of that file, for a line that could not become a row.';
COMMENT ON COLUMN dqm.BT_CRYPTO_EVENTS_REJECTS.source_line IS 'Line of that file.';
COMMENT ON COLUMN dqm.BT_CRYPTO_EVENTS_REJECTS.line IS 'Text of a line that could not become a row.';
COMMENT ON COLUMN dqm.BT_CRYPTO_EVENTS_REJECTS.rejected_at IS 'When the row was rejected.';

-- features
COMMENT ON TABLE features.churn_weekly_features IS 'Snapshots of the churn flow: the features of each customer of the cohort, one row per customer and week.';
COMMENT ON COLUMN features.churn_weekly_features.customer_id IS 'Customer.';
COMMENT ON COLUMN features.churn_weekly_features.snapshot_date IS 'Cutoff: only events before this date count.';
COMMENT ON COLUMN features.churn_weekly_features.spent_7d IS 'Sum of the payments of the last 7 days.';
COMMENT ON COLUMN features.churn_weekly_features.spent_30d IS 'Sum of the payments of the last 30 days.';
COMMENT ON COLUMN features.churn_weekly_features.spent_90d IS 'Sum of the payments of the last 90 days.';
COMMENT ON COLUMN features.churn_weekly_features.payments_7d IS 'Number of payments in the last 7 days.';
COMMENT ON COLUMN features.churn_weekly_features.payments_30d IS 'Number of payments in the last 30 days.';
COMMENT ON COLUMN features.churn_weekly_features.payments_90d IS 'Number of payments in the last 90 days.';
COMMENT ON COLUMN features.churn_weekly_features.total_discount_30d IS 'Sum of the discounts of the last 30 days.';
COMMENT ON COLUMN features.churn_weekly_features.active_days_60d IS 'Days with a payment, of the last 60.';
COMMENT ON COLUMN features.churn_weekly_features.days_since_activity IS 'Days since the last payment, 1 to 90.';
COMMENT ON COLUMN features.churn_weekly_features.mau_mp_1 IS 'Visits to the payments app in the last 30 days.';
COMMENT ON COLUMN features.churn_weekly_features.mau_mp_2 IS 'Visits to the payments app, 31 to 60 days back.';
COMMENT ON COLUMN features.churn_weekly_features.mau_mp_3 IS 'Visits to the payments app, 61 to 90 days back.';
COMMENT ON COLUMN features.churn_weekly_features.mau_ml_1 IS 'Visits to the marketplace in the last 30 days.';
COMMENT ON COLUMN features.churn_weekly_features.mau_ml_2 IS 'Visits to the marketplace, 31 to 60 days back.';
COMMENT ON COLUMN features.churn_weekly_features.mau_ml_3 IS 'Visits to the marketplace, 61 to 90 days back.';
COMMENT ON COLUMN features.churn_weekly_features.plata_cuenta_1 IS 'Highest balance of the account, last month.';
COMMENT ON COLUMN features.churn_weekly_features.plata_cuenta_2 IS 'Highest balance of the account, two months back.';
COMMENT ON COLUMN features.churn_weekly_features.spent_ml IS 'Sum of the purchases in the marketplace in six months.';
COMMENT ON COLUMN features.churn_weekly_features.frequency_ml IS 'Days with a purchase in the marketplace in six months.';
COMMENT ON COLUMN features.churn_weekly_features.recency_ml_days IS 'Days since the last purchase in the marketplace; 999 for never, or unknown.';
COMMENT ON COLUMN features.churn_weekly_features.has_inversion IS '1 where the money of the account is invested, else 0.';
COMMENT ON COLUMN features.churn_weekly_features.gender_is_female IS '1 for female, else 0.';
COMMENT ON COLUMN features.churn_weekly_features.gender IS 'female, male or unknown.';
COMMENT ON COLUMN features.churn_weekly_features.rango_edad IS 'Range of age, such as 04.entre 31 y 35 años; or unknown.';
COMMENT ON COLUMN features.churn_weekly_features.tarjetas IS 'Card that the customer pays with; or unknown.';
COMMENT ON COLUMN features.churn_weekly_features.estado IS 'Province of the customer; or unknown.';
COMMENT ON COLUMN features.churn_weekly_features.last_payment_date IS 'Date of the last payment before the cutoff.';
COMMENT ON COLUMN features.churn_weekly_features.last_login_date IS 'Date of the last login before the cutoff.';
COMMENT ON COLUMN features.churn_weekly_features.labeled_churn IS 'Label: 1 for a customer who churned, 0 for one who stayed; empty until the horizon has passed.';
COMMENT ON COLUMN features.churn_weekly_features.created_at IS 'When the row was inserted.';

-- ops
COMMENT ON VIEW ops.bt_crypto_events IS 'prod.BT_CRYPTO_EVENTS, under the name that readers of etl_crypto_events_d know.';
COMMENT ON COLUMN ops.bt_crypto_events.site_id IS 'As in prod.BT_CRYPTO_EVENTS.';
COMMENT ON COLUMN ops.bt_crypto_events.user_id IS 'As in prod.BT_CRYPTO_EVENTS.';
COMMENT ON COLUMN ops.bt_crypto_events.purchase_date IS 'As in prod.BT_CRYPTO_EVENTS.';
COMMENT ON COLUMN ops.bt_crypto_events.crypto_type IS 'As in prod.BT_CRYPTO_EVENTS.';
COMMENT ON COLUMN ops.bt_crypto_events.purchase_price IS 'As in prod.BT_CRYPTO_EVENTS.';
COMMENT ON COLUMN ops.bt_crypto_events.purchase_units IS 'As in prod.BT_CRYPTO_EVENTS.';
COMMENT ON COLUMN ops.bt_crypto_events.purchase_value IS 'As in prod.BT_CRYPTO_EVENTS.';
COMMENT ON COLUMN ops.bt_crypto_events.is_active IS 'As in prod.BT_CRYPTO_EVENTS.';
COMMENT ON COLUMN ops.bt_crypto_events.created_at IS 'As in prod.BT_CRYPTO_EVENTS.';
COMMENT ON COLUMN ops.bt_crypto_events.updated_at IS 'As in prod.BT_CRYPTO_EVENTS.';

COMMENT ON TABLE ops.materializations IS 'The newest materialization of each stage and key, written in the transaction of its rows.';
COMMENT ON COLUMN ops.materializations.flow IS 'crypto or churn.';
COMMENT ON COLUMN ops.materializations.stage IS 'The stage, by its task id in Airflow.';
COMMENT ON COLUMN ops.materializations.key IS 'What it was made for: a run date and its window, a snapshot, a folder.';
COMMENT ON COLUMN ops.materializations.run_id IS 'The run that made it, in ops.runs; empty before revision 0002.';
COMMENT ON COLUMN ops.materializations.fingerprint IS 'Hash of all that decides the result. The stage is current while it equals the one computed now.';
COMMENT ON COLUMN ops.materializations.made_from IS 'What the fingerprint was computed from: code version, parameters, source versions, upstream fingerprints.';
COMMENT ON COLUMN ops.materializations.result IS 'What the stage returned: counts, paths, versions.';
COMMENT ON COLUMN ops.materializations.result_version IS 'Version of the form of result; 0 before revision 0002.';
COMMENT ON COLUMN ops.materializations.seconds IS 'How long the stage took.';
COMMENT ON COLUMN ops.materializations.finished_at IS 'When the stage ended.';

COMMENT ON TABLE ops.runs IS 'The ledger of runs: one row per run of a flow, kept for RUN_HISTORY_DAYS.';
COMMENT ON COLUMN ops.runs.run_id IS 'Id of the run.';
COMMENT ON COLUMN ops.runs.flow IS 'crypto or churn.';
COMMENT ON COLUMN ops.runs.root_task IS 'The root task that was started, such as CryptoMerge.';
COMMENT ON COLUMN ops.runs.parameters IS 'Parameters of the root task.';
COMMENT ON COLUMN ops.runs.run_date IS 'Run date.';
COMMENT ON COLUMN ops.runs.engine IS 'What started the run: luigi, airflow or python.';
COMMENT ON COLUMN ops.runs.dag_id IS 'DAG, for a run of Airflow.';
COMMENT ON COLUMN ops.runs.dag_run_id IS 'DAG run, for a run of Airflow.';
COMMENT ON COLUMN ops.runs.host IS 'Machine of the run.';
COMMENT ON COLUMN ops.runs.process_id IS 'Process id of the run on that machine.';
COMMENT ON COLUMN ops.runs.project_version IS 'Version of the code.';
COMMENT ON COLUMN ops.runs.started_at IS 'When the run began.';
COMMENT ON COLUMN ops.runs.finished_at IS 'When the run ended; empty while it runs.';
COMMENT ON COLUMN ops.runs.outcome IS 'succeeded, failed, refused (a gate, or another run at work) or lost (killed); empty while it runs.';
COMMENT ON COLUMN ops.runs.error IS 'The error of a run that did not succeed.';
COMMENT ON COLUMN ops.runs.exit_code IS 'Exit code of the process, where there was one.';

COMMENT ON TABLE ops.stage_runs IS 'One row for each stage of each run.';
COMMENT ON COLUMN ops.stage_runs.stage_run_id IS 'Number of the row, in order of time.';
COMMENT ON COLUMN ops.stage_runs.run_id IS 'The run, in ops.runs.';
COMMENT ON COLUMN ops.stage_runs.stage IS 'The stage, by its task id in Airflow.';
COMMENT ON COLUMN ops.stage_runs.key IS 'What it ran for; the key of its materialization.';
COMMENT ON COLUMN ops.stage_runs.outcome IS 'ran, skipped (it was current), refused (by a gate) or failed.';
COMMENT ON COLUMN ops.stage_runs.fingerprint IS 'Fingerprint of the stage in this run.';
COMMENT ON COLUMN ops.stage_runs.seconds IS 'How long the stage took.';
COMMENT ON COLUMN ops.stage_runs.result IS 'What the stage returned.';
COMMENT ON COLUMN ops.stage_runs.source_versions IS 'Versions of the sources, as the run pinned them.';
COMMENT ON COLUMN ops.stage_runs.error IS 'The error of a stage that was refused or failed.';
COMMENT ON COLUMN ops.stage_runs.finished_at IS 'When the stage ended.';

COMMENT ON TABLE ops.loaded_files IS 'The files that were loaded into raw history: each content once.';
COMMENT ON COLUMN ops.loaded_files.sha256 IS 'SHA-256 of the content.';
COMMENT ON COLUMN ops.loaded_files.path IS 'Where the file was.';
COMMENT ON COLUMN ops.loaded_files.bytes IS 'Size of the file.';
COMMENT ON COLUMN ops.loaded_files.lines IS 'Lines of the file.';
COMMENT ON COLUMN ops.loaded_files.loaded IS 'Lines that became rows.';
COMMENT ON COLUMN ops.loaded_files.unreadable IS 'Lines that could not become rows; they are rejects.';
COMMENT ON COLUMN ops.loaded_files.loaded_at IS 'When the file was loaded.';

COMMENT ON TABLE ops.loaded_lines IS 'Which line of a file a row of raw history was: ingest_id + lines_ahead.';
COMMENT ON COLUMN ops.loaded_lines.inserted_at IS 'inserted_at of the rows.';
COMMENT ON COLUMN ops.loaded_lines.first_ingest_id IS 'First row of the range.';
COMMENT ON COLUMN ops.loaded_lines.last_ingest_id IS 'Last row of the range.';
COMMENT ON COLUMN ops.loaded_lines.path IS 'The file.';
COMMENT ON COLUMN ops.loaded_lines.lines_ahead IS 'Line minus ingest_id, the same for all rows of the range.';

COMMENT ON TABLE ops.churn_scoring IS 'Weekly batch scores: one row per customer, snapshot and model version.';
COMMENT ON COLUMN ops.churn_scoring.customer_id IS 'Customer.';
COMMENT ON COLUMN ops.churn_scoring.snapshot_date IS 'Snapshot whose features were scored.';
COMMENT ON COLUMN ops.churn_scoring.score IS 'Probability that the customer churns.';
COMMENT ON COLUMN ops.churn_scoring.prediction IS '1 where the score is 0.5 or more, else 0.';
COMMENT ON COLUMN ops.churn_scoring.model_version IS 'Version of churn-logreg in the registry.';
COMMENT ON COLUMN ops.churn_scoring.created_at IS 'When the row was inserted.';

COMMENT ON TABLE ops.churn_drift IS 'The weekly drift reports: the newest of each snapshot.';
COMMENT ON COLUMN ops.churn_drift.snapshot_date IS 'Snapshot that was compared with those of the 8 weeks before.';
COMMENT ON COLUMN ops.churn_drift.drift_detected IS 'Whether the data set drifted.';
COMMENT ON COLUMN ops.churn_drift.drift_share IS 'Share of the compared columns that drifted.';
COMMENT ON COLUMN ops.churn_drift.drifted IS 'Columns that drifted.';
COMMENT ON COLUMN ops.churn_drift.left_out IS 'Column -> why it could not be compared.';
COMMENT ON COLUMN ops.churn_drift.stand_in IS 'True where no week was there before: the snapshot was compared with itself and light noise.';
COMMENT ON COLUMN ops.churn_drift.report_path IS 'Where the HTML report is.';
COMMENT ON COLUMN ops.churn_drift.report_key IS 'Key of the report in the bucket, where there is one.';
COMMENT ON COLUMN ops.churn_drift.created_at IS 'When the row was inserted.';

COMMENT ON TABLE ops.source_hashes IS 'SHA-256 of each churn file at a version of it: a file is hashed once.';
COMMENT ON COLUMN ops.source_hashes.path IS 'The file.';
COMMENT ON COLUMN ops.source_hashes.version IS 'Size and times of the file, or its version in S3.';
COMMENT ON COLUMN ops.source_hashes.sha256 IS 'SHA-256 of the content.';

COMMENT ON TABLE ops.schema_revision IS 'The revision that the schema is at: one row.';
COMMENT ON COLUMN ops.schema_revision.version_num IS 'Name of the revision in sql/migrations/, such as 0003.';
