"""`python -m src.predict_sales`: predictions from the deployed model."""

from tabtrail.predict_cli import main

if __name__ == "__main__":
    main(prog="python -m src.predict_sales")
