-- Few rows come out of the join of staging with production: handing them over must not keep it from being parallel.
SELECT set_config('parallel_tuple_cost', '0', true);
