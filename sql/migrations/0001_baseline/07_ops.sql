-- A stage's record: that it was done, from what (fingerprint), and what came out. Written with the stage's rows, or not at all.
CREATE TABLE IF NOT EXISTS ops.stage_records (
    stage        text        NOT NULL,
    key          text        NOT NULL,          -- which one of the stage's runs: its date and window
    fingerprint  text        NOT NULL,
    details      jsonb       NOT NULL,
    seconds      double precision NOT NULL,
    finished_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (stage, key)
);

-- A file is loaded once, by content.
CREATE TABLE IF NOT EXISTS ops.loaded_files (
    sha256       text        PRIMARY KEY,
    path         text        NOT NULL,
    bytes        bigint      NOT NULL,
    lines        bigint      NOT NULL,
    loaded       bigint      NOT NULL,
    unreadable   bigint      NOT NULL,
    loaded_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Which line of a file a row of raw history was: ingest_id + lines_ahead. The time of the load is part of the key, since
-- TRUNCATE … RESTART IDENTITY gives ids anew.
CREATE TABLE IF NOT EXISTS ops.loaded_lines (
    inserted_at      timestamptz NOT NULL,
    first_ingest_id  bigint      NOT NULL,
    last_ingest_id   bigint      NOT NULL,
    path             text        NOT NULL,
    lines_ahead      bigint      NOT NULL,
    PRIMARY KEY (inserted_at, first_ingest_id)
);

-- Which text of sql/schema/ this database was last brought up to.
CREATE TABLE IF NOT EXISTS ops.schema_version (
    one_row     boolean     PRIMARY KEY DEFAULT true CHECK (one_row),
    sha256      text        NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
