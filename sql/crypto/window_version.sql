-- Changes exactly when a row was inserted, updated or deleted that this window's run would judge:
-- those of its days, undated ones, and those of days to come.
SELECT coalesce(sum(changes), 0)::bigint AS version
FROM raw.day_changes
WHERE day BETWEEN %(window_start)s AND %(window_end)s
   OR day = '-infinity'
   OR day > %(today)s;
