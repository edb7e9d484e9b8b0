-- The months that raw history spans, the oldest first.
SELECT (month + interval '1 month' - interval '1 day')::date AS last_day
FROM (
    SELECT min(purchase_day) AS oldest, max(purchase_day) AS newest
    FROM raw.BT_CRYPTO_TRANSACTION_HISTORY
    WHERE purchase_day <= %(until)s
) AS span, generate_series(date_trunc('month', oldest::timestamp), newest::timestamp, interval '1 month') AS month
ORDER BY month;
