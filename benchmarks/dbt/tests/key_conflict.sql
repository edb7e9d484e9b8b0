select site_id, user_id, purchase_day, crypto_type
from {{ ref('stg_crypto_events') }}
group by site_id, user_id, purchase_day, crypto_type
having count(*) > 1
