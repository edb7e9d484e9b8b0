-- What production holds, in a few numbers that only equal tables have in common.
SELECT is_active, count(*) AS rows, sum(purchase_value) AS value, sum(hashtextextended(
    concat_ws('|', site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, purchase_value), 0
)::numeric) AS checksum
FROM {schema}.bt_crypto_events
GROUP BY is_active
ORDER BY is_active;
