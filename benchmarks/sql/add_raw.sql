-- Valid history as it would have arrived: day after day, each row of another user. The users of two numbers differ.
INSERT INTO raw.BT_CRYPTO_TRANSACTION_HISTORY (
    site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units
)
SELECT
    (ARRAY['ARGENTINA', 'BRASIL', 'MEXICO'])[1 + mod(number, 3)],
    mod(number * 2654435761, 4294967291),
    to_char(%(start)s::date + ((number - %(first)s) * %(days)s / %(rows)s)::int, 'FMDD/FMMM/YYYY'),
    (ARRAY['BTC', 'ETH', 'USDC'])[1 + mod(number / 3, 3)],
    1000 + mod(number, 977) + 0.25,
    (1 + mod(number, 9973)) / 1000.0
FROM generate_series(%(first)s::bigint, %(first)s::bigint + %(rows)s - 1) AS number;
