-- Both flows: crypto's keys begin with the run's date, churn's are or end with the day of the snapshot.
DELETE FROM ops.stage_records
WHERE starts_with(key, %(run_date)s || ',') OR key IN (%(run_date)s, 'churn ' || %(run_date)s);
