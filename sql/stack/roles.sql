-- The users of the servers' database, each with the password that it has been given: made where they are missing.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['airflow', 'mlflow', 'pipeline', 'reader'] LOOP
        IF to_regrole(name) IS NULL THEN
            EXECUTE format('CREATE ROLE %I', name);
        END IF;
        EXECUTE format(
            'ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD %L',
            name, current_setting('stack.' || name)
        );
    END LOOP;
END $$;

-- A reader writes nothing by accident; that it may not is a matter of rights.
ALTER ROLE reader SET default_transaction_read_only = on;
