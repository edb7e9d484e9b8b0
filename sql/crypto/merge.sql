-- Production becomes what the candidates say of the window, in one join and with as few writes as there are differences.
-- Nothing is written when more keys would vanish than is believable; the caller tells it from the counts.
-- New keys are plainly added, in the order of the index: ON CONFLICT would double what a first load costs.
-- A key whose new version is quarantined is in staging, though no candidate: it has not vanished.
WITH staged AS (
    SELECT site_id, user_id, purchase_day AS purchase_date, crypto_type,
           purchase_price, purchase_units, purchase_value, quarantined
    FROM staging.BT_CRYPTO_TRANSACTION_HISTORY
    WHERE NOT redelivered
),
trusted AS (
    SELECT site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, is_active
    FROM prod.BT_CRYPTO_EVENTS
    WHERE purchase_date BETWEEN %(window_start)s AND %(window_end)s
),
changes AS MATERIALIZED (
    SELECT
        site_id, user_id, purchase_date, crypto_type,
        staged.purchase_price, staged.purchase_units, staged.purchase_value,
        CASE
            WHEN trusted.is_active IS NULL THEN 'inserted'
            WHEN staged.quarantined IS NULL THEN 'deactivated'
            WHEN NOT trusted.is_active THEN 'reactivated'
            ELSE 'updated'
        END AS change
    FROM staged
    FULL JOIN trusted USING (site_id, user_id, purchase_date, crypto_type)
    WHERE CASE
        WHEN staged.quarantined IS NULL THEN trusted.is_active
        WHEN staged.quarantined THEN false
        WHEN trusted.is_active IS NULL OR NOT trusted.is_active THEN true
        ELSE (staged.purchase_price, staged.purchase_units) <> (trusted.purchase_price, trusted.purchase_units)
    END
),
vanishing AS (
    SELECT count(*) AS keys FROM changes WHERE change = 'deactivated'
),
active AS (
    SELECT count(*) AS keys
    FROM prod.BT_CRYPTO_EVENTS
    WHERE is_active AND purchase_date BETWEEN %(window_start)s AND %(window_end)s
),
guard AS (
    SELECT %(allow_mass_deactivation)s OR vanishing.keys <= %(max_deactivation_share)s::float8 * active.keys AS open
    FROM vanishing, active
),
deactivated AS (
    UPDATE prod.BT_CRYPTO_EVENTS AS event
    SET is_active = false, updated_at = now()
    FROM changes
    WHERE changes.change = 'deactivated'
      AND (SELECT open FROM guard)
      AND (event.site_id, event.user_id, event.purchase_date, event.crypto_type)
        = (changes.site_id, changes.user_id, changes.purchase_date, changes.crypto_type)
),
added AS (
    INSERT INTO prod.BT_CRYPTO_EVENTS (
        site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, purchase_value
    )
    SELECT site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, purchase_value
    FROM changes
    WHERE change = 'inserted' AND (SELECT open FROM guard)
    ORDER BY purchase_date, site_id, user_id, crypto_type
),
upserted AS (
    INSERT INTO prod.BT_CRYPTO_EVENTS (
        site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, purchase_value
    )
    SELECT site_id, user_id, purchase_date, crypto_type, purchase_price, purchase_units, purchase_value
    FROM changes
    WHERE change IN ('updated', 'reactivated') AND (SELECT open FROM guard)
    ON CONFLICT (purchase_date, site_id, user_id, crypto_type) DO UPDATE
    SET purchase_price = excluded.purchase_price, purchase_units = excluded.purchase_units,
        purchase_value = excluded.purchase_value, is_active = true, updated_at = now()
)
SELECT
    count(*) FILTER (WHERE change = 'inserted') AS inserted,
    count(*) FILTER (WHERE change = 'updated') AS updated,
    count(*) FILTER (WHERE change = 'reactivated') AS reactivated,
    count(*) FILTER (WHERE change = 'deactivated') AS deactivated,
    (SELECT keys FROM active) AS active_before,
    (SELECT open FROM guard) AS merged
FROM changes;
