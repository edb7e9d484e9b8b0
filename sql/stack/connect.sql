-- Nobody enters a database that is not theirs; readers enter the warehouse.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT datname FROM pg_database WHERE datallowconn LOOP
        EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', name);
    END LOOP;
END $$;

GRANT CONNECT ON DATABASE kpi TO reader;
