"""What a model is worth in detail: its skill with an interval, its errors by class of series and by level of the hierarchy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabtrail.bundle.demand.features import Array
from tabtrail.forecast.panel.evaluate import Evaluated, Origins, observed, scales_at
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.scores import by_group, scales, score, series_classes
from tabtrail.modeling.metrics import rounded

REFERENCE = "SeasonalNaive"
_RESAMPLES = 500  # the ends of a 95 % interval then rest on 12 resamples each
_TOTAL = "total"
_BLOCK = 50  # resamples whose weights are in memory at once: 50 × 10,000 series × 8 bytes are 4 MB

Scores = dict[str, float | int | None]


@dataclass(frozen=True)
class Skill:
    """1 - MAE / MAE of the seasonal naive forecast, with the ends of its 95 % interval; None where that is not defined."""

    value: float | None
    low: float | None
    high: float | None


def skill(own: Evaluated, reference: Evaluated, panel: Panel, origins: Origins, *, seed: int) -> Skill:
    """Return the skill of a model against another at the same origins.

    The interval resamples series and origins with replacement, each as a whole, so that errors that belong together stay
    together (a percentile bootstrap by two factors: Owen, The pigeonhole bootstrap, Ann. Appl. Stat. 1, 2007).
    """
    actual = observed(panel, origins)
    known = ~(np.isnan(actual) | np.isnan(own.forecast) | np.isnan(reference.forecast))
    sums = [_by_origin(np.where(known, np.abs(each.forecast - actual), 0.0), origins) for each in (own, reference)]
    if not sums[1].sum() > 0:
        return Skill(None, None, None)
    generator = np.random.default_rng(seed)
    series, times = sums[0].shape
    drawn = []
    for _ in range(_RESAMPLES // _BLOCK):
        rows = generator.multinomial(series, np.full(series, 1 / series), _BLOCK).astype(np.float64)
        columns = generator.multinomial(times, np.full(times, 1 / times), _BLOCK).astype(np.float64)
        numerator, denominator = ((rows @ each * columns).sum(axis=1) for each in sums)
        drawn.append(1 - numerator[denominator > 0] / denominator[denominator > 0])
    low, high = np.quantile(np.concatenate(drawn), (0.025, 0.975))
    return Skill(*(rounded(float(each)) for each in (1 - sums[0].sum() / sums[1].sum(), low, high)))


def by_class(own: Evaluated, panel: Panel, origins: Origins, classes: list[str]) -> dict[str, Scores]:
    """Return the errors within each class of series, with how many series it has."""
    groups = {name: np.flatnonzero(np.array(classes) == name).astype(np.int64) for name in sorted(set(classes))}
    found = by_group(observed(panel, origins), own.forecast, scales_at(panel, origins), groups)
    return {name: {"series": len(groups[name]), **scores} for name, scores in found.items()}


def classes_at(panel: Panel, origins: Origins) -> list[str]:
    """Return the class of each series by what was known at the first origin."""
    return series_classes(panel, origins.places[0])


def by_level(own: Evaluated, panel: Panel, origins: Origins, levels: tuple[str, ...]) -> dict[str, Scores]:
    """Return the errors of the sums over the series of each level, and over all of them (`total`); `series` counts the sums.

    A period is summed over the series whose demand is known in it, forecasts likewise.
    """
    actual = observed(panel, origins)
    forecast = np.where(np.isnan(actual), np.nan, own.forecast)
    found = {}
    for level in (*levels, _TOTAL):
        groups = np.zeros(panel.count, dtype=np.int64) if level == _TOTAL else _codes(panel, level)
        past = _summed(panel.target[:, : origins.places[0] + 1], groups)
        scale = scales(Panel(panel.calendar, panel.first, (), past), origins.places[0])
        found[level] = {"series": len(past), **score(_summed(actual, groups), _summed(forecast, groups), scale)}
    return found


def details(
    evaluated: Mapping[str, Evaluated], panel: Panel, origins: Origins, *, levels: tuple[str, ...], seed: int
) -> dict[str, dict[str, Any]]:
    """Return for each model by its name: `skill`, `by_class`, `by_level`."""
    classes = classes_at(panel, origins)
    return {
        name: {
            "skill": vars(skill(own, evaluated[REFERENCE], panel, origins, seed=seed)),
            "by_class": by_class(own, panel, origins, classes),
            "by_level": by_level(own, panel, origins, levels),
        }
        for name, own in evaluated.items()
    }


def _by_origin(errors: Array, origins: Origins) -> Array:
    """Sums over the horizon [series, origins]."""
    summed: Array = errors.reshape(len(errors), len(origins.places), origins.horizon).sum(axis=2)
    return summed


def _codes(panel: Panel, level: str) -> Any:
    return np.unique(panel.static[level].astype(str), return_inverse=True)[1]


def _summed(values: Array, groups: Any) -> Array:
    """Sum of the known values of the rows of each group [groups, periods]; NaN where none is known."""
    known = ~np.isnan(values)
    count = int(groups.max()) + 1
    sums, counts = np.zeros((count, values.shape[1])), np.zeros((count, values.shape[1]), dtype=np.int64)
    np.add.at(sums, groups, np.where(known, values, 0.0))
    np.add.at(counts, groups, known)
    return np.where(counts > 0, sums, np.nan)
