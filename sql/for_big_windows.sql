-- A window is joined and sorted in memory, not on disk, and by more than one core: few rows come out of it. Groups by the
-- million are sorted in parallel; they would be hashed by one core alone.
SELECT set_config('work_mem', '256MB', true), set_config('hash_mem_multiplier', '2', true),
       set_config('parallel_setup_cost', '0', true), set_config('parallel_tuple_cost', '0', true),
       set_config('enable_hashagg', 'off', true);
