-- A gate that judges the same snapshot again starts from all of it.
UPDATE staging.BT_CRYPTO_TRANSACTION_HISTORY SET quarantined = false WHERE quarantined;
