"""How much wider the error of a new series is: known ones forecast as if they were new, like those that share their parent."""

import warnings
from dataclasses import replace

import numpy as np

from tabtrail.bundle.demand.features import Array, FeatureRecipe
from tabtrail.bundle.demand.intervals import ALL, Codes, DemandIntervals, horizon_part
from tabtrail.forecast.panel.calibration import Outcomes, Predicts
from tabtrail.forecast.panel.panel import Panel

_ORIGINS, _SERIES = 6, 300  # as many as tell a quantile of the errors; more cost time
_NEW = "(new)"


def new_series_factor(
    panel: Panel,
    places: tuple[int, ...],
    predicts: Predicts,
    parents: tuple[str, ...],
    found: DemandIntervals,
    recipe: FeatureRecipe,
) -> float | None:
    """Return by how much the scores of series that are left out exceed those of known ones, at the highest level, at least 1.

    None where no series shares its first parent with another.
    """
    groups = _groups(panel, parents)
    if groups is None:
        return None
    chosen = np.flatnonzero(np.bincount(groups)[groups] > 1)[:_SERIES]
    if not len(chosen):
        return None
    ratios = []
    for place in places[-_ORIGINS:]:
        known = _as_new(panel.until(place), groups, parents).take(chosen)
        own = Outcomes.of(
            replace(known, target=np.concatenate([known.target, panel.target[chosen, place + 1 :]], axis=1)),
            (place,),
            predicts,
            level_window=recipe.level_window,
            past=recipe.past,
        )
        ratios.append(_scores(found, own))
    ratio = np.concatenate(ratios)
    if not len(ratio):
        return None
    return max(1.0, float(f"{np.quantile(ratio, max(found.levels)):.4g}"))


def _groups(panel: Panel, parents: tuple[str, ...]) -> Codes | None:
    """Number of the group of each series by the first parent; None where there is no parent."""
    if not parents:
        return None
    return np.unique(panel.static[parents[0]].astype(str), return_inverse=True)[1].astype(np.int64)


def _as_new(panel: Panel, groups: Codes, parents: tuple[str, ...]) -> Panel:
    """The panel as its history would stand for each series if it were new: the mean of the others of its group, what was planned
    for them, and what makes the series itself not known. Its own plan stays.
    """
    known = ~np.isnan(panel.target)
    total, count = np.zeros((groups.max() + 1, panel.periods)), np.zeros((groups.max() + 1, panel.periods))
    np.add.at(total, groups, np.where(known, panel.target, 0.0))
    np.add.at(count, groups, known)
    others = count[groups] - known
    with np.errstate(all="ignore"):
        target = np.where(others > 0, (total[groups] - np.where(known, panel.target, 0.0)) / others, np.nan)
    static = {
        name: values if name in parents or name not in panel.series else np.full(panel.count, _NEW, dtype=object)
        for name, values in panel.static.items()
    }
    return replace(
        panel, target=target, known={name: _planned(panel, each, groups) for name, each in panel.known.items()}, static=static
    )


def _planned(panel: Panel, values: Array, groups: Codes) -> Array:
    found = values.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the median of nothing is NaN, which is what is meant
        for group in np.unique(groups):
            rows = groups == group
            found[rows, : panel.periods] = np.nanmedian(values[rows, : panel.periods], axis=0)
    return found


def _scores(found: DemandIntervals, own: Outcomes) -> Array:
    """Errors over the half widths at the highest level, by the bands of all classes."""
    level = max(found.levels)
    ratios = []
    for first, last in zip((0, *found.groups[:-1]), found.groups, strict=True):
        band = found.bands[horizon_part(last, ALL)]
        forecast, actual = own.forecast[:, :, first:last], own.actual[:, :, first:last]
        scale = band.scale(forecast, np.broadcast_to(own.level[:, :, None], forecast.shape))
        error = actual - forecast
        score = np.where(error > 0, error / band.above, -error / band.below) / scale / max(band.factor(1 - level), 1e-12)
        ratios.append(score[~np.isnan(score)])
    return np.concatenate(ratios)
