-- Trusted events. The key starts with the date: a day's inserts touch one end of the index, however long history is.
CREATE TABLE IF NOT EXISTS prod.BT_CRYPTO_EVENTS (
    site_id         text COLLATE "C" NOT NULL,
    user_id         bigint         NOT NULL,
    purchase_date   date           NOT NULL,
    crypto_type     text COLLATE "C" NOT NULL,
    purchase_price  numeric(18, 4) NOT NULL,
    purchase_units  numeric(18, 8) NOT NULL,
    purchase_value  numeric(38, 8) NOT NULL,
    is_active       boolean        NOT NULL DEFAULT true,
    created_at      timestamptz    NOT NULL DEFAULT now(),
    updated_at      timestamptz    NOT NULL DEFAULT now(),
    PRIMARY KEY (purchase_date, site_id, user_id, crypto_type)
);

-- Readers of the alias flow etl_crypto_events_d look here.
CREATE OR REPLACE VIEW ops.bt_crypto_events AS SELECT * FROM prod.BT_CRYPTO_EVENTS;
