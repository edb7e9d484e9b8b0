-- The churn flow: weekly features, scores, drift, and what is known of the files.
DO $$
BEGIN
    IF to_regnamespace('features') IS NULL THEN CREATE SCHEMA features; END IF;
END $$;

CREATE TABLE IF NOT EXISTS features.churn_weekly_features (
    customer_id          bigint           NOT NULL,
    snapshot_date        date             NOT NULL,
    spent_7d             double precision NOT NULL,
    spent_30d            double precision NOT NULL,
    spent_90d            double precision NOT NULL,
    payments_7d          double precision NOT NULL,
    payments_30d         double precision NOT NULL,
    payments_90d         double precision NOT NULL,
    total_discount_30d   double precision NOT NULL,
    active_days_60d      double precision NOT NULL,
    days_since_activity  double precision NOT NULL,
    mau_mp_1             double precision NOT NULL,
    mau_mp_2             double precision NOT NULL,
    mau_mp_3             double precision NOT NULL,
    mau_ml_1             double precision NOT NULL,
    mau_ml_2             double precision NOT NULL,
    mau_ml_3             double precision NOT NULL,
    plata_cuenta_1       double precision NOT NULL,
    plata_cuenta_2       double precision NOT NULL,
    spent_ml             double precision NOT NULL,
    frequency_ml         double precision NOT NULL,
    recency_ml_days      double precision NOT NULL,
    has_inversion        double precision NOT NULL,
    gender_is_female     double precision NOT NULL,
    gender               text             NOT NULL,
    rango_edad           text             NOT NULL,
    tarjetas             text             NOT NULL,
    estado               text             NOT NULL,
    last_payment_date    date,
    last_login_date      date,
    labeled_churn        integer,         -- empty until it can be known
    created_at           timestamptz      NOT NULL DEFAULT now(),
    PRIMARY KEY (snapshot_date, customer_id)
);

CREATE TABLE IF NOT EXISTS ops.churn_scoring (
    customer_id    bigint           NOT NULL,
    snapshot_date  date             NOT NULL,
    score          double precision NOT NULL,   -- probability to churn
    prediction     integer          NOT NULL,   -- 1 from a probability of one half on
    model_version  text             NOT NULL,
    created_at     timestamptz      NOT NULL DEFAULT now(),
    PRIMARY KEY (snapshot_date, model_version, customer_id)
);

CREATE TABLE IF NOT EXISTS ops.churn_drift (
    snapshot_date   date             PRIMARY KEY,
    drift_detected  boolean          NOT NULL,
    drift_share     double precision NOT NULL,
    drifted         text[]           NOT NULL,
    left_out        jsonb            NOT NULL,   -- column -> why it could not be compared
    stand_in        boolean          NOT NULL,   -- there was no week before: the snapshot was compared with itself and noise
    report_path     text             NOT NULL,
    report_key      text,                        -- in the bucket, where there is one
    created_at      timestamptz      NOT NULL DEFAULT clock_timestamp()
);

-- The content of a file as it was when it had this version (size and times, or those of S3): it is hashed once.
CREATE TABLE IF NOT EXISTS ops.source_hashes (
    path     text PRIMARY KEY,
    version  text NOT NULL,
    sha256   text NOT NULL
);
