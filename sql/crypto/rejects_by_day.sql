-- Rejected rows by reason, of the run dates up to the newest that has some; a row with two reasons counts for both.
SELECT run_date, reason, disposition, count(*) AS rows
FROM dqm.BT_CRYPTO_EVENTS_REJECTS, unnest(reasons) AS reason
WHERE run_date > (SELECT max(run_date) FROM dqm.BT_CRYPTO_EVENTS_REJECTS) - %(days)s
GROUP BY run_date, reason, disposition
ORDER BY run_date, reason, disposition;
