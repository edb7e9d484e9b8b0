select distinct
    site_id, user_id, purchase_date, purchase_day, crypto_type, purchase_price, purchase_units,
    round(purchase_price * purchase_units, 8)::numeric(38, 8) as purchase_value
from {{ source('raw', 'bt_crypto_transaction_history') }}
where purchase_day between '{{ var("start") }}' and '{{ var("end") }}'
   or purchase_day is null
   or purchase_day > '{{ var("today") }}'
