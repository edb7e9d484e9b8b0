-- Per customer, the highest balance of each month back from the extract: plata_cuenta_1 is that of its last one.
SELECT cus_cust_id_buy AS customer_id, COLUMNS('^plata_cuenta_')
FROM last_lines('dinero_cuenta');
