-- Rows of the file just loaded that no run of this window will judge: those of other days that have come.
SELECT count(*) AS rows
FROM ops.loaded_lines AS lines
JOIN raw.BT_CRYPTO_TRANSACTION_HISTORY AS history
    ON history.ingest_id BETWEEN lines.first_ingest_id AND lines.last_ingest_id
    AND history.inserted_at = lines.inserted_at
WHERE lines.inserted_at = now()
  AND history.purchase_day NOT BETWEEN %(window_start)s AND %(window_end)s
  AND history.purchase_day <= %(today)s;
