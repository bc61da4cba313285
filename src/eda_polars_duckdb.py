"""`python -m src.eda_polars_duckdb`: the DuckDB file, the SQL summaries and their charts."""

from tabtrail.cli.app import door

if __name__ == "__main__":
    door("eda", "python -m src.eda_polars_duckdb")
