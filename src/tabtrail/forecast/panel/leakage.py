"""Columns said to be known ahead that were made of the demand itself, so that no plan could have held them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from tabtrail.bundle.demand.features import LEFT, LEVEL, RUN, Array, FeatureRecipe
from tabtrail.forecast.panel.panel import Panel, Rows
from tabtrail.forecast.panel.rows import Points, actual, features, training_points
from tabtrail.modeling.leakage.findings import Finding, Kind

# Fewer periods without demand than this show nothing about what is missing in them.
_LEAST_IDLE = 20
# Shares that a rule of "only" and of "all" may miss: a wrong row here and there does not hide what a column is made of.
_FEW, _NEARLY_ALL = 0.01, 0.99
# A list price changes in a few periods of a hundred; the average of a day's own sales in most that have some.
_CHANGES_OFTEN = 0.3
# What a column that is the demand leaves unexplained, noise on it included. Prices and promotions leave more.
_UNEXPLAINED, _OF_ITS_LAGS = 0.1, 0.25
_ROWS = 4_000  # that the two models of a column learn from and are judged on
_USUAL = 28


def audit(panel: Panel, recipe: FeatureRecipe, seed: int) -> tuple[Finding, ...]:
    """Return what gives the demand away among the flags and prices of a recipe, at most one finding a column.

    - `computed`: the rows have a value in the periods with demand and in none without, although it varies.
      Or it changes from one period to the next where there is demand, and nowhere else.
    - `predicts_alone`: a flag that is 1 where there is demand; or a number whose values around the period that is forecast tell
      its demand, which the past of the demand and of the column do not.
    """
    found = []
    for name in (*recipe.flags, *recipe.prices):
        checks = (_given(panel, name), *([_flag(panel, name)] if name in recipe.flags else [_changes(panel, name)]))
        own = next((each for each in checks if each is not None), None)
        if own is None and name in recipe.prices:
            own = _tells(panel, recipe, name, seed)
        if own is not None:
            found.append(own)
    return tuple(found)


def without_leaks(recipe: FeatureRecipe, findings: Sequence[Finding]) -> FeatureRecipe:
    """Return a recipe in which the past alone is read of the columns that were found."""
    found = {each.column for each in findings}
    lagged = tuple(name for name in (*recipe.flags, *recipe.prices) if name in found)
    flags, prices = (tuple(name for name in names if name not in found) for names in (recipe.flags, recipe.prices))
    return replace(recipe, flags=flags, prices=prices, lagged=(*recipe.lagged, *lagged))


def _given(panel: Panel, name: str) -> Finding | None:
    seen = panel.presence.get(name)
    if seen is None or seen.idle < _LEAST_IDLE or not seen.sold or not _varies(panel.known[name]):
        return None
    if seen.idle_given > _FEW * seen.idle or seen.sold_given < _NEARLY_ALL * seen.sold:
        return None
    return _finding(
        name,
        "computed",
        f"has a value in {seen.sold_given:,} of {seen.sold:,} periods with demand, and in {seen.idle_given:,} of {seen.idle:,}"
        " without: it was made of the period's own sales, or is not recorded without any",
    )


def _changes(panel: Panel, name: str) -> Finding | None:
    values, target = panel.known[name][:, : panel.periods], panel.target
    both = ~np.isnan(values[:, 1:]) & ~np.isnan(values[:, :-1])
    changed = both & (values[:, 1:] != values[:, :-1])
    sold, idle = both & (target[:, 1:] > 0), both & (target[:, 1:] == 0)
    if idle.sum() < _LEAST_IDLE or not sold.any():
        return None
    in_sold, in_idle = float(changed[sold].mean()), float(changed[idle].mean())
    if in_idle > _FEW or in_sold < _CHANGES_OFTEN:
        return None
    return _finding(
        name,
        "computed",
        f"changes in {in_sold:.0%} of the periods with demand and in {in_idle:.1%} of those without: it is made of the period's"
        " own sales",
    )


def _flag(panel: Panel, name: str) -> Finding | None:
    values, target = panel.known[name][:, : panel.periods], panel.target
    both = ~np.isnan(values) & ~np.isnan(target)
    sold = target[both] > 0
    if not _LEAST_IDLE <= sold.sum() <= len(sold) - _LEAST_IDLE or np.mean((values[both] == 1) == sold) < _NEARLY_ALL:
        return None
    return _finding(name, "predicts_alone", "is 1 where there is demand and 0 where there is none: it says what is forecast")


def _tells(panel: Panel, recipe: FeatureRecipe, name: str, seed: int) -> Finding | None:
    points = _points(panel, recipe, seed)
    found = features(panel, replace(recipe, scaled=True), points)
    demand, level = actual(panel, points), found[LEVEL]
    good = np.flatnonzero((level > 0) & ~np.isnan(demand))
    if len(good) < 4 * _LEAST_IDLE or not _as_varied(panel, name, points):
        return None
    points, demand, level = points.take(good), demand[good], level[good]
    own = {key: values[good] for key, values in found.items() if not _of_plan(key, recipe)}
    before, around = _around(panel, name, points, level)
    y = np.minimum(demand / level, np.quantile(demand / level, 0.99))
    past = np.column_stack([*own.values(), *before])
    without, with_it = _unexplained(past, y, seed), _unexplained(np.column_stack([past, *around]), y, seed)
    if with_it > _UNEXPLAINED or with_it > _OF_ITS_LAGS * without:
        return None
    return _finding(
        name,
        "predicts_alone",
        f"tells the demand of the period: {with_it:.1%} of its variance is left unexplained, and {without:.0%} by the past of the"
        " demand and of the column: no plan could have known it",
    )


def _finding(column: str, kind: Kind, evidence: str) -> Finding:
    return Finding(column, kind, evidence, None, None)


def _points(panel: Panel, recipe: FeatureRecipe, seed: int) -> Points:
    """Rows of a horizon beyond one: what lies one period before the target is then beyond the origin too."""
    points = training_points(panel, replace(recipe, horizon=max(recipe.horizon, 2)), most=2 * _ROWS, seed=seed)
    return points.take(np.flatnonzero(points.horizon > 1)[:_ROWS])


def _as_varied(panel: Panel, name: str, points: Points) -> bool:
    """Whether a column has about as many values in a series as its demand: a list price or a promotion has a few."""
    demand, values = actual(panel, points), _value(panel, name, points.series, points.target)
    return _distinct(points.series, values) >= _distinct(points.series, demand) / 2


def _distinct(series: Rows, values: Array) -> int:
    return len(np.unique(np.column_stack([series, values]), axis=0))


def _of_plan(name: str, recipe: FeatureRecipe) -> bool:
    ends = ("", "_change", RUN, LEFT)
    return name.startswith("season_flags") or any(name == own + end for own in (*recipe.flags, *recipe.prices) for end in ends)


def _around(panel: Panel, name: str, points: Points, level: Array) -> tuple[list[Array], list[Array]]:
    """The column before the origin, and in the periods before, at and after the target; both over the level too."""
    back = [_value(panel, name, points.series, points.origin - step) for step in range(1, _USUAL + 1)]
    stacked = np.column_stack(back)
    counts = (~np.isnan(stacked)).sum(axis=1)
    with np.errstate(all="ignore"):
        usual = np.where(counts > 0, np.nansum(stacked, axis=1) / counts, np.nan)
    before = [back[0], usual, back[0] / level]
    around = [_value(panel, name, points.series, points.target + step) for step in (-1, 0, 1)]
    return before, [*around, *(each / level for each in around)]


def _value(panel: Panel, name: str, series: Rows, place: Rows) -> Array:
    values = panel.known[name]
    inside = (place >= 0) & (place < values.shape[1])
    return np.where(inside, values[series, np.where(inside, place, 0)], np.nan)


def _unexplained(x: Array, y: Array, seed: int) -> float:
    """Share of the variance that trees leave unexplained: learned on either half of the rows, judged on the other."""
    half = np.random.default_rng(seed).random(len(y)) < 0.5
    errors = 0.0
    for train, test in _halves(half):
        model = HistGradientBoostingRegressor(max_iter=60, max_leaf_nodes=16, random_state=seed).fit(x[train], y[train])
        errors += float(((model.predict(x[test]) - y[test]) ** 2).sum())
    spread = float(((y - y.mean()) ** 2).sum())
    return errors / spread if spread > 0 else 1.0


def _halves(half: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    yield half, ~half
    yield ~half, half


def _varies(values: Array) -> bool:
    """Whether a column differs from period to period within some series."""
    both = ~np.isnan(values[:, 1:]) & ~np.isnan(values[:, :-1])
    return bool((both & (values[:, 1:] != values[:, :-1])).any())
