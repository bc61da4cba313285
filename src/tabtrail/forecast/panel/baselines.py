"""Forecasts that nothing is fitted for. Each takes the panel up to an origin and the plan, and returns [series, horizon]."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tabtrail.bundle.demand.features import Array, FeatureRecipe
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.rows import Points, features
from tabtrail.forecast.panel.smoothing import exponential_smoothing, theta, tsb

Baseline = Callable[[Panel, FeatureRecipe], Array]
"""`panel` ends at the origin; the recipe says horizon, flags and season."""


def naive(panel: Panel, recipe: FeatureRecipe) -> Array:
    """The latest known value."""
    return _repeated(_latest(panel.target), recipe)


def seasonal_naive(panel: Panel, recipe: FeatureRecipe) -> Array:
    """The latest known value at the same place in the season."""
    return _or_level(_feature(panel, recipe, "season_1"), panel, recipe)


def mean_of_season(panel: Panel, recipe: FeatureRecipe) -> Array:
    """The mean of the latest season."""
    return _mean(panel, recipe, recipe.calendar.season)


def mean_of_four_seasons(panel: Panel, recipe: FeatureRecipe) -> Array:
    """The mean of the four latest seasons: 28 days."""
    return _mean(panel, recipe, 4 * recipe.calendar.season)


def median(panel: Panel, recipe: FeatureRecipe) -> Array:
    """The median of all that is known of a series."""
    known = ~np.isnan(panel.target)
    found = np.zeros(panel.count)
    some = known.any(axis=1)
    found[some] = np.nanmedian(panel.target[some], axis=1)
    return _repeated(found, recipe)


def season_median(panel: Panel, recipe: FeatureRecipe) -> Array:
    """The median of the latest values at the same place in the season: of the same weekday over eight weeks."""
    season = recipe.calendar.season
    places = panel.periods - season + np.arange(season)[:, None] - season * np.arange(recipe.seasons)[None, :]
    past = np.where(places >= 0, panel.target[:, np.maximum(places, 0)], np.nan)
    some = ~np.isnan(past).all(axis=2)
    found = np.full(some.shape, np.nan)
    found[some] = np.nanmedian(past[some], axis=1)
    return _or_level(found[:, np.arange(recipe.horizon) % season], panel, recipe)


def same_flags_mean(panel: Panel, recipe: FeatureRecipe) -> Array:
    """The mean of the latest periods at the same place in the season with the same flags (weekday and promotion)."""
    name = f"season_flags_mean_{recipe.matches}" if recipe.flags else f"season_mean_{recipe.seasons}"
    return _or_level(_feature(panel, recipe, name), panel, recipe)


def _feature(panel: Panel, recipe: FeatureRecipe, name: str) -> Array:
    points = Points.at(panel, panel.periods - 1, range(1, recipe.horizon + 1))
    return features(panel, replace(recipe, scaled=False), points)[name].reshape(panel.count, recipe.horizon)


def _or_level(values: Array, panel: Panel, recipe: FeatureRecipe) -> Array:
    """Values, and the mean of four seasons where there are none; 0 where nothing is known."""
    return np.where(np.isnan(values), mean_of_four_seasons(panel, recipe), values)


def _mean(panel: Panel, recipe: FeatureRecipe, width: int) -> Array:
    past = panel.target[:, -width:]
    known = ~np.isnan(past)
    counts = known.sum(axis=1)
    means = np.where(known, past, 0.0).sum(axis=1) / np.maximum(counts, 1)
    return _repeated(np.where(counts > 0, means, _latest(panel.target)), recipe)


def _latest(target: Array) -> Array:
    """The latest known value of each series; 0 where none is."""
    known = ~np.isnan(target)
    place = target.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    return np.where(known.any(axis=1), target[np.arange(len(target)), place], 0.0)


def _repeated(values: Array, recipe: FeatureRecipe) -> Array:
    return np.repeat(values[:, None], recipe.horizon, axis=1)


BASELINES: dict[str, Baseline] = {
    "Naive": naive,
    "SeasonalNaive": seasonal_naive,
    "MeanOfSeason": mean_of_season,
    "MeanOfFourSeasons": mean_of_four_seasons,
    "Median": median,
    "SeasonMedian": season_median,
    "SameFlagsMean": same_flags_mean,
    "Smoothing": exponential_smoothing,
    "Theta": theta,
    "TSB": tsb,
}
