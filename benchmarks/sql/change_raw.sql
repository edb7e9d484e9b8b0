-- One row in a hundred changes, one in two hundred vanishes; as many as vanished are added afterwards.
WITH changed AS (
    UPDATE raw.BT_CRYPTO_TRANSACTION_HISTORY SET purchase_price = purchase_price + 1
    WHERE purchase_day BETWEEN %(start)s AND %(end)s AND mod(ingest_id, 100) = 0
)
DELETE FROM raw.BT_CRYPTO_TRANSACTION_HISTORY
WHERE purchase_day BETWEEN %(start)s AND %(end)s AND mod(ingest_id, 200) = 1;
