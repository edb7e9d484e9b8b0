-- Top a day up by the rows that it lacks, leaving out keys that it has: what is there is never touched.
INSERT INTO raw.BT_CRYPTO_TRANSACTION_HISTORY (
    site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units
)
SELECT site_id, user_id, to_char(purchase_day, 'FMDD/FMMM/YYYY'), crypto_type, purchase_price, purchase_units
FROM generated
WHERE purchase_day = %(day)s
  AND NOT EXISTS (
      SELECT
      FROM raw.BT_CRYPTO_TRANSACTION_HISTORY AS history
      WHERE history.purchase_day = %(day)s
        AND (history.site_id, history.user_id, history.crypto_type)
          = (generated.site_id, generated.user_id, generated.crypto_type)
  )
ORDER BY user_id
LIMIT %(lacking)s;
