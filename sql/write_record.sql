INSERT INTO ops.materializations (flow, stage, key, fingerprint, result, seconds)
VALUES (%(flow)s, %(stage)s, %(key)s, %(fingerprint)s, %(details)s, %(seconds)s)
ON CONFLICT (flow, stage, key) DO UPDATE
SET fingerprint = excluded.fingerprint, result = excluded.result, result_version = excluded.result_version,
    seconds = excluded.seconds, finished_at = clock_timestamp();
