"""`python -m src.train_sales_regression_mlflow`: the benchmark, tracked; its champion explained, proven and bundled."""

from tabtrail.cli.app import door

if __name__ == "__main__":
    door("train", "python -m src.train_sales_regression_mlflow")
