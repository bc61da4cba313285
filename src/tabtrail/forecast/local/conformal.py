"""Intervals from the errors at earlier origins, and the share of outcomes that they held."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tabtrail.forecast.local.choice import Outer
from tabtrail.forecast.local.origins import Trials

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Held:
    """How many of the outcomes (`points`) at the outer origins their intervals of a level held."""

    level: float
    points: int
    held: int


def half_widths(trials: Trials, name: str, growth: Array, at: int, level: float) -> Array | None:
    """Return half the width [steps] of the interval around a candidate's forecast from an origin; None with too few errors.

    Absolute errors of forecasts whose periods all lie before the origin, each divided by the growth of its step, are pooled
    over the steps; their ceil((m + 1) level)-th smallest of m, times the growth, is half the width (split conformal
    prediction: Lei et al. 2018, section 2.2). Errors of a series are not exchangeable: what the intervals hold is measured.
    """
    errors = np.abs(trials.errors(name)) / trials.by_name[name].growth
    scores = errors[trials.known(at) & ~np.isnan(errors)]
    rank = math.ceil((len(scores) + 1) * level)
    if rank > len(scores) or len(scores) == 0:
        return None
    return float(np.sort(scores)[rank - 1]) * growth


def measure_coverage(trials: Trials, outer: Outer, level: float) -> Held:
    """Return how many outcomes the intervals held that the procedure would have given at the outer origins."""
    points = held = 0
    for row, (pick, origin) in enumerate(zip(outer.picks, trials.origins[trials.outer :], strict=True)):
        growth = trials.by_name[pick.name].growth[trials.outer + row]
        half = half_widths(trials, pick.name, growth, origin, level)
        known = ~np.isnan(outer.actual[row])
        if half is None:
            continue
        errors = np.abs(outer.actual[row] - outer.forecasts[row])[known]
        points += len(errors)
        # An outcome right on the edge, as those of a constant error are, is not lost to rounding.
        held += int(np.sum(errors <= half[known] * (1 + 1e-12)))
    return Held(level, points, held)
