INSERT INTO raw.BT_CRYPTO_TRANSACTION_HISTORY (
    site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units
)
SELECT site_id, user_id::bigint, purchase_date, crypto_type, purchase_price, purchase_units
FROM source_rows
WHERE reasons = '{}'
ORDER BY line_no;
