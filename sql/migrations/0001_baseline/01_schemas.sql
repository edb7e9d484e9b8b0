-- The five rooms of the warehouse: what arrives, what is being judged, what is trusted, what was found, who did what.
-- Asked for first: CREATE SCHEMA IF NOT EXISTS wants the right to make schemas even where there is nothing to make.
DO $$
BEGIN
    IF to_regnamespace('raw') IS NULL THEN CREATE SCHEMA raw; END IF;
    IF to_regnamespace('staging') IS NULL THEN CREATE SCHEMA staging; END IF;
    IF to_regnamespace('prod') IS NULL THEN CREATE SCHEMA prod; END IF;
    IF to_regnamespace('dqm') IS NULL THEN CREATE SCHEMA dqm; END IF;
    IF to_regnamespace('ops') IS NULL THEN CREATE SCHEMA ops; END IF;
END $$;
