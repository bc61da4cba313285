"""`python -m src.train_sales_timeseries_risk`: a forecast and its risk for one segment."""

from tabtrail.cli.app import door

if __name__ == "__main__":
    door("forecast", "python -m src.train_sales_timeseries_risk")
