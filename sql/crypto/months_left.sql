-- Months in which production has active events and raw history no row: an index probe or two per month.
WITH RECURSIVE found (oldest) AS (
    SELECT min(purchase_date) FROM prod.BT_CRYPTO_EVENTS WHERE purchase_date <= %(until)s
    UNION ALL
    SELECT (
        SELECT min(purchase_date)
        FROM prod.BT_CRYPTO_EVENTS
        WHERE purchase_date >= date_trunc('month', oldest::timestamp) + interval '1 month' AND purchase_date <= %(until)s
    )
    FROM found
    WHERE oldest IS NOT NULL
),
months AS (
    SELECT date_trunc('month', oldest::timestamp)::date AS first_day,
           (date_trunc('month', oldest::timestamp) + interval '1 month' - interval '1 day')::date AS last_day
    FROM found
    WHERE oldest IS NOT NULL
)
SELECT last_day
FROM months
WHERE EXISTS (
    SELECT FROM prod.BT_CRYPTO_EVENTS WHERE is_active AND purchase_date BETWEEN first_day AND last_day
)
  AND NOT EXISTS (
    SELECT FROM raw.BT_CRYPTO_TRANSACTION_HISTORY WHERE purchase_day BETWEEN first_day AND last_day
)
ORDER BY last_day;
