-- What a user of DuckDB would write: the files straight into the features, types as DuckDB finds them, nothing counted.
COPY (
    WITH spending AS (
        SELECT CUS_CUST_ID_BUY AS customer_id,
               sum(SPENT) FILTER (FECHA >= $cutoff - 7)             AS spent_7d,
               sum(SPENT) FILTER (FECHA >= $cutoff - 30)            AS spent_30d,
               sum(SPENT)                                           AS spent_90d,
               count(*) FILTER (FECHA >= $cutoff - 7)               AS payments_7d,
               count(*) FILTER (FECHA >= $cutoff - 30)              AS payments_30d,
               count(*)                                             AS payments_90d,
               sum(DESCUENTO) FILTER (FECHA >= $cutoff - 30)        AS total_discount_30d,
               count(DISTINCT FECHA) FILTER (FECHA >= $cutoff - 60) AS active_days_60d,
               max(FECHA)                                           AS last_payment_date
        FROM read_csv($payments)
        WHERE FECHA < $cutoff AND FECHA >= $cutoff - 90
        GROUP BY CUS_CUST_ID_BUY
    ), visits AS (
        SELECT *, greatest(last_login_mp_date_1, last_login_ml_date_1) AS last_login
        FROM (SELECT *, row_number() OVER () AS line FROM read_csv($visits))
        QUALIFY row_number() OVER (PARTITION BY CUS_CUST_ID_BUY ORDER BY line DESC) = 1
    ), people AS (
        SELECT *
        FROM (SELECT *, row_number() OVER () AS line FROM read_csv($people))
        QUALIFY row_number() OVER (PARTITION BY CUS_CUST_ID_BUY ORDER BY line DESC) = 1
    ), accounts AS (
        SELECT *
        FROM (SELECT *, row_number() OVER () AS line FROM read_csv($accounts))
        QUALIFY row_number() OVER (PARTITION BY CUS_CUST_ID_BUY ORDER BY line DESC) = 1
    ), market AS (
        SELECT *
        FROM (SELECT *, row_number() OVER () AS line FROM read_csv($market))
        QUALIFY row_number() OVER (PARTITION BY CUS_CUST_ID_BUY ORDER BY line DESC) = 1
    )
    SELECT customer_id,
           coalesce(spent_7d, 0.0)            AS spent_7d,
           coalesce(spent_30d, 0.0)           AS spent_30d,
           coalesce(spent_90d, 0.0)           AS spent_90d,
           payments_7d, payments_30d, payments_90d,
           coalesce(total_discount_30d, 0.0)  AS total_discount_30d,
           active_days_60d,
           $cutoff - last_payment_date        AS days_since_activity,
           coalesce(MAU_MP_1, 0)              AS mau_mp_1,
           coalesce(MAU_MP_2, 0)              AS mau_mp_2,
           coalesce(MAU_MP_3, 0)              AS mau_mp_3,
           coalesce(MAU_ML_1, 0)              AS mau_ml_1,
           coalesce(MAU_ML_2, 0)              AS mau_ml_2,
           coalesce(MAU_ML_3, 0)              AS mau_ml_3,
           coalesce(PLATA_CUENTA_1, 0.0)      AS plata_cuenta_1,
           coalesce(PLATA_CUENTA_2, 0.0)      AS plata_cuenta_2,
           coalesce(SPENT_ML, 0.0)            AS spent_ml,
           coalesce(FREQUENCY_ML, 0)          AS frequency_ml,
           coalesce($cutoff - RECENCY_ML, 999) AS recency_ml_days,
           coalesce(lower(trim(INVERSION)) = 'investing', false)::integer AS has_inversion,
           coalesce(lower(trim(GENDER)) = 'f', false)::integer            AS gender_is_female,
           CASE lower(trim(GENDER)) WHEN 'f' THEN 'female' WHEN 'm' THEN 'male' ELSE 'unknown' END AS gender,
           CASE WHEN AGE < 18 THEN '01.menor de 18 años'
                WHEN AGE < 26 THEN '02.entre 18 y 25 años'
                WHEN AGE < 31 THEN '03.entre 26 y 30 años'
                WHEN AGE < 36 THEN '04.entre 31 y 35 años'
                WHEN AGE < 41 THEN '05.entre 36 y 40 años'
                WHEN AGE < 56 THEN '06.entre 41 y 55 años'
                WHEN AGE < 66 THEN '07.entre 56 y 65 años'
                WHEN AGE >= 66 THEN '08.mayor a 65 años'
                ELSE 'unknown' END            AS rango_edad,
           coalesce(lower(trim(CARD_TYPE)), 'unknown') AS tarjetas,
           coalesce(lower(trim(ESTADO)), 'unknown')    AS estado,
           last_payment_date,
           CASE WHEN last_login < $cutoff THEN last_login END AS last_login_date
    FROM spending
    LEFT JOIN visits ON visits.CUS_CUST_ID_BUY = customer_id
    LEFT JOIN people ON people.CUS_CUST_ID_BUY = customer_id
    LEFT JOIN accounts ON accounts.CUS_CUST_ID_BUY = customer_id
    LEFT JOIN market ON market.CUS_CUST_ID_BUY = customer_id
) TO '{target}' (FORMAT parquet);
