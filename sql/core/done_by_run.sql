SELECT stage, key, outcome, seconds FROM ops.stage_runs WHERE run_id = %(run_id)s ORDER BY stage_run_id;
