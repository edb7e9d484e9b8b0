-- One row for each stage and key: what the stage left, and what it was made from. Written in the transaction of the
-- stage's rows.
CREATE TABLE IF NOT EXISTS ops.materializations (
    flow            text             NOT NULL,
    stage           text             NOT NULL,
    key             text             NOT NULL,
    run_id          uuid,
    fingerprint     text             NOT NULL,
    made_from       jsonb            NOT NULL DEFAULT '{}',
    result          jsonb            NOT NULL,
    result_version  integer          NOT NULL DEFAULT 1,
    seconds         double precision NOT NULL,
    finished_at     timestamptz      NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (flow, stage, key)
);

-- One row for each run of a flow; append-only, but for its end.
CREATE TABLE IF NOT EXISTS ops.runs (
    run_id           uuid        PRIMARY KEY,
    flow             text        NOT NULL,
    root_task        text        NOT NULL,
    parameters       jsonb       NOT NULL,
    run_date         date        NOT NULL,
    engine           text        NOT NULL CHECK (engine IN ('luigi', 'airflow', 'python')),
    dag_id           text,
    dag_run_id       text,
    host             text        NOT NULL,
    process_id       integer     NOT NULL,
    project_version  text        NOT NULL,
    started_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at      timestamptz,
    outcome          text        CHECK (outcome IN ('succeeded', 'failed', 'refused', 'lost')),
    error            text,
    exit_code        integer,
    CONSTRAINT runs_end_check CHECK ((finished_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX IF NOT EXISTS runs_flow ON ops.runs (flow, started_at);
CREATE INDEX IF NOT EXISTS runs_dag_run ON ops.runs (dag_id, dag_run_id) WHERE dag_run_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS runs_unfinished ON ops.runs (flow) WHERE finished_at IS NULL;

-- One row for each stage that a run came to; append-only.
CREATE TABLE IF NOT EXISTS ops.stage_runs (
    stage_run_id     bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id           uuid             NOT NULL REFERENCES ops.runs ON DELETE CASCADE,
    stage            text             NOT NULL,
    key              text             NOT NULL,
    outcome          text             NOT NULL CHECK (outcome IN ('ran', 'skipped', 'refused', 'failed')),
    fingerprint      text,
    seconds          double precision NOT NULL DEFAULT 0,
    result           jsonb,
    source_versions  jsonb,
    error            text,
    finished_at      timestamptz      NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS stage_runs_run ON ops.stage_runs (run_id);
CREATE INDEX IF NOT EXISTS stage_runs_stage ON ops.stage_runs (stage, key, finished_at);

-- The records of before. Their fingerprints equal none that is computed now: each stage runs once more. That of
-- generate_churn_files was a number of users; its details, rows by file, were empty while an upload was under way.
INSERT INTO ops.materializations (flow, stage, key, fingerprint, result, result_version, seconds, finished_at)
SELECT
    CASE
        WHEN stage IN (
            'generate_fake_history_last_5_days', 'build_events_candidate', 'ge_validate_raw', 'ge_validate_candidate',
            'merge_to_prod', 'vacuum_analyze_prod'
        ) THEN 'crypto'
        WHEN stage = 'notify_success' AND NOT starts_with(key, 'churn ') THEN 'crypto'
        ELSE 'churn'
    END,
    stage,
    CASE WHEN stage = 'notify_success' AND starts_with(key, 'churn ') THEN substr(key, 7) ELSE key END,
    CASE WHEN stage = 'generate_churn_files' THEN fingerprint ELSE 'before revision 0002: ' || fingerprint END,
    CASE WHEN stage = 'generate_churn_files'
         THEN jsonb_build_object('users', fingerprint::bigint, 'rows', nullif(details, '{}')) ELSE details END,
    0, seconds, finished_at
FROM ops.stage_records
ON CONFLICT (flow, stage, key) DO NOTHING;

DROP TABLE ops.stage_records;

-- ops.schema_revision is in its place.
DROP TABLE IF EXISTS ops.schema_version;
