-- The months in which raw history has rows, the oldest first: an index probe per month, however long the years between.
WITH RECURSIVE found (oldest) AS (
    SELECT min(purchase_day) FROM raw.BT_CRYPTO_TRANSACTION_HISTORY WHERE purchase_day <= %(until)s
    UNION ALL
    SELECT (
        SELECT min(purchase_day)
        FROM raw.BT_CRYPTO_TRANSACTION_HISTORY
        WHERE purchase_day >= date_trunc('month', oldest::timestamp) + interval '1 month' AND purchase_day <= %(until)s
    )
    FROM found
    WHERE oldest IS NOT NULL
)
SELECT (date_trunc('month', oldest::timestamp) + interval '1 month' - interval '1 day')::date AS last_day
FROM found
WHERE oldest IS NOT NULL
ORDER BY oldest;
