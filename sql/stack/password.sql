-- For this session, so that it never stands in a statement, which the server might log.
SELECT set_config('stack.' || %(role)s, %(password)s, false)
