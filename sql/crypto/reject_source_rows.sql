-- Lines that could not become a row of raw history, with file and line.
INSERT INTO dqm.BT_CRYPTO_EVENTS_REJECTS (
    run_date, snapshot_id, disposition, reasons, source_file, source_sha256, source_line, line
)
SELECT %(run_date)s, %(snapshot_id)s, %(disposition)s, reasons, %(file)s, %(sha256)s, line_no, line
FROM source_rows
WHERE reasons <> '{}'
ON CONFLICT (source_sha256, source_line, run_date) WHERE source_sha256 IS NOT NULL DO UPDATE
SET snapshot_id = excluded.snapshot_id, disposition = excluded.disposition,
    reasons = excluded.reasons, source_file = excluded.source_file, rejected_at = clock_timestamp();
