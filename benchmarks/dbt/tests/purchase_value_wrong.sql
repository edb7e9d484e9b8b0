select * from {{ ref('stg_crypto_events') }} where purchase_value <> round(purchase_price * purchase_units, 8)
