-- Rejected rows of a run date with a reason, or with any where none is asked for.
SELECT disposition, array_to_string(reasons, ' ') AS reasons, ingest_id, site_id, user_id, purchase_date, crypto_type,
       purchase_price, purchase_units, source_file, source_line, line
FROM dqm.BT_CRYPTO_EVENTS_REJECTS
WHERE run_date = %(run_date)s AND (%(reason)s::text IS NULL OR %(reason)s = ANY (reasons))
ORDER BY reject_id
LIMIT %(most)s;
