SELECT reason, disposition, count(*) AS rows,
       (array_agg(concat_ws(
           ', ', source_file || ', line ' || source_line, 'ingest_id ' || ingest_id,
           site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, left(line, 100)
       ) ORDER BY reject_id))[1] AS example
FROM dqm.BT_CRYPTO_EVENTS_REJECTS, unnest(reasons) AS reason
WHERE run_date = %(run_date)s
GROUP BY reason, disposition
ORDER BY count(*) DESC, reason, disposition;
