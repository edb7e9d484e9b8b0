select * from {{ ref('stg_crypto_events') }} where purchase_date !~ '^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$'
