-- Nobody waits for ever, and silently, for a table that another session has locked.
SELECT set_config('lock_timeout', %(milliseconds)s::text, false);
