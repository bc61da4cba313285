"""What a forecaster is asked and what it answers: a forecast with the growth of its error, or a refusal with its reason."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """Forecast the `steps` periods after the first `origin` values of `y` [n], for each of the origins, ascending.

    Nothing after an origin may be looked at. `season` is the length of a season in periods; a series more than
    `intermittent_share` of whose values are 0 is intermittent, and no model is fitted to it.
    """

    y: Array
    origins: Sequence[int]
    steps: int
    season: int
    intermittent_share: float = 0.5


@dataclass(frozen=True)
class Guess:
    """A forecast [steps]; `growth` [steps] is how much larger its error is expected to be at a step than at the first."""

    mean: Array
    growth: Array


@dataclass(frozen=True)
class Refusal:
    """No forecast, and why: `not_applicable` by its history, `not_converged`, `not_finite`, or `out_of_range`."""

    kind: str
    reason: str


Attempt = Guess | Refusal
Forecast = Callable[[Task], list[Attempt]]


def each_origin(forecast: Callable[[Array, Task], Attempt]) -> Forecast:
    """Make a forecast of one history into one of every origin of a task, each from its own history."""
    return lambda task: [forecast(task.y[:origin], task) for origin in task.origins]


def is_intermittent(y: Array, share: float) -> bool:
    """Tell whether more than a share of the values is 0."""
    return len(y) > 0 and int(np.count_nonzero(y == 0)) / len(y) > share


def refused_as_intermittent(share: float) -> Refusal:
    """Refuse a history with too many empty periods: a smoothed level between 0 and a sale forecasts neither."""
    return Refusal("not_applicable", f"more than {share:.0%} of the periods are empty")


def guarded(attempts: Sequence[Attempt], task: Task, steps: int, lower: float | None) -> list[Attempt]:
    """Return the forecasts of the first `steps` from every origin of a task, not below `lower`; or why one is refused: not
    finite, or outside three times the historic range.

    With lo and hi the smallest and the largest value of the history, the band is [lo - (hi - lo), hi + (hi - lo)]: a drift or
    a trend may go on for as much again as it has come so far, a model that has diverged is far outside.
    """
    checked = list(attempts)
    guesses = {place: attempt for place, attempt in enumerate(attempts) if isinstance(attempt, Guess)}
    if not guesses:
        return checked
    ends = np.array([task.origins[place] for place in guesses])[:, None] - 1
    low, high = np.minimum.accumulate(task.y)[ends], np.maximum.accumulate(task.y)[ends]
    mean, growth = (np.array([getattr(each, name)[:steps] for each in guesses.values()]) for name in ("mean", "growth"))
    finite = np.isfinite(mean).all(axis=1) & np.isfinite(growth).all(axis=1)
    # The forecast of a constant series is right on the edge of its band: rounding must not refuse it.
    slack = 1e-9 * np.maximum(1.0, np.maximum(np.abs(low), np.abs(high)))
    if lower is not None:
        mean = np.where(low < lower, mean, np.maximum(mean, lower))
    outside = (mean > high + (high - low) + slack) | (mean < low - (high - low) - slack)
    for at, place in enumerate(guesses):
        if not finite[at]:
            checked[place] = Refusal("not_finite", "the forecast is not a finite number")
        elif outside[at].any():
            band = f"{mean[at].min():.4g} to {mean[at].max():.4g}, the history is {low[at, 0]:.4g} to {high[at, 0]:.4g}"
            checked[place] = Refusal("out_of_range", f"it forecasts {band}")
        else:
            checked[place] = Guess(mean[at], growth[at])
    return checked
