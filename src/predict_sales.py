"""`python -m src.predict_sales`: predictions from the deployed model."""

import gc

if __name__ == "__main__":
    gc.disable()  # before the imports: collecting while they load is what it would do most of the time
    from tabtrail.cli.predict import run_program

    run_program("python -m src.predict_sales")
