-- How often each day of raw history was changed: "is this window as it was" without reading a row of it.
-- One row per day and backend: writers never wait for one another here. Undated rows and TRUNCATE count for '-infinity'.
CREATE TABLE IF NOT EXISTS raw.day_changes (
    day      date   NOT NULL,
    backend  int    NOT NULL,
    changes  bigint NOT NULL,
    PRIMARY KEY (day, backend)
);

-- Security definer: whoever may write history need not be able to write here.
CREATE OR REPLACE FUNCTION raw.count_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO raw.day_changes AS seen (day, backend, changes)
        VALUES ('-infinity', pg_backend_pid(), 1)
        ON CONFLICT (day, backend) DO UPDATE SET changes = seen.changes + excluded.changes;
    ELSE
        INSERT INTO raw.day_changes AS seen (day, backend, changes)
        SELECT coalesce(purchase_day, '-infinity'), pg_backend_pid(), count(*) FROM touched GROUP BY 1
        ON CONFLICT (day, backend) DO UPDATE SET changes = seen.changes + excluded.changes;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER count_inserted AFTER INSERT ON raw.BT_CRYPTO_TRANSACTION_HISTORY
    REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION raw.count_changes();
CREATE OR REPLACE TRIGGER count_deleted AFTER DELETE ON raw.BT_CRYPTO_TRANSACTION_HISTORY
    REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION raw.count_changes();
CREATE OR REPLACE TRIGGER count_updated_from AFTER UPDATE ON raw.BT_CRYPTO_TRANSACTION_HISTORY
    REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION raw.count_changes();
CREATE OR REPLACE TRIGGER count_updated_to AFTER UPDATE ON raw.BT_CRYPTO_TRANSACTION_HISTORY
    REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION raw.count_changes();
CREATE OR REPLACE TRIGGER count_truncated AFTER TRUNCATE ON raw.BT_CRYPTO_TRANSACTION_HISTORY
    FOR EACH STATEMENT EXECUTE FUNCTION raw.count_changes();

-- For sessions that replicate or restore, too.
ALTER TABLE raw.BT_CRYPTO_TRANSACTION_HISTORY
    ENABLE ALWAYS TRIGGER count_inserted,
    ENABLE ALWAYS TRIGGER count_deleted,
    ENABLE ALWAYS TRIGGER count_updated_from,
    ENABLE ALWAYS TRIGGER count_updated_to,
    ENABLE ALWAYS TRIGGER count_truncated;
