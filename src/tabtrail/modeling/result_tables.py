"""A benchmark as tables: a row for each candidate, each fit on a fold, each prediction."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from tabtrail.bundle.intervals import Intervals
from tabtrail.modeling.intervals import interval_groups
from tabtrail.modeling.leaderboard import Leaderboard, Row
from tabtrail.modeling.metrics import METRICS, Array
from tabtrail.modeling.results import Benchmark, Result
from tabtrail.modeling.split import Mask

_NESTED = ("params", "cv_by_stratum", "test_by_stratum")
_MAY_BE_NULL = (
    "difference",
    "difference_low",
    "difference_high",
    "interval_coverage",
    "interval_width",
    "parity_max_difference",
    "row_us",
    "batch_row_us",
)


def runs_table(leaderboard: Leaderboard, tags: Mapping[str, str]) -> pl.DataFrame:
    """Return one row a candidate: the leaderboard's columns, `champion`, `parent_run_id`, and as JSON `params` and `tags`."""
    rows = []
    for row in leaderboard.candidates:
        values = {name: json.dumps(value) if name in _NESTED else value for name, value in row.to_dict().items()}
        own = {"champion": row.candidate == leaderboard.champion, "parent_run_id": leaderboard.parent_run_id}
        rows.append({**values, **own, "tags": json.dumps(dict(tags))})
    return _frame(rows, leaderboard.candidates[0])


def ranked_table(leaderboard: Leaderboard) -> pl.DataFrame:
    """Return the leaderboard as a plain table: `rank`, `candidate`, `champion`, every figure, those of strata `….<stratum>`."""
    rows = []
    for rank, row in enumerate(leaderboard.candidates, 1):
        own = {"rank": rank, "candidate": row.candidate, "champion": row.candidate == leaderboard.champion}
        rows.append({**own, **{name: value for name, value in row.to_dict().items() if name not in _NESTED}, **_by_stratum(row)})
    return _frame(rows, leaderboard.candidates[0])


def _by_stratum(row: Row) -> dict[str, float | None]:
    cv = {f"cv_{metric}.{name}": value for name, values in row.cv_by_stratum.items() for metric, value in values.items()}
    test = {f"test_{metric}.{name}": value for name, each in row.test_by_stratum.items() for metric, value in each.values.items()}
    return cv | test


def _frame(rows: list[dict[str, Any]], row: Row) -> pl.DataFrame:
    floats = [name for name in (*row.metrics, *_MAY_BE_NULL, *_by_stratum(row)) if name in rows[0]]
    types = {**dict.fromkeys(floats, pl.Float64), "iterations": pl.Int64, "over_budget": pl.String}
    return pl.DataFrame(rows, schema_overrides=types, infer_schema_length=None)


def folds_table(benchmark: Benchmark, leaderboard: Leaderboard) -> pl.DataFrame:
    """Return one row a candidate and fold: run_id, repeat, fold (counted through the repeats), rows, metrics, seconds."""
    run_ids = {row.candidate: row.run_id for row in leaderboard.candidates}
    rows = [
        {
            "candidate": result.candidate.name,
            "run_id": run_ids[result.candidate.name],
            "repeat": fold.repeat,
            "fold": fit.fold,
            **fit.scores.to_dict(),
            "iterations": fit.iterations,
            "fit_seconds": fit.fit_seconds,
        }
        for result in benchmark.results
        for fold, fit in zip(benchmark.split.folds, result.folds, strict=True)
    ]
    types = {**dict.fromkeys(METRICS, pl.Float64), "iterations": pl.Int64}
    return pl.DataFrame(rows, schema_overrides=types, infer_schema_length=None)


def predictions_table(benchmark: Benchmark, result: Result, intervals: Intervals | None) -> pl.DataFrame:
    """Return one row for each prediction of a row that the model did not learn from.

    Columns: part (`cv`: out of fold, in the first repeat; `test`), row (in the dataset as it was read), actual, predicted, low
    and high (of the interval; null outside the test part, whose rows calibrated nothing) in units of the target, date (null
    without a date column), group (of the interval, "" where there is one for all).
    """
    out_of_fold = result.out_of_fold(benchmark.split)
    known = ~np.isnan(out_of_fold)
    chosen_on = _predictions(benchmark, "cv", known, out_of_fold[known], None)
    return pl.concat([chosen_on, _predictions(benchmark, "test", benchmark.split.test, result.final.predicted, intervals)])


def _predictions(benchmark: Benchmark, part: str, rows: Mask, values: Array, intervals: Intervals | None) -> pl.DataFrame:
    table = benchmark.table.take(rows)
    groups, days = interval_groups(benchmark.problem, table), table.keys.date
    low, high = _bounds(intervals, values, groups)
    dates = [None] * len(values) if days is None else [None if np.isnan(day) else int(day) for day in days]
    columns = {
        "part": pl.Series([part] * len(values), dtype=pl.String),
        "row": pl.Series(table.row),
        "actual": pl.Series(table.y),
        "predicted": pl.Series(values),
        "low": pl.Series(low, dtype=pl.Float64),
        "high": pl.Series(high, dtype=pl.Float64),
        "date": pl.Series(dates, dtype=pl.Int32).cast(pl.Date),
        "group": pl.Series(groups, dtype=pl.String),
    }
    return pl.DataFrame(columns)


def _bounds(intervals: Intervals | None, values: Array, groups: list[str]) -> tuple[list[float | None], list[float | None]]:
    if intervals is None:
        nothing: list[float | None] = [None] * len(values)
        return nothing, nothing
    bounds = [intervals.bounds(value, group) for value, group in zip(values.tolist(), groups, strict=True)]
    return [low for low, _ in bounds], [high for _, high in bounds]
