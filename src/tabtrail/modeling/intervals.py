"""The prediction intervals of a benchmark's models, and how often they hold on the test part."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tabtrail.bundle.intervals import ALL, Grouping, Intervals
from tabtrail.modeling.calibration import Members, calibrate, measure_coverage
from tabtrail.modeling.estimators import Bag, Blend, unclipped
from tabtrail.modeling.leaderboard import CoverageRow, HeldOut
from tabtrail.modeling.metrics import Array, rounded, score
from tabtrail.modeling.problem import Problem
from tabtrail.modeling.results import Benchmark, Result
from tabtrail.modeling.split import Mask
from tabtrail.modeling.table import Table

# Rows beyond these change the mean distance of the members by less than a hundredth. They are taken evenly: a table is sorted.
_MOST_APART = 10_000


def grouping(problem: Problem) -> Grouping:
    """Return how a row finds the group in which its interval was calibrated."""
    by = problem.intervals.by
    return Grouping(strata=dict(problem.model.strata)) if by == "strata" else Grouping(column=by)


def calibrate_all(benchmark: Benchmark) -> dict[str, Intervals | None]:
    """Return the intervals of each candidate, from its out-of-fold predictions; None for too few rows.

    How far the members of a bag lie apart is seen on rows of the test part, whose targets are not looked at.
    """
    chosen, test = np.zeros(len(benchmark.table.y), dtype=bool), np.flatnonzero(benchmark.split.test)
    chosen[test[np.linspace(0, len(test) - 1, min(len(test), _MOST_APART)).astype(int)]] = True
    rows = benchmark.table.take(chosen)
    apart = _Apart(rows, interval_groups(benchmark.problem, rows))
    return {result.candidate.name: _calibrated(benchmark, result, apart.members(result)) for result in benchmark.results}


@dataclass(frozen=True)
class _Apart:
    rows: Table
    groups: list[str]
    known: dict[int, Array] = field(default_factory=dict)

    def members(self, result: Result) -> Members | None:
        """Return what the members of an average predict; None for one model, whose residuals are those of its like."""
        found = self._predicted(result.model) if isinstance(unclipped(result.model), Blend) and len(self.rows.y) else None
        return None if found is None or len(found) == 1 else Members(found, self.groups)

    def _predicted(self, model: Any) -> Array:
        """Return [folds, rows]: of a bag each fold's model, of a blend the average of what is of one fold; else one row."""
        model = unclipped(model)
        if id(model) not in self.known:
            if not isinstance(model, Blend):
                found = np.asarray(model.predict(self.rows.x), dtype=np.float64).reshape(1, -1)
            else:
                each = [self._predicted(one) for one in model.models]
                found = np.concatenate(each) if isinstance(model, Bag) else _weighted(each, model.weights)
            self.known[id(model)] = found
        return self.known[id(model)]


def _weighted(predicted: list[Array], weights: tuple[float, ...]) -> Array:
    folds = max(map(len, predicted))
    alike = [each if len(each) == folds else each.mean(axis=0, keepdims=True) for each in predicted]
    return np.asarray(sum(weight * each for weight, each in zip(weights, alike, strict=True)), dtype=np.float64)


def _calibrated(benchmark: Benchmark, result: Result, members: Members | None) -> Intervals | None:
    problem, predicted = benchmark.problem, result.out_of_fold(benchmark.split)
    known = ~np.isnan(predicted)
    rows = benchmark.table.take(known)
    groups = interval_groups(problem, rows)
    low, high = problem.clip
    # A logarithm takes targets above zero alone, and what is predicted by it is above zero: so are the bounds.
    low = 0.0 if low is None and result.candidate.transform == "log" else low
    return calibrate(rows.y, predicted[known], groups, level=problem.intervals.level, clip=(low, high), members=members)


def coverage_rows(benchmark: Benchmark, result: Result, intervals: Intervals | None) -> tuple[CoverageRow, ...]:
    """Return how often a candidate's intervals hold on the test part: all rows first, then strata and categories."""
    if intervals is None:
        return ()
    test = benchmark.table.take(benchmark.split.test)
    groups = np.array(interval_groups(benchmark.problem, test), dtype=object)
    rows = []
    for by, value, mask in _slices(benchmark.problem, test):
        found = measure_coverage(intervals, test.y[mask], result.final.predicted[mask], groups[mask].tolist())
        rows.append(CoverageRow(by, value, found.rows, rounded(found.coverage), rounded(found.mean_width)))
    return tuple(rows)


def held_out_figures(benchmark: Benchmark, intervals: Intervals | None) -> HeldOut | None:
    """Score the champion on the rows that are held out to the end; None where there are none."""
    held, since = benchmark.split.held_out, benchmark.problem.split.evaluate_before
    if held is None:
        return None
    rows = benchmark.table.take(held)
    predicted = np.asarray(benchmark.champion.model.predict(rows.x), dtype=np.float64).ravel()
    metrics, coverage, width = dict(score(rows.y, predicted).values), None, None
    if intervals is not None:
        found = measure_coverage(intervals, rows.y, predicted, interval_groups(benchmark.problem, rows))
        coverage, width = rounded(found.coverage), rounded(found.mean_width)
    return HeldOut(str(since), len(rows.y), metrics, coverage, width)


def interval_groups(problem: Problem, table: Table) -> list[str]:
    """Return for each row [rows] the group that its interval was calibrated in."""
    by = problem.intervals.by
    groups = np.full(len(table.y), ALL, dtype=object)
    if by == "strata":
        for name, mask in reversed(table.strata.items()):
            groups[mask] = name
    elif by is not None:
        groups = table.x[by].to_numpy(dtype=object)
    return [str(group) for group in groups]


def _slices(problem: Problem, test: Table) -> Iterator[tuple[str, str, Mask]]:
    yield "all", "all rows", np.ones(len(test.y), dtype=bool)
    for name, mask in test.strata.items():
        if mask.any():
            yield "stratum", name, mask
    for column in problem.intervals.coverage_by:
        texts = test.x[column].to_numpy(dtype=object)
        for text in sorted(set(texts)):
            yield column, text, texts == text
