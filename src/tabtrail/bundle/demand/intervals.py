"""Intervals of forecast demand, of sums over a lead time, and what to order: look-ups in what calibration found.

An interval is `forecast - q·scale·below … forecast + q·scale·above`, cut at the least that demand can be. Its sides differ as the
errors of sparse demand do, yet one number `q` says whether a value lies in it (a nested family; Gupta, Kuchibhotla & Ramdas,
Pattern Recognition 127, 2022), so that a lower end at zero makes no interval hold more than its level.

`q` is the quantile of the calibration's scores at 1 - α. α starts at 1 - level and is moved by what came of earlier forecasts
(adaptive conformal inference, Gibbs & Candès, NeurIPS 2021); it lies in the history, whose outcomes it was learned from.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from tabtrail.bundle.demand.features import Array
from tabtrail.bundle.demand.quantiles import LEAST_ALPHA, SHARES, Offsets, QuantileBounds, probabilities_of, score_at

Codes = NDArray[np.int64]
Part = TypeVar("Part", "Band", Offsets)
Alphas = Mapping[str, Sequence[float]]
"""By part (`horizon_part`, `SUM`, `ORDER`): the share of misses that is allowed at each level."""

CLASSES = ("smooth", "intermittent", "erratic", "lumpy", "none")
ALL = ""
SUM, ORDER = "sum", "order"
STATE = "intervals"
_MOST_LOOKED_UP = 4_096  # pairs of horizon and class
SERVED = (LEAST_ALPHA, 1 - LEAST_ALPHA)
"""The least and largest service level that an order can be made for."""


def demand_classes(target: Array) -> Codes:
    """Return the place in `CLASSES` of each series by its past [series, periods]; `none` where nothing was sold.

    Mean gap between sales at 1.32 and squared coefficient of variation of their sizes at 0.49 part the four (Syntetos, Boylan
    & Croston, On the categorization of demand patterns, J. Oper. Res. Soc. 56, 2005).
    """
    known = (~np.isnan(target)).sum(axis=1)
    positive = np.nan_to_num(target) > 0
    sold = positive.sum(axis=1)
    values = np.where(positive, np.nan_to_num(target), 0.0)
    with np.errstate(all="ignore"):
        mean = values.sum(axis=1) / sold
        variance = np.where(positive, (values - mean[:, None]) ** 2, 0.0).sum(axis=1) / sold
        sparse, uneven = known / sold > 1.32, variance / mean**2 > 0.49
    return np.where(sold > 0, sparse + 2 * uneven, CLASSES.index("none")).astype(np.int64)


def levels_of(target: Array, width: int) -> Array:
    """Return the size of each series [series]: the mean of its latest `width` periods that are known, 0 where none is."""
    past = target[:, -width:]
    known = ~np.isnan(past)
    return np.asarray(np.where(known, past, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1))


@dataclass(frozen=True)
class Band:
    """What the errors of one group were like, over `rows` rows.

    The scale of a row is `size ** power`, its size being the mean of forecast and usual demand, at least `smallest`. `below` and
    `above` are the usual errors to both sides in that scale; `scores` at `SHARES` are errors over them, and `signed` (of sums
    alone) errors over the scale, above zero where more was sold than forecast.
    """

    rows: int
    power: float
    smallest: float
    below: float
    above: float
    scores: tuple[float, ...]
    signed: tuple[float, ...] = ()

    def scale(self, forecast: Array, level: Array) -> Array:
        """Return the scale of rows, in units of demand to the power."""
        return np.asarray(np.maximum((np.abs(forecast) + level) / 2, self.smallest) ** self.power)

    def factor(self, alpha: float) -> float:
        """Return q at an α."""
        return score_at(self.scores, alpha)

    def order(self, alpha: float) -> float:
        """Return what is ordered above the forecast, in the scale, where a share α of orders may be too small."""
        return float(np.interp(1 - min(max(alpha, LEAST_ALPHA), 1 - LEAST_ALPHA), SHARES, self.signed))


@dataclass(frozen=True)
class DemandIntervals:
    """What the bundle's metadata holds of a demand model's errors.

    `groups` are the last horizons of each group of horizons; `bands` are by group and class (`horizon_part`), those of the class
    `ALL` serving classes with too few rows; `sums` by class, over `lead_time` periods. `step` periods lie between the origins
    at which α is moved, `through` is the period of the last that was calibrated on. The error of a new series is `new` times
    that of a known one; None where that could not be measured. Demand is not below `least`.

    Where the graph puts out quantiles of its own, `offsets` by group and class say how far their ends are moved; sums and new
    series have the intervals of the errors all the same.
    """

    levels: tuple[float, ...]
    service_level: float
    lead_time: int | None
    step: int
    through: int
    least: float | None
    groups: tuple[int, ...]
    bands: Mapping[str, Band]
    sums: Mapping[str, Band] = field(default_factory=dict)
    new: float | None = None
    offsets: Mapping[str, Offsets] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; that of intervals by errors says nothing of quantiles."""
        found = asdict(self)
        return found if self.offsets else {name: value for name, value in found.items() if name != "offsets"}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Rebuild from the JSON form."""
        own = dict(value)
        for name in ("bands", "sums"):
            own[name] = {
                key: Band(**{**band, "scores": tuple(band["scores"]), "signed": tuple(band["signed"])})
                for key, band in own[name].items()
            }
        own["offsets"] = {key: Offsets.from_dict(each) for key, each in own.get("offsets", {}).items()}
        return cls(**{**own, "levels": tuple(own["levels"]), "groups": tuple(own["groups"])})

    @property
    def quantiles(self) -> tuple[float, ...]:
        """The probabilities of the quantiles that the graph puts out, ascending; none of intervals by errors."""
        return probabilities_of(self.levels) if self.offsets else ()

    def by_errors(self) -> Self:
        """Return the same as they would be without quantiles."""
        return replace(self, offsets={})

    def with_new(self, factor: float | None) -> Self:
        """Return the same with the factor of new series."""
        return replace(self, new=factor)

    @property
    def parts(self) -> dict[str, int]:
        """The parts of which α is kept, each with the periods after an origin when all of its outcomes are known."""
        found = {horizon_part(last): last for last in self.groups}
        return found if self.lead_time is None else found | {SUM: self.lead_time, ORDER: self.lead_time}

    @property
    def allowed(self) -> dict[str, list[float]]:
        """The α of each part before anything was learned."""
        both = [1 - level for level in self.levels]
        return {part: [1 - self.service_level] if part == ORDER else both for part in self.parts}

    def learned(self, state: Mapping[str, Any], run_id: str) -> tuple[dict[str, list[float]], dict[str, int]]:
        """Return the α of each part, and the period of the last origin whose outcomes moved it, from a history's state; those of
        the calibration where the state is of another model. Raises `ValueError` or the like for a malformed state.
        """
        stored = state.get(STATE, {})
        if stored.get("run_id") != run_id:
            return self.allowed, dict.fromkeys(self.parts, self.through)
        alphas = {part: [float(alpha) for alpha in stored["alphas"][part]] for part in self.parts}
        if any(len(alphas[part]) != len(allowed) for part, allowed in self.allowed.items()):
            raise ValueError
        return alphas, {part: int(stored["through"][part]) for part in self.parts}


def horizon_part(last: int, kind: str | None = None) -> str:
    """Name of a group of horizons by its last one, and of the band of a class in it."""
    return f"to_{last}" if kind is None else f"to_{last}/{kind}"


class Bounds:
    """Intervals with the α of a time: `of` arrays of rows, and the same bits for one row at a time.

    Rows that come with their quantiles have intervals by them. New series never have: their stand-in's errors were measured.
    """

    def __init__(self, intervals: DemandIntervals, alphas: Alphas) -> None:
        self.intervals = intervals
        self._ends = np.array(intervals.groups)
        own = [alphas[horizon_part(last)] for last in intervals.groups]
        self._quantiles = (
            QuantileBounds(intervals.levels, _by_class(intervals.offsets, intervals.groups), own, intervals.least)
            if intervals.offsets
            else None
        )
        bands = _by_class(intervals.bands, intervals.groups)
        # What was learned of quantiles says nothing of errors.
        learned = intervals.allowed if intervals.offsets else alphas
        factors = [
            [[band.factor(alpha) for alpha in learned[horizon_part(last)]] for band in row]
            for last, row in zip(intervals.groups, bands, strict=True)
        ]
        self._power = np.array([[band.power for band in row] for row in bands])
        self._smallest = np.array([[band.smallest for band in row] for row in bands])
        sides = np.array([[[band.below, band.above] for band in row] for row in bands])
        self._wide = np.array(factors)[:, :, :, None] * sides[:, :, None, :]
        self._sums = [intervals.sums.get(kind) or intervals.sums.get(ALL) for kind in (*CLASSES, ALL)]
        self._alphas = alphas
        self._of_one = lru_cache(_MOST_LOOKED_UP)(self._look_up)

    def of_one(
        self, forecast: float, horizon: int, level: float, kind: int, quantiles: Array | None = None
    ) -> tuple[tuple[float, float], ...]:
        """Return lower and upper bound of each level for one forecast, as `of` has them; none where they are not known.

        Its few numbers cost a fifth of what arrays of one row do.
        """
        if quantiles is not None and kind >= 0:
            one = np.array([forecast]), np.array([horizon]), np.array([level]), np.array([kind])
            low, high = self.of(*one, quantiles[None, :])
            return tuple(zip(low[0].tolist(), high[0].tolist(), strict=True))
        smallest, power, widened, sides = self._of_one(horizon, kind)
        if math.isnan(widened):
            return ()
        size = max((abs(forecast) + level) / 2, smallest)
        # Of numpy's loop over arrays: its power of numbers, and Python's own, may differ in the last bit (0.5 is a root there).
        scale, least = float((np.array([size]) ** np.array([power]))[0]) * widened, self.intervals.least
        bounds = [(forecast - scale * below, forecast + scale * above) for below, above in sides]
        return tuple(bounds if least is None else [(min(max(low, least), forecast), high) for low, high in bounds])

    def _look_up(self, horizon: int, kind: int) -> tuple[float, float, float, list[tuple[float, float]]]:
        group = int(np.searchsorted(self._ends, horizon))
        widened = float(self._widened(np.array([kind]))[0])
        sides = [(float(below), float(above)) for below, above in self._wide[group, kind]]
        return float(self._smallest[group, kind]), float(self._power[group, kind]), widened, sides

    def of(
        self, forecast: Array, horizon: Codes, level: Array, kind: Codes, quantiles: Array | None = None
    ) -> tuple[Array, Array]:
        """Return lower and upper bounds [rows, levels] of forecasts of single periods.

        `level` is the size of the series, `kind` its class (-1: a new series, whose error is `new` times as large);
        `quantiles` [rows, probabilities] are what the graph put out beside the forecasts.
        """
        group = np.searchsorted(self._ends, horizon)
        if quantiles is None or self._quantiles is None:
            return self._by_errors(forecast, group, level, kind)
        low, high = self._quantiles.of(forecast, (group, kind), level, quantiles)
        if (new := np.flatnonzero(kind < 0)).size:
            low[new], high[new] = self._by_errors(forecast[new], group[new], level[new], kind[new])
        return low, high

    def _by_errors(self, forecast: Array, group: Codes, level: Array, kind: Codes) -> tuple[Array, Array]:
        size = np.maximum((np.abs(forecast) + level) / 2, self._smallest[group, kind])
        scale = size ** self._power[group, kind] * self._widened(kind)
        wide = scale[:, None, None] * self._wide[group, kind]
        return self._cut(forecast, wide[:, :, 0], wide[:, :, 1])

    def of_sums(self, forecast: Array, level: Array, kind: Codes, served: Array | None = None) -> tuple[Array, Array, Array]:
        """Return lower and upper bounds [rows, levels] of sums over the lead time, and what to order [rows].

        `level` is the size of the series times the periods; `served` are the service levels [rows], all the config's where None.
        """
        bands = [self._sums[each] for each in kind]
        if None in bands:
            raise ValueError
        found: list[Band] = [each for each in bands if each is not None]
        scale = np.array([band.scale(*one)[()] for band, one in zip(found, np.stack([forecast, level], axis=1), strict=True)])
        scale *= self._widened(kind)
        factors = np.array([[band.factor(alpha) for alpha in self._alphas[SUM]] for band in found])
        sides = np.array([[band.below, band.above] for band in found])
        wide = scale[:, None, None] * factors[:, :, None] * sides[:, None, :]
        missed = self._missed(np.full(len(found), self.intervals.service_level) if served is None else served)
        more = scale * np.array([band.order(alpha) for band, alpha in zip(found, missed.tolist(), strict=True)])
        order = forecast + more
        order = order if self.intervals.least is None else np.maximum(order, self.intervals.least)
        return *self._cut(forecast, wide[:, :, 0], wide[:, :, 1]), order

    def _missed(self, served: Array) -> Array:
        """Return α of service levels: what was learned of the config's moves the others with it, less the nearer they are to 0
        and 1.
        """
        stated = 1 - self.intervals.service_level
        return np.asarray(np.interp(1 - served, [0.0, stated, 1.0], [0.0, self._alphas[ORDER][0], 1.0]))

    def _widened(self, kind: Codes) -> Array:
        return np.where(kind < 0, np.nan if self.intervals.new is None else self.intervals.new, 1.0)

    def _cut(self, forecast: Array, below: Array, above: Array) -> tuple[Array, Array]:
        low, high = forecast[:, None] - below, forecast[:, None] + above
        least = self.intervals.least
        return (low if least is None else np.minimum(np.maximum(low, least), forecast[:, None])), high


def _by_class(parts: Mapping[str, Part], groups: Sequence[int]) -> list[list[Part]]:
    """Return the part of each group of horizons and class, that of all series where a class has none of its own."""
    return [[parts.get(horizon_part(last, kind), parts[horizon_part(last, ALL)]) for kind in (*CLASSES, ALL)] for last in groups]
