"""Exponential smoothing over a grid of parameters, all of them and all origins in one pass over the series.

A recursion that starts at the first value knows nothing after the period that it has come to, so that one pass serves every
origin: at each, the parameters are those whose one-step squared error up to it is the least. An optimiser at each origin costs a
hundred times as much, and forecasts no better from the few dozen values that most segments have.
"""

import numpy as np
from numpy.typing import NDArray

from tabtrail.forecast.local.attempt import Attempt, Guess, Refusal, Task

Array = NDArray[np.float64]
_LEVELS = np.array([0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 0.95])
# Pairs of parameters: of a level and a season; of a sale's size and the chance of one.
_SEASONAL = np.array([(level, season) for level in (0.02, 0.05, 0.1, 0.2, 0.3, 0.5) for season in (0.0, 0.05, 0.1, 0.2, 0.4)])
_SPARSE = np.array([(size, chance) for size in (0.02, 0.05, 0.1, 0.2, 0.3) for chance in (0.01, 0.02, 0.05, 0.1, 0.2)])
# Two values for each place in a season are the least that tell a pattern from noise.
_SEASONS = 2
# Theta's test for a season: its autocorrelation against that of noise, at 10 % (Assimakopoulos and Nikolopoulos 2000).
_SIGNIFICANT = 1.645


def theta(task: Task) -> list[Attempt]:
    """Forecast by the Theta method: a smoothed level with half the trend, and the season where the history shows one.

    Assimakopoulos and Nikolopoulos 2000 in the form of Hyndman and Billah 2003: simple exponential smoothing with a drift of half
    the least-squares slope. The season is additive: the means of its places.
    """
    longest = max(task.origins, default=0)
    seasons = [_season(task.y[:origin], task.season) for origin in task.origins]
    places = np.arange(longest + task.steps) % task.season
    rows = np.array([task.y[:longest] - season[places[:longest]] for season in seasons]).reshape(len(seasons), longest)
    found: list[Attempt] = []
    for row, season, origin, (level, alpha) in zip(rows, seasons, task.origins, _levels(rows, task.origins), strict=True):
        ahead = season[places[origin : origin + task.steps]]
        found.append(_theta(row[:origin], level, alpha, ahead) if origin else _refused("there is no history"))
    return found


def _theta(y: Array, level: float, alpha: float, season: Array) -> Guess:
    n, ahead = len(y), np.arange(1, len(season) + 1, dtype=np.float64)
    at = np.arange(n) - (n - 1) / 2
    drift = float(at @ y / (at @ at)) / 2 if n > 1 else 0.0
    mean = level + drift * (ahead - 1 + (1 - (1 - alpha) ** n) / alpha) + season
    return Guess(mean, np.sqrt(1 + (ahead - 1) * alpha**2))


def _levels(rows: Array, origins: object) -> list[tuple[float, float]]:
    """Smooth each row [origins, n] up to its origin; return its last level and the parameter with the least squared error."""
    ends = np.asarray(origins)
    level = np.repeat(rows[:, :1], len(_LEVELS), axis=1) if rows.shape[1] else np.zeros((len(rows), len(_LEVELS)))
    squares = np.zeros_like(level)
    for t in range(1, rows.shape[1]):
        first = int(np.searchsorted(ends, t, side="right"))  # origins ascend: rows before have come to their end
        error = rows[first:, t, None] - level[first:]
        squares[first:] += error**2
        level[first:] += _LEVELS * error
    best = squares.argmin(axis=1)
    return [(float(level[row, at]), float(_LEVELS[at])) for row, at in enumerate(best)]


def _season(y: Array, season: int) -> Array:
    """Return the additive season [season], 0 where the history is shorter than two or its autocorrelation is that of noise."""
    n, none = len(y), np.zeros(season)
    if n < _SEASONS * season + 1:
        return none
    centred = y - y.mean()
    total = float(centred @ centred)
    if total == 0:
        return none
    lags = np.array([centred[lag:] @ centred[:-lag] for lag in range(1, season + 1)]) / total
    if abs(lags[-1]) <= _SIGNIFICANT * np.sqrt((1 + 2 * float(lags[:-1] @ lags[:-1])) / n):
        return none
    places = np.arange(n) % season
    return np.bincount(places, centred, season) / np.bincount(places, minlength=season)


def seasonal_smoothing(task: Task) -> list[Attempt]:
    """Smooth a level and an additive season, ETS(A, N, A): Hyndman et al., Forecasting with Exponential Smoothing, 2008, 2.5.

    The first season is the start: its mean the level, what its places differ from it the season.
    """
    m, y = task.season, task.y
    if len(y) <= m:
        return [_refused(f"it needs more than a season of {m} periods")] * len(task.origins)
    alpha, gamma = _SEASONAL.T
    level = np.full(len(alpha), y[:m].mean())
    season = np.repeat((y[:m] - y[:m].mean())[:, None], len(alpha), axis=1)
    squares, found, wanted = np.zeros(len(alpha)), {}, set(task.origins)
    for t in range(m, len(y) + 1):
        if t in wanted:
            best = int(squares.argmin())
            places = np.arange(t, t + task.steps) % m
            steps = np.arange(task.steps)
            # Ibid., table 6.1: of each step alpha² of the variance, at whole seasons gamma beside it.
            growth = np.sqrt(1 + np.cumsum((alpha[best] + gamma[best] * (steps % m == 0)) ** 2 * (steps > 0)))
            found[t] = Guess(level[best] + season[places, best], growth)
        if t < len(y):
            error = y[t] - level - season[t % m]
            squares += error**2
            level = level + alpha * error
            season[t % m] += gamma * error
    short = _refused(f"it needs more than a season of {m} periods")
    return [found[origin] if origin > m else short for origin in task.origins]


def tsb(task: Task) -> list[Attempt]:
    """Smooth the chance of a sale and its size, for series with empty periods: Teunter, Syntetos and Babai 2011."""
    return _sparse(task, croston=False)


def croston(task: Task) -> list[Attempt]:
    """Smooth the time between sales and their size, with the correction of Syntetos and Boylan 2005: Croston 1972."""
    return _sparse(task, croston=True)


def _sparse(task: Task, *, croston: bool) -> list[Attempt]:
    y = task.y
    sales, gaps = np.flatnonzero(y), np.flatnonzero(y == 0)
    refused = _refused("it is for a history that has both sales and empty periods")
    if not len(sales) or not len(gaps):
        return [refused] * len(task.origins)
    size_rate, rate = _SPARSE.T
    first = int(sales[0])
    size = np.full(len(rate), float(y[first]))
    # The chance at the first sale, as if it had come after its mean wait; of Croston the wait itself.
    wait, since = np.full(len(rate), first + 1.0), 1.0
    chance = 1 / wait
    squares, found, wanted = np.zeros(len(rate)), {}, set(task.origins)
    for t in range(first + 1, len(y) + 1):
        mean = size / wait * (1 - rate / 2) if croston else chance * size
        if t in wanted:
            best = int(squares.argmin())
            alpha = float(rate[best])
            found[t] = Guess(np.full(task.steps, mean[best]), np.sqrt(1 + np.arange(task.steps) * alpha**2))
        if t == len(y):
            break
        squares += (y[t] - mean) ** 2
        if y[t]:
            size = size + size_rate * (y[t] - size)
            wait, since = wait + rate * (since - wait), 0.0
        chance = chance + rate * (float(y[t] != 0) - chance)
        since += 1
    return [found[origin] if origin > max(first, int(gaps[0])) else refused for origin in task.origins]


def _refused(reason: str) -> Refusal:
    return Refusal("not_applicable", reason)
