SELECT count(*) AS keys FROM (
    SELECT FROM staging.floor_events
    GROUP BY site_id, user_id, purchase_day, crypto_type
    HAVING count(*) > 1
) AS repeated;
