-- What was known of each customer before the cutoff. DuckDB's dialect; on a cluster sqlglot makes it Spark's.
-- Nothing here may look at a day on or after $cutoff: payments by their day; what an extract tells of months, by the
-- months that had ended; what it tells of its own day, only if that day was before the cutoff. $ago_7 is 7 days before it.
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
), visits AS (
    SELECT customer_id,
           max(value) FILTER (WHERE measure = 'mau_mp' AND month = $visits_month)           AS mau_mp_1,
           max(value) FILTER (WHERE measure = 'mau_mp' AND month = $visits_month + 1)       AS mau_mp_2,
           max(value) FILTER (WHERE measure = 'mau_mp' AND month = $visits_month + 2)       AS mau_mp_3,
           max(value) FILTER (WHERE measure = 'mau_ml' AND month = $visits_month)           AS mau_ml_1,
           max(value) FILTER (WHERE measure = 'mau_ml' AND month = $visits_month + 1)       AS mau_ml_2,
           max(value) FILTER (WHERE measure = 'mau_ml' AND month = $visits_month + 2)       AS mau_ml_3,
           max(value) FILTER (WHERE measure = 'plata_cuenta' AND month = $balance_month)     AS plata_cuenta_1,
           max(value) FILTER (WHERE measure = 'plata_cuenta' AND month = $balance_month + 1) AS plata_cuenta_2
    FROM monthly
    WHERE month < $visits_month + 3 OR month < $balance_month + 2
    GROUP BY customer_id
)
SELECT spending.customer_id,
       CAST(spent_7d AS double)                   AS spent_7d,
       CAST(spent_30d AS double)                  AS spent_30d,
       CAST(spent_90d AS double)                  AS spent_90d,
       CAST(payments_7d AS double)                AS payments_7d,
       CAST(payments_30d AS double)               AS payments_30d,
       CAST(payments_90d AS double)               AS payments_90d,
       CAST(total_discount_30d AS double)         AS total_discount_30d,
       CAST(active_days_60d AS double)            AS active_days_60d,
       CAST(days_since_activity AS double)        AS days_since_activity,
       CAST(mau_mp_1 AS double)                   AS mau_mp_1,
       CAST(mau_mp_2 AS double)                   AS mau_mp_2,
       CAST(mau_mp_3 AS double)                   AS mau_mp_3,
       CAST(mau_ml_1 AS double)                   AS mau_ml_1,
       CAST(mau_ml_2 AS double)                   AS mau_ml_2,
       CAST(mau_ml_3 AS double)                   AS mau_ml_3,
       CAST(plata_cuenta_1 AS double)             AS plata_cuenta_1,
       CAST(plata_cuenta_2 AS double)             AS plata_cuenta_2,
       CASE WHEN $marketplace_known THEN CAST(spent_ml AS double) END     AS spent_ml,
       CASE WHEN $marketplace_known THEN CAST(frequency_ml AS double) END AS frequency_ml,
       CASE WHEN $marketplace_known AND recency_ml < $cutoff
            THEN CAST(date_diff('day', recency_ml, $cutoff) AS double) END AS recency_ml_days,
       CASE WHEN $investment_known THEN CAST(inversion = 'investing' AS double) END AS has_inversion,
       CASE WHEN gender IS NOT NULL THEN CAST(gender = 'female' AS double) END      AS gender_is_female,
       gender, rango_edad, tarjetas, estado,
       last_payment_date,
       CASE WHEN $logins_known THEN greatest(  -- of those before the cutoff: one after it must not hide the other
           CASE WHEN last_login_mp_date_1 < $cutoff THEN last_login_mp_date_1 END,
           CASE WHEN last_login_ml_date_1 < $cutoff THEN last_login_ml_date_1 END) END AS last_login_date
FROM spending
LEFT JOIN users ON users.customer_id = spending.customer_id
LEFT JOIN visits ON visits.customer_id = spending.customer_id
ORDER BY spending.customer_id;
