-- A window is joined and grouped in memory, not on disk.
SELECT set_config('work_mem', '256MB', true), set_config('hash_mem_multiplier', '2', true);
