"""CSV to contract-checked Parquet, and SQL over it."""
