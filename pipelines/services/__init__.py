"""One module per outside system: the database, files, Spark, MLflow, Great Expectations, people."""
