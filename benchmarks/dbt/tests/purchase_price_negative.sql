select * from {{ ref('stg_crypto_events') }} where purchase_price < 0 or purchase_price = 'NaN'
