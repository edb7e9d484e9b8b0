COPY (
    SELECT run_date, disposition, array_to_string(reasons, ' ') AS reasons, ingest_id, site_id, user_id, purchase_date,
           crypto_type, purchase_price, purchase_units, source_file, source_line, line, rejected_at
    FROM dqm.BT_CRYPTO_EVENTS_REJECTS
    WHERE run_date = %(run_date)s
    ORDER BY reject_id
) TO STDOUT (FORMAT csv, HEADER);
