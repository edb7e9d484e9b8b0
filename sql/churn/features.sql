-- What was known of each customer before the cutoff. DuckDB's dialect; on a cluster sqlglot makes it Spark's.
-- Nothing here may look at a day on or after $cutoff: payments by their day; what an extract tells of months, by the
-- months that had ended; what it tells of its own day, only if that day was before the cutoff.
-- $ago_7 is 7 days before it; $spent_7d stands for spent_7d where nothing is known, and so on.
WITH spending AS (
    SELECT cus_cust_id_buy AS customer_id,
           date_diff('day', max(fecha), $cutoff)           AS days_since_activity,
           bit_count(bit_or(CASE WHEN fecha >= $ago_60  -- a bit for each of the last 60 days
               THEN CAST(1 AS bigint) << CAST(date_diff('day', fecha, $cutoff) AS integer)
               ELSE CAST(0 AS bigint) END))                AS active_days_60d,
           sum(spent) FILTER (WHERE fecha >= $ago_7)       AS spent_7d,
           sum(spent) FILTER (WHERE fecha >= $ago_30)      AS spent_30d,
           sum(spent)                                      AS spent_90d,
           count(*) FILTER (WHERE fecha >= $ago_7)         AS payments_7d,
           count(*) FILTER (WHERE fecha >= $ago_30)        AS payments_30d,
           count(*)                                        AS payments_90d,
           sum(descuento) FILTER (WHERE fecha >= $ago_30)  AS total_discount_30d,
           max(fecha)                                      AS last_payment_date
    FROM payments
    WHERE fecha < $cutoff AND fecha >= $ago_90 AND cus_cust_id_buy IS NOT NULL
    GROUP BY cus_cust_id_buy
), visits_back AS (  -- from the extract's last month backwards; of more than a year nothing is told
    SELECT customer_id,
           [mau_mp_1, mau_mp_2, mau_mp_3, mau_mp_4, mau_mp_5, mau_mp_6, mau_mp_7, mau_mp_8, mau_mp_9, mau_mp_10,
            mau_mp_11, mau_mp_12, NULL, NULL, NULL] AS mau_mp,
           [mau_ml_1, mau_ml_2, mau_ml_3, mau_ml_4, mau_ml_5, mau_ml_6, mau_ml_7, mau_ml_8, mau_ml_9, mau_ml_10,
            mau_ml_11, mau_ml_12, NULL, NULL, NULL] AS mau_ml
    FROM visits
), visits_then AS (
    SELECT customer_id,
           mau_mp[$visits_month] AS mau_mp_1, mau_mp[$visits_month + 1] AS mau_mp_2, mau_mp[$visits_month + 2] AS mau_mp_3,
           mau_ml[$visits_month] AS mau_ml_1, mau_ml[$visits_month + 1] AS mau_ml_2, mau_ml[$visits_month + 2] AS mau_ml_3
    FROM visits_back
), balances_back AS (
    SELECT customer_id,
           [plata_cuenta_1, plata_cuenta_2, plata_cuenta_3, plata_cuenta_4, plata_cuenta_5, plata_cuenta_6,
            plata_cuenta_7, plata_cuenta_8, plata_cuenta_9, plata_cuenta_10, plata_cuenta_11, plata_cuenta_12,
            NULL, NULL] AS plata_cuenta
    FROM balances
), balances_then AS (
    SELECT customer_id, plata_cuenta[$balance_month] AS plata_cuenta_1, plata_cuenta[$balance_month + 1] AS plata_cuenta_2
    FROM balances_back
)
SELECT spending.customer_id,
       coalesce(CAST(spent_7d AS double), $spent_7d)                           AS spent_7d,
       coalesce(CAST(spent_30d AS double), $spent_30d)                         AS spent_30d,
       coalesce(CAST(spent_90d AS double), $spent_90d)                         AS spent_90d,
       coalesce(CAST(payments_7d AS double), $payments_7d)                     AS payments_7d,
       coalesce(CAST(payments_30d AS double), $payments_30d)                   AS payments_30d,
       coalesce(CAST(payments_90d AS double), $payments_90d)                   AS payments_90d,
       coalesce(CAST(total_discount_30d AS double), $total_discount_30d)       AS total_discount_30d,
       coalesce(CAST(active_days_60d AS double), $active_days_60d)             AS active_days_60d,
       coalesce(CAST(days_since_activity AS double), $days_since_activity)     AS days_since_activity,
       coalesce(CAST(mau_mp_1 AS double), $mau_mp_1)                           AS mau_mp_1,
       coalesce(CAST(mau_mp_2 AS double), $mau_mp_2)                           AS mau_mp_2,
       coalesce(CAST(mau_mp_3 AS double), $mau_mp_3)                           AS mau_mp_3,
       coalesce(CAST(mau_ml_1 AS double), $mau_ml_1)                           AS mau_ml_1,
       coalesce(CAST(mau_ml_2 AS double), $mau_ml_2)                           AS mau_ml_2,
       coalesce(CAST(mau_ml_3 AS double), $mau_ml_3)                           AS mau_ml_3,
       coalesce(CAST(plata_cuenta_1 AS double), $plata_cuenta_1)               AS plata_cuenta_1,
       coalesce(CAST(plata_cuenta_2 AS double), $plata_cuenta_2)               AS plata_cuenta_2,
       coalesce(CASE WHEN $marketplace_known THEN CAST(spent_ml AS double) END, $spent_ml)         AS spent_ml,
       coalesce(CASE WHEN $marketplace_known THEN CAST(frequency_ml AS double) END, $frequency_ml) AS frequency_ml,
       coalesce(CASE WHEN $marketplace_known AND recency_ml < $cutoff
                     THEN CAST(date_diff('day', recency_ml, $cutoff) AS double) END, $recency_ml_days) AS recency_ml_days,
       coalesce(CASE WHEN $investment_known THEN CAST(inversion = 'investing' AS double) END, $has_inversion) AS has_inversion,
       coalesce(CAST(gender = 'female' AS double), $gender_is_female)          AS gender_is_female,
       coalesce(gender, $gender) AS gender, coalesce(rango_edad, $rango_edad) AS rango_edad,
       coalesce(tarjetas, $tarjetas) AS tarjetas, coalesce(estado, $estado) AS estado,
       last_payment_date,
       CASE WHEN $logins_known THEN greatest(  -- of those before the cutoff: one after it must not hide the other
           CASE WHEN last_login_mp_date_1 < $cutoff THEN last_login_mp_date_1 END,
           CASE WHEN last_login_ml_date_1 < $cutoff THEN last_login_ml_date_1 END) END AS last_login_date
FROM spending
LEFT JOIN users ON users.customer_id = spending.customer_id
LEFT JOIN visits_then ON visits_then.customer_id = spending.customer_id
LEFT JOIN balances_then ON balances_then.customer_id = spending.customer_id
ORDER BY spending.customer_id;
