-- One row per customer, measure and month back from the extract (1 is its last month), where a value is there.
WITH visits AS (
    UNPIVOT (SELECT cus_cust_id_buy, COLUMNS('^mau_(mp|ml)_\d+$') FROM last_lines('active_user'))
    ON COLUMNS('^mau_') INTO NAME written VALUE value
), balances AS (
    UNPIVOT (SELECT cus_cust_id_buy, COLUMNS('^plata_cuenta_\d+$') FROM last_lines('dinero_cuenta'))
    ON COLUMNS('^plata_cuenta_') INTO NAME written VALUE value
), measured AS (
    FROM visits UNION ALL FROM balances
)
SELECT cus_cust_id_buy AS customer_id,
       regexp_replace(written, '_\d+$', '') AS measure,
       CAST(regexp_extract(written, '\d+$') AS integer) AS month,
       value
FROM measured
ORDER BY measure, month, customer_id;
