-- What can be used of the payments; a day after today is a slip of the pen, or a clock that is ahead.
SELECT count(*) FILTER (WHERE fecha <= $today) AS kept,
       count(*) FILTER (WHERE fecha > $today) AS future,
       min(fecha) AS first_day,
       max(fecha) FILTER (WHERE fecha <= $today) AS last_day
FROM payments_read
WHERE cus_cust_id_buy IS NOT NULL AND fecha IS NOT NULL;
