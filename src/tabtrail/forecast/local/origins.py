"""Rolling-origin evaluation: what each forecaster would have forecast at each origin (Tashman 2000)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tabtrail.config.forecast import Risk
from tabtrail.forecast.local.attempt import Attempt, Refusal, Task, guarded
from tabtrail.forecast.local.forecasters import Forecaster, list_forecasters

Array = NDArray[np.float64]
# Half a year of months is the least from which a mean or a drift says anything; a shorter series starts at its middle.
_FIRST_ORIGIN = 6
# Errors are measured up to a quarter of the series ahead: every step then has origins enough that its outcome is known for.
_HORIZON_SHARE = 4
# What is computed in a pass looks further back than what is fitted at each origin; a year and a half of days, 6 days apart.
_CHEAP_ORIGINS = 48
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

    `origins` are numbers of values seen, ascending, each `stride` after the one before; `outer` is the place in them of the first
    that scores the procedure as a whole; `actual` [origins, horizon] has NaN after the end; `scale` is the mean absolute change
    from period to period.
    """

    y: Array
    season: int
    origins: tuple[int, ...]
    stride: int
    outer: int
    actual: Array
    by_name: dict[str, Trial]
    scale: float

    @property
    def horizon(self) -> int:
        return int(self.actual.shape[1])

    @property
    def overlap(self) -> int:
        """How many forecasts of following origins share a period."""
        return -(-self.horizon // self.stride)

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
    # As far apart as keeps their number and has them reach back: a month of days says little about a day of next month.
    stride = max(1, min(horizon, (n - first) // risk.max_origins))
    origins = tuple(range(n - stride, first - 1, -stride))[: max(risk.max_origins, _CHEAP_ORIGINS)][::-1]
    recent = origins[-risk.max_origins :]
    # A season and a value are seen before the first outer origin: the seasonal naive forecast is among the choices.
    seasonal = season + 1 if n >= ENOUGH_SEASONS * season else 0
    outer_from = max(seasonal, recent[len(recent) // _CHOOSING_SHARE]) if recent else 0
    trial = _Trying(Task(y, [*origins, n], max(horizon, steps), season, risk.intermittent_share), horizon, steps, risk)
    return Trials(
        y=y,
        season=season,
        origins=origins,
        stride=stride,
        outer=sum(origin < outer_from for origin in origins),
        actual=_outcomes(y, origins, horizon),
        by_name={each.name: trial(each) for each in list_forecasters(risk)},
        scale=float(np.mean(np.abs(np.diff(y)))) if n > 1 else 0.0,
    )


def _outcomes(y: Array, origins: Sequence[int], horizon: int) -> Array:
    actual = np.full((len(origins), horizon), np.nan)
    for place, origin in enumerate(origins):
        ahead = y[origin : origin + horizon]
        actual[place, : len(ahead)] = ahead
    return actual


@dataclass(frozen=True)
class _Trying:
    """What every forecaster is tried at. One that is fitted forecasts from the latest `max_origins` alone: it takes time."""

    task: Task
    horizon: int
    steps: int
    risk: Risk

    def __call__(self, forecaster: Forecaster) -> Trial:
        late = self.task.origins if forecaster.cheap else self.task.origins[-self.risk.max_origins - 1 :]
        tried = replace(self.task, origins=late)
        *attempts, last = forecaster.forecast(tried)
        shape = len(self.task.origins) - 1, self.horizon
        forecasts, growth = np.full(shape, np.nan), np.full(shape, np.nan)
        refusals: list[Refusal] = []
        lower = self.risk.lower_bound
        for place, checked in enumerate(guarded(attempts, tried, self.horizon, lower), shape[0] - len(attempts)):
            if isinstance(checked, Refusal):
                refusals.append(checked)
            else:
                forecasts[place], growth[place] = checked.mean, checked.growth
        at_end = guarded([last], replace(self.task, origins=late[-1:]), self.steps, lower)[0]
        return Trial(forecaster, forecasts, growth, at_end, tuple(refusals))
