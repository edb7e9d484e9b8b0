-- Rows of each day of the window that raw history holds; days without any included.
SELECT day::date AS day, (
    SELECT count(*) FROM raw.BT_CRYPTO_TRANSACTION_HISTORY AS history WHERE history.purchase_day = day::date
) AS rows
FROM generate_series(%(window_start)s::timestamp, %(window_end)s::timestamp, interval '1 day') AS day
ORDER BY day;
