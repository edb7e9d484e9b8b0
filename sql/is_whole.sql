-- Whether all that sql/migrations/ creates is there, the counting triggers included: read from the catalogue, in a
-- millisecond, by any user. Tables added by a later revision belong here too.
WITH wanted (schema, relation, kind) AS (
    VALUES
        ('raw', 'bt_crypto_transaction_history', 'r'),
        ('raw', 'day_changes', 'r'),
        ('staging', 'snapshot', 'r'),
        ('staging', 'bt_crypto_transaction_history', 'r'),
        ('staging', 'bt_crypto_events_candidate', 'v'),
        ('prod', 'bt_crypto_events', 'r'),
        ('dqm', 'dq_runs', 'r'),
        ('dqm', 'bt_crypto_events_rejects', 'r'),
        ('ops', 'bt_crypto_events', 'v'),
        ('ops', 'loaded_files', 'r'),
        ('ops', 'loaded_lines', 'r'),
        ('ops', 'churn_scoring', 'r'),
        ('ops', 'churn_drift', 'r'),
        ('ops', 'source_hashes', 'r'),
        ('ops', 'materializations', 'r'),
        ('ops', 'runs', 'r'),
        ('ops', 'stage_runs', 'r'),
        ('ops', 'schema_revision', 'r'),
        ('features', 'churn_weekly_features', 'r')
),
relations AS (
    SELECT pg_class.oid, nspname AS schema, relname AS relation, relkind::text AS kind
    FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname IN (SELECT schema FROM wanted)
),
triggers AS (
    SELECT tgname::text AS name
    FROM pg_trigger
    JOIN relations ON relations.oid = tgrelid
    WHERE schema = 'raw' AND relation = 'bt_crypto_transaction_history' AND tgenabled = 'A'
),
missing AS (
    SELECT CASE kind WHEN 'v' THEN 'view ' ELSE 'table ' END || schema || '.' || relation AS name
    FROM (SELECT schema, relation, kind FROM wanted EXCEPT SELECT schema, relation, kind FROM relations) AS left_over
    UNION ALL
    SELECT 'trigger ' || name || ' of raw.bt_crypto_transaction_history'
    FROM unnest(ARRAY['count_inserted', 'count_deleted', 'count_updated_from', 'count_updated_to', 'count_truncated'])
        AS counting (name)
    WHERE name NOT IN (SELECT name FROM triggers)
)
SELECT coalesce(array_agg(name ORDER BY name), '{}') AS missing FROM missing;
