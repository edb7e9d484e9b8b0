-- Changes exactly when a row was inserted, updated or deleted that this window's run would judge: those of its days,
-- undated ones, and those of days to come; or when the table was made anew or rewritten, which no trigger sees.
-- Days to come are told one by one, so that one that has come cannot hide a change of another.
WITH changed AS (
    SELECT day, sum(changes)::bigint AS changes
    FROM raw.day_changes
    WHERE day BETWEEN %(window_start)s AND %(window_end)s
       OR day = '-infinity'
       OR day > greatest(%(today)s, %(window_end)s)
    GROUP BY day
)
SELECT
    coalesce(sum(changes) FILTER (WHERE day BETWEEN %(window_start)s AND %(window_end)s), 0)::bigint AS in_window,
    coalesce(sum(changes) FILTER (WHERE day = '-infinity'), 0)::bigint AS undated,
    md5(coalesce(string_agg(day || ' ' || changes, ',' ORDER BY day)
                 FILTER (WHERE day > greatest(%(today)s, %(window_end)s)), '')) AS to_come,
    (SELECT oid || ' ' || relfilenode FROM pg_class WHERE oid = 'raw.bt_crypto_transaction_history'::regclass) AS history
FROM changed;
