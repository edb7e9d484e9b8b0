-- One row per gate that ran, passed or not.
CREATE TABLE IF NOT EXISTS dqm.DQ_RUNS (
    dq_run_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    snapshot_id    text        NOT NULL,
    suite_name     text        NOT NULL,
    run_date       date        NOT NULL,
    window_start   date        NOT NULL,
    window_end     date        NOT NULL,
    today          date        NOT NULL,       -- the run's clock in the project's zone
    on_invalid     text        NOT NULL CHECK (on_invalid IN ('halt', 'quarantine')),
    outcome        text        NOT NULL CHECK (outcome IN ('passed', 'quarantined', 'halted')),
    rows_judged    bigint      NOT NULL,
    rows_rejected  bigint      NOT NULL,
    reasons        jsonb       NOT NULL,       -- rule -> rows
    docs_path      text,
    finished_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS dq_runs_date ON dqm.DQ_RUNS (run_date, dq_run_id);

-- Every bad row with all its reasons and its own raw values: once per run date, as that date's last attempt saw it.
CREATE TABLE IF NOT EXISTS dqm.BT_CRYPTO_EVENTS_REJECTS (
    reject_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_date        date        NOT NULL,
    snapshot_id     text        NOT NULL,
    disposition     text        NOT NULL CHECK (disposition IN ('halted', 'quarantined')),
    reasons         text[]      NOT NULL,
    ingest_id       bigint,                    -- the row in raw; NULL for a line that never got there
    site_id         text,
    user_id         bigint,
    purchase_date   text,
    crypto_type     text,
    purchase_price  numeric(18, 4),
    purchase_units  numeric(18, 8),
    source_file     text,                      -- the file that it came from, and which line of it
    source_sha256   text,                      -- of the file, where the line could not become a row
    source_line     bigint,
    line            text,                      -- the unreadable line itself
    rejected_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX IF NOT EXISTS bt_crypto_events_rejects_row
    ON dqm.BT_CRYPTO_EVENTS_REJECTS (ingest_id, run_date) WHERE ingest_id IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS bt_crypto_events_rejects_line
    ON dqm.BT_CRYPTO_EVENTS_REJECTS (source_sha256, source_line, run_date) WHERE source_sha256 IS NOT NULL;
CREATE INDEX IF NOT EXISTS bt_crypto_events_rejects_date
    ON dqm.BT_CRYPTO_EVENTS_REJECTS (run_date);
