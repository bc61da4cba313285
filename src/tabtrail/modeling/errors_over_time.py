"""The champion's errors with their dates: what its forecast and risk are made from."""

import numpy as np
import polars as pl

from tabtrail.modeling.benchmark import Benchmark, Result

SCHEMA = {"row": pl.Int64, "date": pl.Date, "part": pl.String, "actual": pl.Float64, "predicted": pl.Float64}


def champion_errors(benchmark: Benchmark, result: Result) -> pl.DataFrame:
    """Return a row for each prediction of a row that its model did not learn from, in order of date and row.

    Columns: row (position in the dataset), date (null where the config has none), part (`fold` for out-of-fold predictions of
    the first repeat, `test` for those of the test part), actual and predicted in units of the target.
    """
    table, split = benchmark.table, benchmark.split
    predicted = result.out_of_fold(split)
    predicted[split.test] = result.final.predicted
    part = np.where(split.test, "test", "fold")
    known = ~np.isnan(predicted)
    days = table.keys.date if table.keys.date is not None else np.full(len(predicted), np.nan)
    frame = pl.DataFrame(
        {
            "row": table.row[known],
            "date": [None if np.isnan(day) else int(day) for day in days[known]],
            "part": part[known],
            "actual": table.y[known],
            "predicted": predicted[known],
        },
        schema_overrides={"date": pl.Int32},
    )
    return frame.with_columns(pl.col("date").cast(pl.Date)).select(*SCHEMA).sort("date", "row", nulls_last=True)
