INSERT INTO ops.stage_runs (run_id, stage, key, outcome, fingerprint, seconds, result, source_versions, error)
VALUES (
    %(run_id)s, %(stage)s, %(key)s, %(outcome)s, %(fingerprint)s, %(seconds)s, %(result)s, %(source_versions)s,
    %(error)s
);
