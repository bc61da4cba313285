"""Forecasts in closed form: Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 5.2, their errors 5.5."""

import numpy as np
from numpy.typing import NDArray

from tabtrail.forecast.local.attempt import Attempt, Guess, Refusal, Task

Array = NDArray[np.float64]
# A season of days is a week, of months and weeks a year.
_WEEK, _YEAR_OF_WEEKS = 7, 364


def naive(y: Array, task: Task) -> Attempt:
    """Forecast the last value."""
    if not len(y):
        return _no_history()
    return Guess(np.full(task.steps, y[-1]), np.sqrt(_ahead(task)))


def seasonal_naive(y: Array, task: Task) -> Attempt:
    """Forecast the value of the same period of the last season."""
    if not len(y):
        return _no_history()
    if len(y) < task.season:
        return Refusal("not_applicable", f"a season is {task.season} periods long, the history {len(y)}")
    return Guess(_last_season(y, task), np.sqrt(np.ceil(_ahead(task) / task.season)))


def average(y: Array, task: Task) -> Attempt:
    """Forecast the mean of the history."""
    if not len(y):
        return _no_history()
    return Guess(np.full(task.steps, y.mean()), np.ones(task.steps))


def drift(y: Array, task: Task) -> Attempt:
    """Forecast the line through the first and the last value."""
    n, ahead = len(y), _ahead(task)
    if n == 0:
        return _no_history()
    if n < 2:
        return Refusal("not_applicable", "a drift needs 2 values")
    growth = np.sqrt(ahead * (1 + ahead / (n - 1)))
    return Guess(y[-1] + ahead * (y[-1] - y[0]) / (n - 1), growth / growth[0])


def combination(y: Array, task: Task) -> Attempt:
    """Forecast the mean of the last year's average and `seasonal_naive`, or the average alone where there is no season yet."""
    if not len(y):
        return _no_history()
    mean = np.full(task.steps, y[-max(task.season, _YEAR_OF_WEEKS if task.season == _WEEK else 0) :].mean())
    return Guess(mean if len(y) < task.season else (mean + _last_season(y, task)) / 2, np.ones(task.steps))


def _no_history() -> Refusal:
    return Refusal("not_applicable", "there is no history")


def _ahead(task: Task) -> Array:
    return np.arange(1, task.steps + 1, dtype=np.float64)


def _last_season(y: Array, task: Task) -> Array:
    return y[len(y) - task.season + np.arange(task.steps) % task.season]
