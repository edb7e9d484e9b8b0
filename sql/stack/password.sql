-- For this session: what sets it is a value, not part of a statement.
SELECT set_config('stack.' || %(role)s, %(password)s, false)
