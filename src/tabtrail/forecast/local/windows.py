"""Forecasts from a window of the past: means and medians, of all its periods or of those at the same place in the season."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabtrail.forecast.local.attempt import Attempt, Guess, Refusal, Task, is_intermittent

Array = NDArray[np.float64]
# Eight weeks of days hold eight values of each weekday. Of months and weeks, whose seasons are a year, few data has more than
# three, and what is older says little.
_SHORT_SEASON, _SHORT_SEASONS, _LONG_SEASONS = 7, 8, 3
# The level of a window: four weeks of days, half a year of months or weeks.
_LEVEL_WEEKS = 4


def moving_average(y: Array, task: Task) -> Attempt:
    """Forecast the mean of the latest four weeks of days, or of the latest half year of months or weeks."""
    return _flat(y[-_level_window(task.season) :], task, np.mean)


def season_average(y: Array, task: Task) -> Attempt:
    """Forecast the mean of the latest season."""
    return _flat(y[-task.season :], task, np.mean)


def median(y: Array, task: Task) -> Attempt:
    """Forecast the median of the history; of an intermittent one that would be zero, and it is refused."""
    return _no_sales(y, task) or _flat(y, task, np.median)


def moving_median(y: Array, task: Task) -> Attempt:
    """Forecast the median of the latest eight weeks of days, or three years; refused where that would be zero."""
    past = y[-_seasons(task.season) * task.season :]
    return _no_sales(past, task) or _flat(past, task, np.median)


def seasonal_average(y: Array, task: Task) -> Attempt:
    """Forecast the mean of the values at the same place in the latest seasons: eight weeks of days, three years otherwise."""
    return _at_place(y, task, np.mean)


def seasonal_median(y: Array, task: Task) -> Attempt:
    """Forecast the median of those; refused for an intermittent history."""
    return _no_sales(y, task) or _at_place(y, task, np.median)


def seasonal_combination(y: Array, task: Task) -> Attempt:
    """Forecast the mean of `seasonal_average` and `moving_average`."""
    season, level = seasonal_average(y, task), moving_average(y, task)
    if isinstance(season, Refusal) or isinstance(level, Refusal):
        return season if isinstance(season, Refusal) else level
    return Guess((season.mean + level.mean) / 2, np.ones(task.steps))


def _level_window(season: int) -> int:
    return _LEVEL_WEEKS * season if season <= _SHORT_SEASON else season // 2


def _seasons(season: int) -> int:
    return _SHORT_SEASONS if season <= _SHORT_SEASON else _LONG_SEASONS


def _flat(past: Array, task: Task, of: Callable[..., Any]) -> Attempt:
    if not len(past):
        return Refusal("not_applicable", "there is no history")
    return Guess(np.full(task.steps, float(of(past))), np.ones(task.steps))


def _at_place(y: Array, task: Task, of: Callable[..., Any]) -> Attempt:
    season = task.season
    whole = min(len(y) // season, _seasons(season))
    if whole < 1:
        return Refusal("not_applicable", f"a season is {season} periods long, the history {len(y)}")
    places = of(y[len(y) - whole * season :].reshape(whole, season), axis=0)
    return Guess(places[np.arange(task.steps) % season], np.ones(task.steps))


def _no_sales(y: Array, task: Task) -> Refusal | None:
    if is_intermittent(y, task.intermittent_share):
        return Refusal("not_applicable", "most periods are empty, so that a median would forecast that nothing is ever sold")
    return None
