-- Per customer, the visits of each month back from the extract: mau_mp_1 are those of its last one.
SELECT cus_cust_id_buy AS customer_id, COLUMNS('^mau_')
FROM last_lines('active_user');
