"""Intervals from the errors at earlier origins, widened to what was measured, and the share of outcomes that they held."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tabtrail.forecast.local.choice import Outer
from tabtrail.forecast.local.origins import Trials

Array = NDArray[np.float64]
# Outcomes of earlier origins from which a widening is taken: as many as a shortfall is reported from (`procedure`).
_MIN_OUTCOMES = 20


@dataclass(frozen=True)
class Held:
    """How many of the outcomes (`points`) at the outer origins their intervals of a level held.

    `widening` is by what the intervals of a forecast made now are multiplied, 1 or more.
    """

    level: float
    points: int
    held: int
    widening: float


def half_widths(trials: Trials, name: str, growth: Array, at: int, level: float) -> Array | None:
    """Return half the width [steps] of the interval around a candidate's forecast from an origin; None with too few errors.

    Absolute errors of forecasts whose periods all lie before the origin, each divided by the growth of its step, are pooled
    over the steps; their ceil((m + 1) level)-th smallest of m, times the growth, is half the width (split conformal
    prediction: Lei et al. 2018, section 2.2). Errors of a series are not exchangeable: what the intervals hold is measured.
    """
    errors = np.abs(trials.errors(name)) / trials.by_name[name].growth
    scores = errors[trials.known(at) & ~np.isnan(errors)]
    quantile = _conformal(scores, level)
    return None if quantile is None else quantile * growth


def measure_coverage(trials: Trials, outer: Outer, level: float) -> Held:
    """Return how many outcomes the intervals held that the procedure would have given at the outer origins.

    Each is as many times as wide as would have held the level among the outcomes known by then of the outer origins before it:
    the forecaster was chosen for its small errors at the earlier ones, which are therefore smaller than what follows.
    """
    origins = trials.origins[trials.outer :]
    ratios = np.full(outer.actual.shape, np.nan)  # of errors to half the width before it is widened
    ends = np.array(origins, dtype=np.int64)[:, None] + np.arange(1, trials.horizon + 1)
    points = held = 0
    for row, (pick, origin) in enumerate(zip(outer.picks, origins, strict=True)):
        half = half_widths(trials, pick.name, trials.by_name[pick.name].growth[trials.outer + row], origin, level)
        if half is None:
            continue
        with np.errstate(all="ignore"):
            ratios[row] = np.abs(outer.actual[row] - outer.forecasts[row]) / half
        ratios[row] = np.where(np.isnan(ratios[row]) & ~np.isnan(outer.actual[row]), 0.0, ratios[row])  # no error, no width
        known = ratios[row][~np.isnan(ratios[row])]
        points += len(known)
        # An outcome right on the edge, as those of a constant error are, is not lost to rounding.
        held += int(np.sum(known <= _widening(ratios[ends <= origin], level) * (1 + 1e-12)))
    return Held(level, points, held, _widening(ratios[ends <= len(trials.y)], level))


def _widening(ratios: Array, level: float) -> float:
    known = ratios[np.isfinite(ratios)]
    quantile = _conformal(known, level) if len(known) >= _MIN_OUTCOMES else None
    return 1.0 if quantile is None else max(1.0, quantile)


def _conformal(scores: Array, level: float) -> float | None:
    """Return the ceil((m + 1) level)-th smallest of m scores; None with too few."""
    rank = math.ceil((len(scores) + 1) * level)
    return float(np.sort(scores)[rank - 1]) if 0 < rank <= len(scores) else None
