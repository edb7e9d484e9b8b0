{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['purchase_date', 'site_id', 'user_id', 'crypto_type'],
    merge_exclude_columns=['created_at'],
    indexes=[{'columns': ['purchase_date', 'site_id', 'user_id', 'crypto_type'], 'unique': true}],
    post_hook="update {{ this }} as event set is_active = false, updated_at = now()
        where is_active and purchase_date between '{{ var(\"start\") }}' and '{{ var(\"end\") }}' and not exists (
            select from {{ ref('stg_crypto_events') }} as staged
            where staged.site_id = event.site_id and staged.user_id = event.user_id
              and staged.purchase_day = event.purchase_date and staged.crypto_type = event.crypto_type
        )"
) }}
select
    site_id, user_id, purchase_day as purchase_date, crypto_type, purchase_price, purchase_units, purchase_value,
    true as is_active, now() as created_at, now() as updated_at
from {{ ref('stg_crypto_events') }}
