"""Where a model errs most: its out-of-fold errors by category, by decile of a number, by period."""

from collections.abc import Iterator
from datetime import date
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tabtrail.config.tree import Config
from tabtrail.contract.expressions import date_text
from tabtrail.modeling.benchmark import Benchmark, Result
from tabtrail.modeling.metrics import Array, rounded
from tabtrail.modeling.table import Table

_DECILES = 10
SCHEMA = {
    "column": pl.String,
    "slice": pl.String,
    "rows": pl.Int64,
    "rmse": pl.Float64,
    "mae": pl.Float64,
    "bias": pl.Float64,
    "share_of_rows": pl.Float64,
    "share_of_squared_error": pl.Float64,
}


def error_slices(config: Config, benchmark: Benchmark, result: Result) -> pl.DataFrame:
    """Return the errors of a candidate on rows that it did not learn from, worst share of the squared error first.

    Columns: column, slice, rows, rmse, mae and bias (mean of predicted - actual) in units of the target, share_of_rows and
    share_of_squared_error (0 to 1) of all out-of-fold rows. Slices of fewer than `slices.min_rows` rows are left out.
    """
    predicted = result.out_of_fold(benchmark.split)
    known = ~np.isnan(predicted)
    table, error = benchmark.table.take(known), predicted[known] - benchmark.table.y[known]
    rows = [
        {"column": column, "slice": name, **_errors(error, mask)}
        for column, labels in _labels(config, table)
        for name in sorted(set(labels.tolist()) - {None})
        if (mask := labels == name).sum() >= config.slices.min_rows
    ]
    frame = pl.DataFrame(rows, schema=SCHEMA)
    return frame.sort("share_of_squared_error", "rmse", "column", "slice", descending=[True, True, False, False])


def _errors(error: Array, mask: NDArray[np.bool_]) -> dict[str, float | int]:
    part = error[mask]
    total = float(np.sum(error**2))
    return {
        "rows": len(part),
        "rmse": rounded(float(np.sqrt(np.mean(part**2)))),
        "mae": rounded(float(np.mean(np.abs(part)))),
        "bias": rounded(float(np.mean(part))),
        "share_of_rows": rounded(len(part) / len(error)),
        "share_of_squared_error": rounded(float(np.sum(part**2)) / total) if total > 0 else 0.0,
    }


def _labels(config: Config, table: Table) -> Iterator[tuple[str, NDArray[np.object_]]]:
    for name in config.model.text_features:
        yield name, table.x[name].to_numpy(dtype=object)
    for name in config.model.numeric_features:
        yield name, _deciles(table.x[name].to_numpy(dtype=np.float64))
    for name, mask in table.strata.items():
        yield "stratum", np.array([name if held else None for held in mask], dtype=object)
    if table.keys.date is not None and config.cleaning.date_column is not None:
        yield config.cleaning.date_column, np.array([_quarter(days) for days in table.keys.date], dtype=object)


def _deciles(values: Array) -> NDArray[np.object_]:
    """Label numbers by their tenth (by their value where there are ten or fewer), missing ones as missing."""
    labels = np.full(len(values), "missing", dtype=object)
    known = ~np.isnan(values)
    distinct = np.unique(values[known])
    if len(distinct) <= _DECILES:
        labels[known] = [f"{value:g}" for value in values[known]]
        return labels
    edges = np.unique(np.quantile(values[known], np.linspace(0, 1, _DECILES + 1)))
    place = np.clip(np.searchsorted(edges, values[known], side="right") - 1, 0, len(edges) - 2)
    # A digit in front keeps the tenths in order where they are sorted as text. The last one holds its upper edge too.
    names = [f"{index}: {low:g} to below {high:g}" for index, (low, high) in enumerate(pairwise(edges))]
    names[-1] = names[-1].replace("below ", "")
    labels[known] = np.array(names, dtype=object)[place]
    return labels


def _quarter(days: float) -> str:
    if np.isnan(days):
        return "missing"
    day = date.fromisoformat(date_text(days))
    return f"{day.year}-Q{(day.month + 2) // 3}"
