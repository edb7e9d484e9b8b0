SELECT reason, disposition, count(*) AS rows,
       (array_agg(coalesce(
           source_file || ', line ' || source_line,
           concat_ws(', ', 'ingest_id ' || ingest_id, site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units)
       ) ORDER BY reject_id))[1] AS example
FROM dqm.BT_CRYPTO_EVENTS_REJECTS, unnest(reasons) AS reason
WHERE run_date = %(run_date)s
GROUP BY reason, disposition
ORDER BY count(*) DESC, reason, disposition;
