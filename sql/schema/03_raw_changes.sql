-- How often each day of raw history was changed: "is this window as it was" without reading a row of it.
-- One row per day and backend: writers never wait for one another here. Undated rows and TRUNCATE count for '-infinity'.
CREATE TABLE IF NOT EXISTS raw.day_changes (
    day      date   NOT NULL,
    backend  int    NOT NULL,
    changes  bigint NOT NULL,
    PRIMARY KEY (day, backend)
);

CREATE OR REPLACE FUNCTION raw.count_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO raw.day_changes AS seen (day, backend, changes)
    SELECT coalesce(purchase_day, '-infinity'), pg_backend_pid(), count(*) FROM now_there GROUP BY 1
    ON CONFLICT (day, backend) DO UPDATE SET changes = seen.changes + excluded.changes;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION raw.count_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO raw.day_changes AS seen (day, backend, changes)
    SELECT coalesce(purchase_day, '-infinity'), pg_backend_pid(), count(*) FROM was_there GROUP BY 1
    ON CONFLICT (day, backend) DO UPDATE SET changes = seen.changes + excluded.changes;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION raw.count_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO raw.day_changes AS seen (day, backend, changes)
    SELECT coalesce(purchase_day, '-infinity'), pg_backend_pid(), count(*)
    FROM (SELECT purchase_day FROM was_there UNION ALL SELECT purchase_day FROM now_there) AS touched
    GROUP BY 1
    ON CONFLICT (day, backend) DO UPDATE SET changes = seen.changes + excluded.changes;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION raw.count_truncated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO raw.day_changes AS seen (day, backend, changes)
    VALUES ('-infinity', pg_backend_pid(), 1)
    ON CONFLICT (day, backend) DO UPDATE SET changes = seen.changes + excluded.changes;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER count_inserted AFTER INSERT ON raw.BT_CRYPTO_TRANSACTION_HISTORY
    REFERENCING NEW TABLE AS now_there FOR EACH STATEMENT EXECUTE FUNCTION raw.count_inserted();
CREATE OR REPLACE TRIGGER count_deleted AFTER DELETE ON raw.BT_CRYPTO_TRANSACTION_HISTORY
    REFERENCING OLD TABLE AS was_there FOR EACH STATEMENT EXECUTE FUNCTION raw.count_deleted();
CREATE OR REPLACE TRIGGER count_updated AFTER UPDATE ON raw.BT_CRYPTO_TRANSACTION_HISTORY
    REFERENCING OLD TABLE AS was_there NEW TABLE AS now_there FOR EACH STATEMENT EXECUTE FUNCTION raw.count_updated();
CREATE OR REPLACE TRIGGER count_truncated AFTER TRUNCATE ON raw.BT_CRYPTO_TRANSACTION_HISTORY
    FOR EACH STATEMENT EXECUTE FUNCTION raw.count_truncated();
