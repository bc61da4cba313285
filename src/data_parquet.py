"""`python -m src.data_parquet`: the CSV becomes contract-checked Parquet."""

from tabtrail.cli.app import door

if __name__ == "__main__":
    door("ingest", "python -m src.data_parquet")
