SELECT coalesce(nullif(activity.application_name, ''), activity.usename, 'another session') AS who,
       activity.backend_start AS since
FROM pg_locks AS held
JOIN pg_stat_activity AS activity USING (pid)
WHERE held.locktype = 'advisory' AND held.granted
  AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND held.classid = 20260 AND held.objid = (hashtext(%(flow)s)::bigint & 4294967295)::oid;
