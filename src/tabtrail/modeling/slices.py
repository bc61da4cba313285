"""Where a model errs most: its out-of-fold errors by category, by decile of a number, by period."""

from collections.abc import Iterator
from datetime import date
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tabtrail.contract.expressions import date_text
from tabtrail.modeling.metrics import METRICS, Array, rounded, score
from tabtrail.modeling.problem import Problem
from tabtrail.modeling.results import Benchmark, Result
from tabtrail.modeling.split import Mask
from tabtrail.modeling.table import Table

_DECILES = 10


def error_slices(benchmark: Benchmark, result: Result) -> pl.DataFrame:
    """Return the errors of a candidate on rows that it did not learn from, worst share of the squared error first.

    Columns: column, slice, rows, every metric of `METRICS` by name, share_of_rows and share_of_squared_error (0 to 1) of all
    out-of-fold rows. Slices of fewer than `slices.min_rows` rows are left out.
    """
    predicted = result.out_of_fold(benchmark.split)
    known = ~np.isnan(predicted)
    table, least = benchmark.table.take(known), benchmark.problem.slices.min_rows
    rows = [
        {"column": column, "slice": name, **_errors(table.y, predicted[known], mask)}
        for column, labels in _labels(benchmark.problem, table)
        for name in sorted(set(labels.tolist()) - {None})
        if (mask := labels == name).sum() >= least
    ]
    frame = pl.DataFrame(rows, schema=_schema())
    # Slices with equal shares of the squared error stand in the order of their RMSE, which is the error per row.
    return frame.sort("share_of_squared_error", "rmse", "column", "slice", descending=[True, True, False, False])


def _schema() -> dict[str, type[pl.DataType]]:
    numbers = dict.fromkeys((*METRICS, "share_of_rows", "share_of_squared_error"), pl.Float64)
    return {"column": pl.String, "slice": pl.String, "rows": pl.Int64, **numbers}


def _errors(actual: Array, predicted: Array, mask: Mask) -> dict[str, float | int | None]:
    squared = (predicted - actual) ** 2
    total = float(np.sum(squared))
    return {
        **score(actual[mask], predicted[mask]).to_dict(),
        "share_of_rows": rounded(float(mask.mean())),
        "share_of_squared_error": rounded(float(np.sum(squared[mask])) / total) if total > 0 else 0.0,
    }


def _labels(problem: Problem, table: Table) -> Iterator[tuple[str, NDArray[np.object_]]]:
    """Yield each column with the slice [rows] that every row falls into, None for rows in none."""
    for name in problem.model.text_features:
        texts = table.texts[name].plain()
        yield name, np.where(texts == "", "missing", texts).astype(object)
    for name in problem.model.numeric_features:
        yield name, _deciles(table.numbers[name].astype(np.float64))
    for name, mask in table.strata.items():
        yield "stratum", np.array([name if held else None for held in mask], dtype=object)
    if table.keys.date is not None and problem.date_column is not None:
        yield problem.date_column, np.array([_quarter(days) for days in table.keys.date], dtype=object)


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
