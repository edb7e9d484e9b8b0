select * from {{ ref('stg_crypto_events') }} where purchase_units <= 0 or purchase_units = 'NaN'
