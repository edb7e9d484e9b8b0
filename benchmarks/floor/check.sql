-- Every rule of both suites that a single row can break, in one scan.
SELECT count(*) AS judged, count(*) FILTER (
    WHERE coalesce(site_id <> ALL ('{ARGENTINA,BRASIL,MEXICO}'), true)
       OR user_id IS NULL
       OR coalesce(purchase_date !~ '^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$', true)
       OR coalesce(purchase_day > %(today)s, true)
       OR coalesce(crypto_type <> ALL ('{BTC,ETH,USDC}'), true)
       OR coalesce(purchase_price < 0 OR purchase_price = 'NaN', true)
       OR coalesce(purchase_units <= 0 OR purchase_units = 'NaN', true)
) AS bad
FROM staging.floor_events;
