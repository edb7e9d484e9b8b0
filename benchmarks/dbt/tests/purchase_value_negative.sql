select * from {{ ref('stg_crypto_events') }} where purchase_value < 0
