-- A key begins with its date.
DELETE FROM ops.materializations WHERE key = %(run_date)s OR starts_with(key, %(run_date)s || ',');
