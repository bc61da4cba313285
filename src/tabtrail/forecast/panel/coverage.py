"""How often intervals held at origins after those that they were calibrated on, with what was known at each."""

from typing import Any

import numpy as np

from tabtrail.bundle.demand.features import Array
from tabtrail.bundle.demand.intervals import CLASSES, Bounds, DemandIntervals
from tabtrail.forecast.panel.calibration import RATE, Adapting, Outcomes, bounds_of, held_sums
from tabtrail.modeling.metrics import rounded

_DRAWS = 2000


def measure(intervals: DemandIntervals, outcomes: Outcomes, through: int, *, rate: float = RATE) -> dict[str, Any]:
    """Return coverage, mean width and pinball loss of each level, overall (`low`, `high`: 95 % of draws of whole origins), by
    horizon and class; the same of sums over the lead time, and how often the order quantity met demand.

    Every origin has the α that was known at it. `through` is the place of the last origin of the calibration.
    """
    state = Adapting(intervals, intervals.allowed, dict.fromkeys(intervals.parts, through), rate)
    lows, highs, sums, orders = [], [], [], []
    for number, place in enumerate(outcomes.places):
        state.learn(outcomes.take(slice(0, number)), int(place))
        bounds, own = Bounds(intervals, state.alphas), outcomes.take(slice(number, number + 1))
        low, high = bounds_of(bounds, own)
        lows.append(low)
        highs.append(high)
        if intervals.lead_time is not None:
            inside, met = held_sums(bounds, own.sums(intervals.lead_time))
            sums.append(inside)
            orders.append(met)
    low, high = np.concatenate(lows), np.concatenate(highs)
    found: dict[str, Any] = {
        "origins": len(outcomes.places),
        "levels": [_of_level(level, outcomes, low[..., place], high[..., place]) for place, level in enumerate(intervals.levels)],
    }
    if intervals.lead_time is None:
        return found
    inside, met = np.concatenate(sums), np.concatenate(orders)
    return found | {
        "sums": {
            "periods": intervals.lead_time,
            "levels": [{"level": each, **_share(inside[..., place])} for place, each in enumerate(intervals.levels)],
            "service_level": intervals.service_level,
            "met": _share(met),
        }
    }


def _of_level(level: float, outcomes: Outcomes, low: Array, high: Array) -> dict[str, Any]:
    actual = outcomes.actual
    inside = np.where(np.isnan(actual), np.nan, (low <= actual) & (actual <= high))
    loss = (_pinball(actual, low, (1 - level) / 2) + _pinball(actual, high, (1 + level) / 2)) / 2
    steps = range(actual.shape[2])
    kinds = {kind: np.where((outcomes.kind == code)[..., None], inside, np.nan) for code, kind in enumerate(CLASSES)}
    return {
        "level": level,
        **_share(inside),
        "width": _mean(np.where(np.isnan(actual), np.nan, high - low)),
        "pinball": _mean(loss),
        "by_horizon": [{"coverage": _mean(inside[:, :, step]), "pinball": _mean(loss[:, :, step])} for step in steps],
        "by_class": {kind: _mean(values) for kind, values in kinds.items() if not np.isnan(values).all()},
    }


def _pinball(actual: Array, quantile: Array, level: float) -> Array:
    """Loss of each quantile (Koenker & Bassett, Econometrica 46, 1978)."""
    above = actual - quantile
    return np.maximum(level * above, (level - 1) * above)


def _share(inside: Array) -> dict[str, float | None]:
    """Coverage, and the 2.5 and 97.5 % quantiles of it when whole origins are drawn."""
    flat = inside.reshape(len(inside), -1)
    counts, sums = (~np.isnan(flat)).sum(axis=1), np.nansum(flat, axis=1)
    if not counts.sum():
        return {"coverage": None, "low": None, "high": None}
    drawn = np.random.default_rng(0).integers(0, len(flat), (_DRAWS, len(flat)))
    shares = sums[drawn].sum(axis=1) / np.maximum(counts[drawn].sum(axis=1), 1)
    low, high = np.quantile(shares, (0.025, 0.975))
    return {"coverage": rounded(float(sums.sum() / counts.sum())), "low": rounded(float(low)), "high": rounded(float(high))}


def _mean(values: Array) -> float | None:
    return None if np.isnan(values).all() else rounded(float(np.nanmean(values)))
