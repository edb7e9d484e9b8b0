DELETE FROM ops.stage_records WHERE starts_with(key, %(run_date)s || ',');
