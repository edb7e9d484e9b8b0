-- One row per customer, measure and month back from the extract (1 is its last month), where a value is there.
WITH active_user_last AS (
    FROM active_user WHERE cus_cust_id_buy IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY cus_cust_id_buy ORDER BY line DESC) = 1
), dinero_cuenta_last AS (
    FROM dinero_cuenta WHERE cus_cust_id_buy IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY cus_cust_id_buy ORDER BY line DESC) = 1
), visits AS (
    UNPIVOT (SELECT cus_cust_id_buy, COLUMNS('^mau_(mp|ml)_\d+$') FROM active_user_last)
    ON COLUMNS('^mau_') INTO NAME written VALUE value
), balances AS (
    UNPIVOT (SELECT cus_cust_id_buy, COLUMNS('^plata_cuenta_\d+$') FROM dinero_cuenta_last)
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
