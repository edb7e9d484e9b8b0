-- Changes exactly when a row was inserted, updated or deleted that this window's run would judge: those of its days,
-- undated ones, and those of days to come. Apart, so that a day that has come cannot hide a change.
SELECT
    coalesce(sum(changes) FILTER (WHERE day BETWEEN %(window_start)s AND %(window_end)s), 0)::bigint AS in_window,
    coalesce(sum(changes) FILTER (WHERE day = '-infinity'), 0)::bigint AS undated,
    coalesce(sum(changes) FILTER (WHERE day > greatest(%(today)s, %(window_end)s)), 0)::bigint AS to_come
FROM raw.day_changes
WHERE day BETWEEN %(window_start)s AND %(window_end)s
   OR day = '-infinity'
   OR day > greatest(%(today)s, %(window_end)s);
