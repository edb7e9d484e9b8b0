-- One row per customer, measure and month back from the extract (1 is its last month), where a value is there.
WITH visits AS (
    UNPIVOT (SELECT cus_cust_id_buy, COLUMNS('^mau_(mp|ml)_\d+$') FROM last_lines('active_user'))
    ON COLUMNS('^mau_') INTO NAME written VALUE value
), balances AS (
    UNPIVOT (SELECT cus_cust_id_buy, COLUMNS('^plata_cuenta_\d+$') FROM last_lines('dinero_cuenta'))
    ON COLUMNS('^plata_cuenta_') INTO NAME written VALUE value
), measured AS (
    FROM visits UNION ALL FROM balances
), columns_there AS (  -- a handful: what they are called is taken apart once, not in each of millions of rows
    SELECT written, regexp_replace(written, '_\d+$', '') AS measure, CAST(regexp_extract(written, '\d+$') AS integer) AS month
    FROM (SELECT column_name AS written FROM duckdb_columns() WHERE table_name IN ('active_user', 'dinero_cuenta'))
    WHERE regexp_matches(written, '^(mau_(mp|ml)|plata_cuenta)_\d+$')
)
SELECT cus_cust_id_buy AS customer_id, measure, month, value
FROM measured
JOIN columns_there USING (written);
