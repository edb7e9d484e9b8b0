CREATE TABLE IF NOT EXISTS staging.plain_events (
    site_id         text           NOT NULL,
    user_id         bigint         NOT NULL,
    purchase_date   date           NOT NULL,
    crypto_type     text           NOT NULL,
    purchase_price  numeric(18, 4) NOT NULL,
    purchase_units  numeric(18, 8) NOT NULL,
    purchase_value  numeric(38, 8) NOT NULL,
    PRIMARY KEY (site_id, user_id, purchase_date, crypto_type)
);
TRUNCATE staging.plain_events;
INSERT INTO staging.plain_events
SELECT DISTINCT site_id, user_id, to_date(purchase_date, 'DD/MM/YYYY'), crypto_type,
       purchase_price, purchase_units, round(purchase_price * purchase_units, 8)
FROM raw.BT_CRYPTO_TRANSACTION_HISTORY
WHERE purchase_date ~ '^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$'
  AND to_date(purchase_date, 'DD/MM/YYYY') BETWEEN %(start)s AND %(end)s;
