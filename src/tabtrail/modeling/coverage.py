"""The intervals of a benchmark's models, and how often they hold on the test part: overall, by stratum, by category."""

from collections.abc import Iterator

import numpy as np

from tabtrail.config import Config
from tabtrail.intervals import ALL, Grouping, Intervals
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
    rule = config.column_rule(config.model.target)
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
