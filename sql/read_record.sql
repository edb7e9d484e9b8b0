SELECT fingerprint, details, seconds, finished_at FROM ops.stage_records
WHERE stage = %(stage)s AND key = %(key)s;
