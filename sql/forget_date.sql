-- A key begins with its date; that of a training's notification names the flow before it.
DELETE FROM ops.stage_records
WHERE starts_with(key, %(run_date)s || ',') OR key IN (%(run_date)s, 'churn ' || %(run_date)s);
