SELECT fingerprint, made_from, result, result_version, seconds, finished_at, run_id
FROM ops.materializations
WHERE flow = %(flow)s AND stage = %(stage)s AND key = %(key)s;
