-- The rows that this run judges, typed: those of its window, and those whose date cannot be read or lies after today
-- and that no earlier run has set aside as they are now.
WITH in_window AS (
    SELECT history.*
    FROM raw.BT_CRYPTO_TRANSACTION_HISTORY AS history
    WHERE purchase_day BETWEEN %(window_start)s AND %(window_end)s
),
astray AS (
    SELECT history.*
    FROM raw.BT_CRYPTO_TRANSACTION_HISTORY AS history
    WHERE (purchase_day IS NULL OR purchase_day > greatest(%(today)s, %(window_end)s))
      AND NOT EXISTS (
          SELECT
          FROM dqm.BT_CRYPTO_EVENTS_REJECTS AS known
          WHERE known.ingest_id = history.ingest_id
            AND known.disposition = 'quarantined'
            AND (known.site_id, known.user_id, known.purchase_date, known.crypto_type,
                 known.purchase_price, known.purchase_units)
                IS NOT DISTINCT FROM
                (history.site_id, history.user_id, history.purchase_date, history.crypto_type,
                 history.purchase_price, history.purchase_units)
      )
),
judged AS (
    SELECT * FROM in_window
    UNION ALL
    SELECT * FROM astray
)
INSERT INTO staging.BT_CRYPTO_TRANSACTION_HISTORY (
    ingest_id, site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units,
    purchase_day, purchase_value, redelivered, key_conflict, quarantined
)
SELECT
    ingest_id, site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units,
    purchase_day, round(purchase_price * purchase_units, 8), false, false, false
FROM judged;
