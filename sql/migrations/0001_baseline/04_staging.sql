-- What one run judges. Unlogged: a crash of the server empties the rows and the note of whose they are together,
-- so a run never trusts half of them.
CREATE UNLOGGED TABLE IF NOT EXISTS staging.snapshot (
    snapshot_id   text        PRIMARY KEY,
    run_date      date        NOT NULL,
    window_start  date        NOT NULL,
    window_end    date        NOT NULL,
    today         date        NOT NULL,
    taken_at      timestamptz NOT NULL DEFAULT now()
);

CREATE UNLOGGED TABLE IF NOT EXISTS staging.BT_CRYPTO_TRANSACTION_HISTORY (
    ingest_id       bigint         NOT NULL,
    site_id         text COLLATE "C",
    user_id         bigint,
    purchase_date   text,
    crypto_type     text COLLATE "C",
    purchase_price  numeric(18, 4),
    purchase_units  numeric(18, 8),
    purchase_day    date,                          -- purchase_date, read; NULL where it cannot be
    purchase_value  numeric(38, 8),                -- round(price * units, 8)
    redelivered     boolean        NOT NULL,       -- an exact copy of a row with a smaller ingest_id
    key_conflict    boolean        NOT NULL,       -- another, different row has the same key
    quarantined     boolean        NOT NULL        -- set aside by the raw gate
);

-- The typed candidates: what the second suite judges is exactly what the merge reads.
CREATE OR REPLACE VIEW staging.BT_CRYPTO_EVENTS_CANDIDATE AS
SELECT site_id, user_id, purchase_day AS purchase_date, crypto_type, purchase_price, purchase_units, purchase_value,
       nullif(purchase_value, round(purchase_price * purchase_units, 8))::numeric AS value_error  -- a value that is wrong
FROM staging.BT_CRYPTO_TRANSACTION_HISTORY
WHERE NOT redelivered AND NOT quarantined;
