SELECT snapshot_id, run_date, window_start, window_end, today FROM staging.snapshot;
