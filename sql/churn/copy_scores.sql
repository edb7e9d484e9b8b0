COPY ops.churn_scoring (customer_id, snapshot_date, score, prediction, model_version) FROM STDIN (FORMAT csv);
