"""The intervals of a benchmark's models, and how often they hold on the test part: overall, by stratum, by category."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from tabtrail.bundle.intervals import ALL, Grouping, Intervals
from tabtrail.config.tree import Config
from tabtrail.modeling.benchmark import Benchmark, Result
from tabtrail.modeling.calibration import Coverage, calibrate, measure_coverage
from tabtrail.modeling.leaderboard import CoverageRow
from tabtrail.modeling.metrics import rounded
from tabtrail.modeling.split import Mask
from tabtrail.modeling.table import Table


def grouping(config: Config) -> Grouping:
    """Return how a row finds the group in which its interval was calibrated."""
    by = config.intervals.by
    return Grouping(strata=dict(config.model.strata)) if by == "strata" else Grouping(column=by)


def calibrated(config: Config, benchmark: Benchmark, result: Result) -> Intervals | None:
    """Return the intervals of a candidate, from its out-of-fold predictions; None for too few rows."""
    predicted = result.out_of_fold(benchmark.split)
    known = ~np.isnan(predicted)
    rule = config.columns.rule(config.model.target)
    groups = _groups(config, benchmark.table.take(known))
    return calibrate(benchmark.table.y[known], predicted[known], groups, level=config.intervals.level, floor=rule.min)


def coverage_rows(config: Config, benchmark: Benchmark, result: Result) -> tuple[CoverageRow, ...]:
    """Return how often a candidate's intervals hold on the test part: all rows first, then strata and categories."""
    intervals = calibrated(config, benchmark, result)
    if intervals is None:
        return ()
    test = benchmark.table.take(benchmark.split.test)
    groups = np.array(_groups(config, test), dtype=object)
    rows = []
    for by, value, mask in _slices(config, test):
        found = measure_coverage(intervals, test.y[mask], result.final.predicted[mask], groups[mask].tolist())
        rows.append(_row(by, value, found))
    return tuple(rows)


def predictions_table(config: Config, benchmark: Benchmark, result: Result) -> pl.DataFrame:
    """Return one row for each prediction of a row that the model did not learn from.

    Columns: part (`cv`: out of fold, in the first repeat; `test`), row (in the dataset as it was read), actual, predicted, low
    and high (of the interval; null outside the test part, whose rows calibrated nothing) in units of the target, date (null
    without a date column), group (of the interval, "" where there is one for all).
    """
    intervals, split = calibrated(config, benchmark, result), benchmark.split
    out_of_fold = result.out_of_fold(split)
    frames = []
    for part, mask, values in (
        ("cv", ~np.isnan(out_of_fold), out_of_fold[~np.isnan(out_of_fold)]),
        ("test", split.test, result.final.predicted),
    ):
        table = benchmark.table.take(mask)
        groups, days = _groups(config, table), table.keys.date
        bounds: list[tuple[float, float]] | None = None
        if part == "test" and intervals is not None:
            bounds = [intervals.bounds(value, group) for value, group in zip(values.tolist(), groups, strict=True)]
        low, high = zip(*bounds, strict=True) if bounds else ((None,) * len(values),) * 2
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
        frames.append(pl.DataFrame(columns))
    return pl.concat(frames)


def _slices(config: Config, test: Table) -> Iterator[tuple[str, str, Mask]]:
    yield "all", "all rows", np.ones(len(test.y), dtype=bool)
    for name, mask in test.strata.items():
        if mask.any():
            yield "stratum", name, mask
    for column in config.intervals.coverage_by:
        texts = test.x[column].to_numpy(dtype=object)
        for text in sorted(set(texts)):
            yield column, text, texts == text


def _groups(config: Config, table: Table) -> list[str]:
    by = config.intervals.by
    groups = np.full(len(table.y), ALL, dtype=object)
    if by == "strata":
        for name, mask in reversed(table.strata.items()):
            groups[mask] = name
    elif by is not None:
        groups = table.x[by].to_numpy(dtype=object)
    return [str(group) for group in groups]


def _row(by: str, value: str, found: Coverage) -> CoverageRow:
    return CoverageRow(by, value, found.rows, rounded(found.coverage), rounded(found.mean_width))
