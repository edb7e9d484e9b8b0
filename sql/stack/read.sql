-- In the warehouse: readers see all that the pipeline has made, and whatever it will make.
REVOKE EXECUTE ON FUNCTION lo_create(oid), lo_creat(integer), lo_from_bytea(oid, bytea) FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE pipeline GRANT USAGE ON SCHEMAS TO reader;
ALTER DEFAULT PRIVILEGES FOR ROLE pipeline GRANT SELECT ON TABLES TO reader;

DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT nspname FROM pg_namespace WHERE nspowner = 'pipeline'::regrole LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO reader', name);
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO reader', name);
    END LOOP;
END $$;
