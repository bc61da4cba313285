"""Intervals from errors at many origins: bands of groups of rows, α moved over time, and the coverage that this had.

A model that was fitted once, before the first of these origins, only predicts at them, which costs little.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tabtrail.bundle.demand.features import Array
from tabtrail.bundle.demand.intervals import (
    ALL,
    CLASSES,
    ORDER,
    SUM,
    Band,
    Bounds,
    Codes,
    DemandIntervals,
    demand_classes,
    horizon_part,
    levels_of,
)
from tabtrail.bundle.demand.quantiles import SHARES, Offsets, places_of, scores_of
from tabtrail.forecast.panel.panel import Panel

Predicts = Callable[[Panel], Array]
"""Forecast [series, horizon] at the end of a panel, by a model that is fitted already."""

_LEAST_ROWS = 300  # fewer errors tell little of the quantile that one in ten or twenty exceeds
# How fast α follows the misses: of 0 to 0.8 the one with the least deviation of coverage over five half years of pasta and two
# models, all of them before the origins that are measured.
RATE = 0.3
_USUAL = 0.8  # share of the errors to one side that the usual error of that side exceeds
_LEAST_POWER, _MOST_POWER = 0.3, 1.0  # from less than that of counts (0.5) to that of errors in proportion
_BINS = 20


def calibration_origins(periods: int, horizon: int, *, count: int, step: int) -> tuple[int, ...]:
    """Return the latest `count` origins whose whole horizon is known, `step` apart, oldest first, in the latter half of the
    history, so that enough lies before them to learn from.
    """
    places = [periods - 1 - horizon - step * back for back in range(count)]
    return tuple(sorted(place for place in places if place >= periods // 2))


@dataclass(frozen=True)
class Outcomes:
    """Forecasts and what came of them: `places` of the origins [origins]; `forecast` and `actual` [origins, series, horizon];
    size and class of each series at each origin [origins, series]; the quantiles that came with the forecasts [origins, series,
    horizon, probabilities], None where the model has none.
    """

    places: Codes
    forecast: Array
    actual: Array
    level: Array
    kind: Codes
    quantiles: Array | None = None

    @classmethod
    def of(cls, panel: Panel, places: tuple[int, ...], predicts: Predicts, *, level_window: int, past: int) -> Self:
        """Forecast at origins with what was known at each."""
        found = [predicts(panel.until(place)) for place in places]
        horizon = found[0].shape[1]
        actual = np.full((len(places), panel.count, horizon), np.nan)
        for number, place in enumerate(places):
            ahead = panel.target[:, place + 1 : place + 1 + horizon]
            actual[number, :, : ahead.shape[1]] = ahead
        seen = [panel.target[:, max(0, place + 1 - past) : place + 1] for place in places]
        level = np.stack([levels_of(each, level_window) for each in seen])
        return cls(np.array(places), np.stack(found), actual, level, np.stack([demand_classes(each) for each in seen]))

    def take(self, origins: slice) -> Self:
        """Return some of the origins."""
        return replace(
            self,
            places=self.places[origins],
            forecast=self.forecast[origins],
            actual=self.actual[origins],
            level=self.level[origins],
            kind=self.kind[origins],
            quantiles=None if self.quantiles is None else self.quantiles[origins],
        )

    def with_quantiles(self, quantiles: Iterable[Array]) -> Self:
        """Return the same with the quantiles of each origin."""
        return replace(self, quantiles=np.stack(list(quantiles)))

    def ahead(self, first: int, last: int) -> Self:
        """Return the outcomes of some periods ahead, from the one after `first` to `last`."""
        quantiles = None if self.quantiles is None else self.quantiles[:, :, first:last]
        forecast, actual = self.forecast[:, :, first:last], self.actual[:, :, first:last]
        return replace(self, forecast=forecast, actual=actual, quantiles=quantiles)

    def sums(self, periods: int) -> Self:
        """Return the outcomes of sums over the first periods, of those whose demand is known [origins, series, 1]."""
        known = ~np.isnan(self.actual[:, :, :periods])
        count = known.sum(axis=2)
        total = np.where(known, self.actual[:, :, :periods], 0.0).sum(axis=2)
        forecast = np.where(known, self.forecast[:, :, :periods], 0.0).sum(axis=2)
        actual = np.where(count > 0, total, np.nan)
        return replace(self, forecast=forecast[:, :, None], actual=actual[:, :, None], level=self.level * count, quantiles=None)


@dataclass(frozen=True)
class Settings:
    """What intervals are asked for; `through` is the period of the last origin, `least` what demand is never below."""

    levels: tuple[float, ...]
    service_level: float
    lead_time: int | None
    step: int
    through: int
    least: float | None
    season: int


def fit_intervals(outcomes: Outcomes, settings: Settings) -> DemandIntervals:
    """Return the intervals that hold the outcomes in the shares that are asked for."""
    groups = horizon_groups(outcomes.forecast.shape[2], settings.season)
    bands: dict[str, Band] = {}
    offsets: dict[str, Offsets] = {}
    for first, last in zip((0, *groups[:-1]), groups, strict=True):
        own = outcomes.ahead(first, last)
        bands |= {horizon_part(last, kind): band for kind, band in _bands(own, signed=False).items()}
        if own.quantiles is not None:
            offsets |= {horizon_part(last, kind): each for kind, each in _offsets(own, settings).items()}
    sums = {} if settings.lead_time is None else _bands(outcomes.sums(settings.lead_time), signed=True)
    asked = {name: value for name, value in vars(settings).items() if name != "season"}
    return DemandIntervals(**asked, groups=groups, bands=bands, sums=sums, offsets=offsets)


def horizon_groups(horizon: int, season: int) -> tuple[int, ...]:
    """Return the last horizon of each group: of days 7, 14, 28 and the rest; of weeks and months 1, 3, 6, 12 and the rest."""
    ends = (season, 2 * season, 4 * season) if season <= 7 else (1, 3, 6, 12)
    return (*(end for end in ends if end < horizon), horizon)


def _bands(outcomes: Outcomes, *, signed: bool) -> dict[str, Band]:
    level = np.broadcast_to(outcomes.level[:, :, None], outcomes.actual.shape)
    return {
        kind: _band(outcomes.forecast[rows], outcomes.actual[rows], level[rows], signed=signed)
        for kind, rows in _known_of(outcomes).items()
    }


def _known_of(outcomes: Outcomes) -> dict[str, NDArray[np.bool_]]:
    """Return which outcomes [origins, series, horizon] are known, of all series and of each class with enough of them."""
    known = ~np.isnan(outcomes.actual)
    kinds = np.broadcast_to(outcomes.kind[:, :, None], known.shape)
    of_class = {kind: known & (kinds == code) for code, kind in enumerate(CLASSES)}
    return {kind: rows for kind, rows in of_class.items() if rows.sum() >= _LEAST_ROWS} | {ALL: known}


def _offsets(outcomes: Outcomes, settings: Settings) -> dict[str, Offsets]:
    level = np.broadcast_to(outcomes.level[:, :, None], outcomes.actual.shape)
    assert outcomes.quantiles is not None  # noqa: S101 - the caller made sure
    found = {}
    for kind, rows in _known_of(outcomes).items():
        forecast, actual, quantiles = outcomes.forecast[rows], outcomes.actual[rows], outcomes.quantiles[rows]
        size, smallest, power = _scaled(forecast, actual, level[rows])
        scores = [
            scores_of(actual, quantiles[:, lower], quantiles[:, upper], size**power, settings.least)
            for lower, upper in places_of(settings.levels)
        ]
        found[kind] = Offsets(len(actual), power, smallest, tuple(tuple(_quantiles(each)) for each in scores))
    return found


def _scaled(forecast: Array, actual: Array, level: Array) -> tuple[Array, float, float]:
    """Return the sizes of rows, the smallest that counts, and the power of them that errors grow with."""
    size = (np.abs(forecast) + level) / 2
    positive = size[size > 0]
    smallest = float(np.quantile(positive, 0.01)) if len(positive) else 1.0
    size = np.maximum(size, smallest)
    return size, smallest, _power(size, np.abs(actual - forecast))


def _band(forecast: Array, actual: Array, level: Array, *, signed: bool) -> Band:
    size, smallest, power = _scaled(forecast, actual, level)
    error = (actual - forecast) / size**power
    above, below = _usual(error[error > 0]), _usual(-error[error < 0])
    scores = np.where(error > 0, error / above, -error / below)
    own = tuple(_quantiles(error)) if signed else ()
    return Band(len(error), power, smallest, below, above, tuple(_quantiles(scores)), own)


def _quantiles(values: Array) -> list[float]:
    return [float(f"{value:.6g}") for value in np.quantile(values, SHARES)] if len(values) else [0.0] * len(SHARES)


def _usual(errors: Array) -> float:
    return float(np.quantile(errors, _USUAL)) if len(errors) else 1.0


def _power(size: Array, error: Array) -> float:
    """Slope of log error over log size, from means of rows of about the same size."""
    parts = [part for part in np.array_split(np.argsort(size, kind="stable"), _BINS) if len(part)]
    sizes, errors = (np.array([values[part].mean() for part in parts]) for values in (size, error))
    some = errors > 0
    if len(np.unique(sizes[some])) < 3:
        return 0.5
    slope = float(np.polyfit(np.log(sizes[some]), np.log(errors[some]), 1)[0])
    return float(np.clip(slope, _LEAST_POWER, _MOST_POWER))


def misses(intervals: DemandIntervals, alphas: Mapping[str, list[float]], outcomes: Outcomes) -> dict[str, Array]:
    """Return by part the share of missed outcomes at each level [levels], NaN where none is known. One origin or several."""
    found = {}
    inside = held(Bounds(intervals, alphas), outcomes)
    for first, last in zip((0, *intervals.groups[:-1]), intervals.groups, strict=True):
        found[horizon_part(last)] = _share_missed(inside[:, :, first:last])
    if intervals.lead_time is not None:
        sums, ordered = held_sums(Bounds(intervals, alphas), outcomes.sums(intervals.lead_time))
        found |= {SUM: _share_missed(sums), ORDER: _share_missed(ordered)}
    return found


def _share_missed(inside: Array) -> Array:
    flat = inside.reshape(-1, inside.shape[-1])
    known = ~np.isnan(flat)
    with np.errstate(all="ignore"):
        return np.asarray(1 - np.where(known, flat, 0.0).sum(axis=0) / known.sum(axis=0))


def bounds_of(bounds: Bounds, outcomes: Outcomes) -> tuple[Array, Array]:
    """Return lower and upper bounds [origins, series, horizon, levels]."""
    shape = outcomes.forecast.shape
    steps = np.broadcast_to(np.arange(1, shape[2] + 1), shape).ravel()
    level = np.broadcast_to(outcomes.level[:, :, None], shape).ravel()
    kind = np.broadcast_to(outcomes.kind[:, :, None], shape).ravel()
    own = None if outcomes.quantiles is None else outcomes.quantiles.reshape(steps.size, -1)
    low, high = bounds.of(outcomes.forecast.ravel(), steps, level, kind, own)
    return low.reshape(*shape, -1), high.reshape(*shape, -1)


def held(bounds: Bounds, outcomes: Outcomes) -> Array:
    """Return whether each outcome lies in its interval [origins, series, horizon, levels]: 1, 0, or NaN where not known."""
    low, high = bounds_of(bounds, outcomes)
    actual = outcomes.actual[..., None]
    return np.where(np.isnan(actual), np.nan, (low <= actual) & (actual <= high))


def held_sums(bounds: Bounds, sums: Outcomes) -> tuple[Array, Array]:
    """Return whether each sum lies in its interval [origins, series, 1, levels], and is met by the order [origins, series, 1]."""
    shape = sums.forecast.shape
    low, high, order = bounds.of_sums(sums.forecast.ravel(), sums.level.ravel(), sums.kind.ravel())
    actual = sums.actual[..., None]
    inside = (low.reshape(*shape, -1) <= actual) & (actual <= high.reshape(*shape, -1))
    met = np.where(np.isnan(sums.actual), np.nan, sums.actual <= order.reshape(shape))
    return np.where(np.isnan(actual), np.nan, inside), met


@dataclass
class Adapting:
    """α over time: `through` is, by part, the place of the last origin whose outcomes moved it, by `rate` times the difference
    between the share of misses that is allowed and that of its outcomes.
    """

    intervals: DemandIntervals
    alphas: dict[str, list[float]]
    through: dict[str, int]
    rate: float = RATE

    def learn(self, outcomes: Outcomes, known: int) -> None:
        """Take up the outcomes of origins, oldest first, that are known at the place `known` and were not taken up before."""
        for number, place in enumerate(outcomes.places):
            due = [part for part, delay in self.intervals.parts.items() if self.through[part] < place <= known - delay]
            if due:
                missed = misses(self.intervals, self.alphas, outcomes.take(slice(number, number + 1)))
            for part in due:
                self._move(part, missed[part])
                self.through[part] = int(place)

    def _move(self, part: str, missed: Array) -> None:
        steps = np.where(np.isnan(missed), 0.0, np.array(self.intervals.allowed[part]) - missed)
        moved = np.array(self.alphas[part]) + self.rate * steps
        self.alphas[part] = [float(alpha) for alpha in np.clip(moved, 0.001, 0.999)]
