INSERT INTO ops.materializations AS known (
    flow, stage, key, run_id, fingerprint, made_from, result, result_version, seconds
)
VALUES (
    %(flow)s, %(stage)s, %(key)s, %(run_id)s, %(fingerprint)s, %(made_from)s, %(result)s, %(result_version)s, %(seconds)s
)
ON CONFLICT (flow, stage, key) DO UPDATE
SET run_id = excluded.run_id, fingerprint = excluded.fingerprint, made_from = excluded.made_from,
    result = excluded.result, result_version = excluded.result_version, seconds = excluded.seconds,
    finished_at = clock_timestamp();
