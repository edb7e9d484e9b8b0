-- A table or view of DuckDB as a file. The second version of Parquet's encodings: a third smaller, and a fifth sooner there.
COPY (FROM query_table($name)) TO $path (FORMAT parquet, COMPRESSION snappy, PARQUET_VERSION V2);
