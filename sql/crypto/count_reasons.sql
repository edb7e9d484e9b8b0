-- Rows per reason of one snapshot, the commonest first, and where the first one is; a row with two reasons counts for both.
SELECT reason, count(*) AS rows,
       (array_agg(concat_ws(', ', source_file || ', line ' || source_line, 'ingest_id ' || ingest_id)
                  ORDER BY ingest_id))[1] AS first
FROM dqm.BT_CRYPTO_EVENTS_REJECTS, unnest(reasons) AS reason
WHERE run_date = %(run_date)s AND snapshot_id = %(snapshot_id)s
  AND ingest_id IN (SELECT ingest_id FROM staging.BT_CRYPTO_TRANSACTION_HISTORY)
GROUP BY reason
ORDER BY count(*) DESC, reason;
