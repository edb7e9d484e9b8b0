INSERT INTO ops.stage_records AS record (stage, key, fingerprint, details, seconds)
VALUES (%(stage)s, %(key)s, %(fingerprint)s, %(details)s, %(seconds)s)
ON CONFLICT (stage, key) DO UPDATE
SET fingerprint = excluded.fingerprint, details = excluded.details, seconds = excluded.seconds,
    finished_at = clock_timestamp();
