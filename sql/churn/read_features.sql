-- Who is held out is decided by the customer alone, as in label_training.sql.
COPY (
    SELECT customer_id, snapshot_date, spent_7d, spent_30d, spent_90d, payments_7d, payments_30d, payments_90d,
           total_discount_30d, active_days_60d, days_since_activity, mau_mp_1, mau_mp_2, mau_mp_3, mau_ml_1, mau_ml_2, mau_ml_3,
           plata_cuenta_1, plata_cuenta_2, spent_ml, frequency_ml, recency_ml_days, has_inversion, gender_is_female,
           gender, rango_edad, tarjetas, estado, labeled_churn,
           left(md5(customer_id::text), 2) < '33' AS holdout
    FROM features.churn_weekly_features
    WHERE snapshot_date = ANY (%(snapshots)s)
    ORDER BY snapshot_date, customer_id
) TO STDOUT (FORMAT csv, HEADER true);
