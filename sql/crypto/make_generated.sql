CREATE TEMPORARY TABLE generated (
    site_id         text,
    user_id         bigint,
    purchase_day    date,
    crypto_type     text,
    purchase_price  numeric(18, 4),
    purchase_units  numeric(18, 8)
) ON COMMIT DROP;
