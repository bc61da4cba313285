"""Rolling-origin evaluation: what each forecaster would have forecast at each origin (Tashman 2000)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tabtrail.config.forecast import Risk
from tabtrail.forecast.local.attempt import Attempt, Guess, Refusal, Task, guarded
from tabtrail.forecast.local.forecasters import Forecaster, list_forecasters

Array = NDArray[np.float64]
# Half a year of months is the least from which a mean or a drift says anything; a shorter series starts at its middle.
_FIRST_ORIGIN = 6
# Errors are measured up to a quarter of the series ahead: every step then has origins enough that its outcome is known for.
_HORIZON_SHARE = 4
# The first third of the origins is for choosing alone. What is left scores the procedure, choice included.
_CHOOSING_SHARE = 3
# From one and a half seasons on the seasonal naive forecast has half a season of outcomes, and can be compared.
ENOUGH_SEASONS = 1.5


@dataclass(frozen=True)
class Trial:
    """A forecaster at every origin: forecasts and growth [origins, horizon], NaN where it refused; `last` is at the end."""

    forecaster: Forecaster
    forecasts: Array
    growth: Array
    last: Attempt
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True)
class Trials:
    """All forecasters over the origins of one series [n].

    `origins` are numbers of values seen, ascending; `outer` is the place in them of the first that scores the procedure as a
    whole; `actual` [origins, horizon] has NaN after the end; `scale` is the mean absolute change from period to period.
    """

    y: Array
    origins: tuple[int, ...]
    outer: int
    actual: Array
    by_name: dict[str, Trial]
    scale: float

    @property
    def horizon(self) -> int:
        return int(self.actual.shape[1])

    @property
    def baselines(self) -> tuple[str, ...]:
        """The names of the forecasters that are baselines, in order of preference."""
        return tuple(name for name, trial in self.by_name.items() if trial.forecaster.family == "baseline")

    def errors(self, name: str) -> Array:
        """Return actual - forecast [origins, horizon], NaN where either is not known."""
        return self.actual - self.by_name[name].forecasts

    def known(self, at: int) -> NDArray[np.bool_]:
        """Return which of the cells [origins, horizon] lie wholly before an origin, given as its number of values."""
        ends = np.array(self.origins)[:, None] + np.arange(1, self.horizon + 1)[None, :]
        known: NDArray[np.bool_] = ends <= at
        return known


def run_trials(y: Array, risk: Risk, steps: int, season: int) -> Trials:
    """Let every forecaster forecast from every origin and from the end of the series (`steps` periods)."""
    n = len(y)
    horizon = max(1, min(steps, n // _HORIZON_SHARE))
    first = min(_FIRST_ORIGIN, max(1, n // 2))
    origins = tuple(range(first, n))[-risk.max_origins :]
    # A season and a value are seen before the first outer origin: the seasonal naive forecast is among the choices.
    seasonal = season + 1 if n >= ENOUGH_SEASONS * season else 0
    outer_from = max(seasonal, origins[len(origins) // _CHOOSING_SHARE]) if origins else 0
    task = Task(y, [*origins, n], max(horizon, steps), season, risk.intermittent_share)
    return Trials(
        y=y,
        origins=origins,
        outer=sum(origin < outer_from for origin in origins),
        actual=_outcomes(y, origins, horizon),
        by_name={each.name: _trial(each, task, horizon, steps, risk.lower_bound) for each in list_forecasters(risk)},
        scale=float(np.mean(np.abs(np.diff(y)))) if n > 1 else 0.0,
    )


def _outcomes(y: Array, origins: Sequence[int], horizon: int) -> Array:
    actual = np.full((len(origins), horizon), np.nan)
    for place, origin in enumerate(origins):
        ahead = y[origin : origin + horizon]
        actual[place, : len(ahead)] = ahead
    return actual


def _trial(forecaster: Forecaster, task: Task, horizon: int, steps: int, lower: float | None) -> Trial:
    *attempts, last = forecaster.forecast(task)
    forecasts, growth = np.full((len(attempts), horizon), np.nan), np.full((len(attempts), horizon), np.nan)
    refusals: list[Refusal] = []
    for place, (origin, attempt) in enumerate(zip(task.origins, attempts, strict=False)):
        checked = guarded(_shortened(attempt, horizon), task.y[:origin], lower)
        if isinstance(checked, Refusal):
            refusals.append(checked)
        else:
            forecasts[place], growth[place] = checked.mean, checked.growth
    return Trial(forecaster, forecasts, growth, guarded(_shortened(last, steps), task.y, lower), tuple(refusals))


def _shortened(attempt: Attempt, steps: int) -> Attempt:
    return attempt if isinstance(attempt, Refusal) else Guess(attempt.mean[:steps], attempt.growth[:steps])
