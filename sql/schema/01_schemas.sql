-- The five rooms of the warehouse: what arrives, what is being judged, what is trusted, what was found, who did what.
CREATE SCHEMA IF NOT EXISTS raw;
CREATE SCHEMA IF NOT EXISTS staging;
CREATE SCHEMA IF NOT EXISTS prod;
CREATE SCHEMA IF NOT EXISTS dqm;
CREATE SCHEMA IF NOT EXISTS ops;
