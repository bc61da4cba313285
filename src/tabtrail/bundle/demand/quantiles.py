"""Intervals from quantiles that the graph puts out beside its forecast, moved by what came of earlier ones.

`quantiles` of a row ascend, two for each level. An interval is `lower - q·scale … upper + q·scale`, `q` being the quantile of the
calibration's scores at 1 - α: how far outside of its quantiles demand lay, below zero for a value inside (conformalized quantile
regression, Romano, Patterson & Candès, NeurIPS 2019), in a scale that grows with the size of the series as errors do.

A lower quantile at the least that demand can be stays there: moved up, it would leave out every value of sparse demand that is
zero. Levels never cross, and the forecast lies in each interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Shares at which scores are stored: fine where intervals are read.
SHARES = np.array([*np.arange(0, 90, 2) / 100, *np.arange(90, 99.5, 0.5) / 100, 0.9975, 1.0])
# Least and largest α: beyond them the largest and the median score answer, rather than an interval without end or without width.
LEAST_ALPHA, MOST_ALPHA = 0.0025, 0.6


def score_at(scores: Sequence[float], alpha: float) -> float:
    """Return the score that a share α of the rows exceeds."""
    return float(np.interp(1 - min(max(alpha, LEAST_ALPHA), MOST_ALPHA), SHARES, scores))


def probabilities_of(levels: Sequence[float]) -> tuple[float, ...]:
    """Return the probabilities of the quantiles that intervals of these levels need, ascending: two a level."""
    ends = {round(end, 10) for level in levels for end in ((1 - level) / 2, (1 + level) / 2)}
    return tuple(sorted(ends))


def places_of(levels: Sequence[float]) -> tuple[tuple[int, int], ...]:
    """Return for each level the places of its lower and upper quantile."""
    probabilities = probabilities_of(levels)
    return tuple(
        (probabilities.index(round((1 - level) / 2, 10)), probabilities.index(round((1 + level) / 2, 10))) for level in levels
    )


@dataclass(frozen=True)
class Offsets:
    """How far outside of the quantiles demand lay over `rows` rows of one group: by level the scores at `SHARES`, in the scale
    `size ** power` of a row, its size being the mean of forecast and usual demand, at least `smallest`.
    """

    rows: int
    power: float
    smallest: float
    scores: tuple[tuple[float, ...], ...]

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Rebuild from the JSON form."""
        return cls(**{**value, "scores": tuple(map(tuple, value["scores"]))})

    def factors(self, alphas: Sequence[float]) -> list[float]:
        """Return q of each level at its α."""
        return [score_at(scores, alpha) for scores, alpha in zip(self.scores, alphas, strict=True)]


class QuantileBounds:
    """Look-up of intervals by group of horizons and class. `offsets` [groups][classes]; `alphas` [groups][levels]."""

    def __init__(
        self,
        levels: Sequence[float],
        offsets: Sequence[Sequence[Offsets]],
        alphas: Sequence[Sequence[float]],
        least: float | None,
    ) -> None:
        self._least = least
        self._lower, self._upper = (np.array(side) for side in zip(*places_of(levels), strict=True))
        self._order = np.argsort(levels, kind="stable")  # narrow to wide
        self._power = np.array([[each.power for each in row] for row in offsets])
        self._smallest = np.array([[each.smallest for each in row] for row in offsets])
        self._factor = np.array([[each.factors(own) for each in row] for row, own in zip(offsets, alphas, strict=True)])

    def of(self, forecast: Array, place: tuple[Any, Any], level: Array, quantiles: Array) -> tuple[Array, Array]:
        """Return lower and upper bounds [rows, levels] of forecasts with their quantiles [rows, probabilities]; `place` are the
        group of horizons and the class of each row.
        """
        size = np.maximum((np.abs(forecast) + level) / 2, self._smallest[place])
        moved = (size ** self._power[place])[:, None] * self._factor[place]
        low, high = quantiles[:, self._lower], quantiles[:, self._upper] + moved
        if self._least is None:
            low = low - moved
        else:
            low = np.where(low <= self._least, self._least, np.maximum(low - moved, self._least))
        low, high = np.minimum(low, forecast[:, None]), np.maximum(high, forecast[:, None])
        low[:, self._order] = np.minimum.accumulate(low[:, self._order], axis=1)
        high[:, self._order] = np.maximum.accumulate(high[:, self._order], axis=1)
        return low, high


def scores_of(actual: Array, lower: Array, upper: Array, scale: Array, least: float | None) -> Array:
    """Return how far outside of its quantiles each value lay [rows], in its scale; below zero inside."""
    below = (lower - actual) / scale
    if least is not None:
        below = np.where(lower > least, below, -np.inf)
    return np.maximum(below, (actual - upper) / scale)
