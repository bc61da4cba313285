"""Prediction intervals from out-of-fold residuals, and how often they hold.

The residuals of K-fold cross-validation stand in for those of a calibration part: the "CV" method of Barber et al.
(Predictive inference with the jackknife+, Ann. Statist. 49, 2021) with the model of all training rows in the middle, so that
no fold's model is kept. Their spread is normalised by a scale that follows the prediction (Papadopoulos et al., Inductive
confidence machines for regression, ECML 2002, section 5) and taken per group (Mondrian: Vovk et al., Algorithmic Learning in
a Random World, 2005, section 4.5).

An average of models errs less than the fold's model whose residual is known: by how far its members lie apart (the ambiguity of
Krogh & Vedelsby, Neural network ensembles, cross validation, and active learning, NIPS 1994, equation 5), which shows on rows
that none of them has learned from, without their targets.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tabtrail.bundle.intervals import ALL, Band, Intervals
from tabtrail.errors import DataError
from tabtrail.modeling.estimators import UNBOUNDED, Bounds
from tabtrail.modeling.metrics import Array

_ROWS_PER_BIN = 50  # a mean absolute error of so many rows has a standard error of about a tenth of itself
_MOST_BINS = 10  # the scale is to follow the prediction, not the noise of the errors
# Rows of a group that lie beyond its quantile. With five the coverage of one calibrated group, Beta-distributed over
# calibrations (Vovk 2012, Conditional validity of inductive conformal predictors), has a standard deviation of 4 points at
# 90 %; what the group would lose in the band of all rows is more.
_LEAST_BEYOND = 5
_LEAST_SCALE = 0.01  # of the mean error: below it a scale is that of rows which are predicted exactly, and widths would vanish
# Of the mean |actual|, added to every error: a row that lies on a bound, and one without an error, stays inside however the
# served graph rounds.
_ROUNDING = 1e-9


# Fewer rows say little of how far members lie apart: the group's band then narrows as that of all rows does.
_LEAST_APART = 50


@dataclass(frozen=True)
class Members:
    """What the members of an average predict [members, rows], in units of the target, for rows that none has learned from, and
    the group of each row (None: no groups).
    """

    predicted: Array
    groups: Sequence[str] | None = None

    def of(self, group: str) -> "Members":
        """Return what they predict for the rows of a group; for all rows, where the group has fewer than 50."""
        if self.groups is None:
            return self
        rows = np.array([each == group for each in self.groups], dtype=bool)
        return Members(self.predicted[:, rows]) if rows.sum() >= _LEAST_APART else self


@dataclass(frozen=True)
class MeasuredCoverage:
    """How many rows were looked at, the share (0 to 1) inside their interval, and the mean width in units of the target."""

    rows: int
    coverage: float
    mean_width: float


def calibrate(
    actual: Array,
    predicted: Array,
    groups: Sequence[str] | None,
    *,
    level: float,
    clip: Bounds = UNBOUNDED,
    members: Members | None = None,
) -> Intervals | None:
    """Return the intervals that out-of-fold predictions of the training part justify; None for too few rows.

    Score |y - ŷ| / scale(ŷ), quantile the ⌈(n + 1) · level⌉-th smallest score (Lei et al., Distribution-free predictive
    inference for regression, JASA 113, 2018, algorithm 2 and section 5.2), scale the mean |y - ŷ| of rows with a like ŷ. For
    exchangeable rows `level` (0 to 1) of new ones lie inside, over all rows and within every group that has a band: those
    with 5 / (1 - level) rows or more. Below level / (1 - level) rows in all the quantile does not exist.

    Where an average of `members` is deployed, and `predicted` are those of one member each, the quantile is narrowed by
    √(1 - mean (member - average)² / mean (y - ŷ)²), both in scales, and no further than to √(1 / members).
    """
    if _rank(len(actual), level) > len(actual):
        return None
    error = np.abs(actual - predicted) + _ROUNDING * np.mean(np.abs(actual))
    bands = {ALL: _band(error, predicted, level, members)}
    names = np.array(groups if groups is not None else (), dtype=object)
    for name, rows in sorted(Counter(names.tolist()).items()):
        if name != ALL and round(rows * (1 - level), 9) >= _LEAST_BEYOND:
            own = None if members is None else members.of(name)
            bands[name] = _band(error[names == name], predicted[names == name], level, own)
    return Intervals(level, clip[0], bands, clip[1])


def measure_coverage(intervals: Intervals, actual: Array, predicted: Array, groups: Sequence[str] | None) -> MeasuredCoverage:
    """Return how often the intervals hold on rows that calibrated nothing. Raises `DataError` for no rows."""
    if not len(actual):
        raise DataError("there are no rows to measure the coverage on")
    names = groups if groups is not None else [ALL] * len(actual)
    bounds = [intervals.bounds(value, group) for value, group in zip(predicted.tolist(), names, strict=True)]
    low, high = np.array(bounds).T
    inside = (low <= actual) & (actual <= high)
    return MeasuredCoverage(len(actual), float(inside.mean()), float((high - low).mean()))


def _rank(rows: int, level: float) -> int:
    """Return ⌈(n + 1) · level⌉, as it is without floating-point dust (0.7 × 10 is 7)."""
    return math.ceil(round((rows + 1) * level, 9))


def _band(error: Array, predicted: Array, level: float, members: Members | None) -> Band:
    order = np.argsort(predicted, kind="stable")
    error, predicted = error[order], predicted[order]
    # Rows without an error do not divide by zero; 1 where there is none at all.
    least = _LEAST_SCALE * float(error.mean()) or 1.0
    bins = _bins(predicted)
    # Medians are predictions themselves, so that they ascend however narrow the bins are.
    predictions = [float(predicted[(rows.start + rows.stop) // 2]) for rows in bins]
    scales = [max(float(error[rows].mean()), least) for rows in bins]
    scores = np.sort(error / np.interp(predicted, predictions, scales))
    quantile = float(scores[_rank(len(error), level) - 1])
    if members is not None and members.predicted.shape[1] >= _LEAST_APART and quantile > 0:
        average = members.predicted.mean(axis=0)
        apart = (members.predicted - average) / np.interp(average, predictions, scales)
        # Members whose errors had nothing in common would leave 1 / members. Where rows are unlike those of the training they may
        # lie further apart than they ever erred, which is no reason for a width of nothing.
        left = max(1 / len(members.predicted), 1 - float(np.mean(apart**2)) / float(np.mean(scores**2)))
        quantile *= math.sqrt(left)
    return Band(len(error), quantile, tuple(predictions), tuple(scales))


def _bins(ascending: Array) -> list[slice]:
    """Cut rows into bins of about equal size, equal predictions in one bin."""
    rows = len(ascending)
    size = rows // max(1, min(_MOST_BINS, rows // _ROWS_PER_BIN))
    bins, start = [], 0
    while start < rows:
        stop = int(np.searchsorted(ascending, ascending[min(start + size, rows) - 1], side="right"))
        stop = rows if rows - stop < size else stop
        bins.append(slice(start, stop))
        start = stop
    return bins
