select * from {{ ref('stg_crypto_events') }} where purchase_day > '{{ var("today") }}'
