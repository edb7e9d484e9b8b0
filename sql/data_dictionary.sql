-- The schemas, tables, views and columns of the project, with their comments; tables without one are not the project's.
SELECT nspname AS schema, obj_description(pg_namespace.oid, 'pg_namespace') AS schema_holds,
       nspname || '.' || relname AS relation, relkind = 'v' AS is_view,
       obj_description(pg_class.oid, 'pg_class') AS holds,
       attname AS column, format_type(atttypid, atttypmod) AS type, NOT attnotnull AS nullable,
       col_description(pg_class.oid, attnum) AS means
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
JOIN pg_attribute ON attrelid = pg_class.oid
WHERE nspname IN ('raw', 'staging', 'prod', 'dqm', 'features', 'ops') AND relkind IN ('r', 'v')
      AND attnum > 0 AND NOT attisdropped AND obj_description(pg_class.oid, 'pg_class') IS NOT NULL
ORDER BY array_position(ARRAY['raw', 'staging', 'prod', 'dqm', 'features', 'ops'], nspname::text), relname, attnum;
