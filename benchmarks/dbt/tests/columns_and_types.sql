-- depends_on: {{ ref('stg_crypto_events') }}
select 'raw' as wrong
where (
    select array_agg(column_name::text order by column_name) from information_schema.columns
    where table_schema = 'raw' and table_name = 'bt_crypto_transaction_history'
) <> '{crypto_type,ingest_id,inserted_at,purchase_date,purchase_day,purchase_price,purchase_units,site_id,user_id}'
union all
select column_name from information_schema.columns
where (table_schema, table_name) = ('{{ ref("stg_crypto_events").schema }}', 'stg_crypto_events')
  and (column_name = 'user_id' and data_type <> 'bigint' or column_name = 'purchase_day' and data_type <> 'date')
