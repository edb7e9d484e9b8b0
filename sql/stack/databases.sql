-- What is there already.
SELECT datname FROM pg_database
