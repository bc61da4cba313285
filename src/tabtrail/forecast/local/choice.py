"""The choice among the forecasters: at an origin, and at every outer origin, where it scores the procedure as a whole."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tabtrail.config.forecast import Risk
from tabtrail.forecast.local.attempt import is_intermittent
from tabtrail.forecast.local.neighbours import Neighbours
from tabtrail.forecast.local.origins import Trials

Array = NDArray[np.float64]
# A standard error from 8 differences is itself uncertain by a quarter, 1 / sqrt(2 (n - 1)) of it, and from fewer by more.
MIN_PAIRS = 8
# By how many standard errors more a candidate must beat what the neighbours have shown to be good: they are evidence too. Set on
# daily series of shops and on pasta before its last 42 days, where series that left the default for less did worse.
_SHOWN_ERRORS = 2.0


@dataclass(frozen=True)
class Pick:
    """The forecaster chosen with what was known at an origin, and the default.

    `gain` is by how much its mean absolute error is lower than the default's, `gain_error` the standard error of that. `shown` is
    whether the default is what erred least among the neighbours.
    """

    name: str
    default: str
    gain: float
    gain_error: float
    origins: int
    shown: bool = False


@dataclass(frozen=True)
class Outer:
    """The procedure as a whole, scored at origins that it knew nothing after.

    `picks` are the choices at the outer origins, `forecasts` [outer origins, horizon] theirs, `actual` what came.
    """

    picks: tuple[Pick, ...]
    forecasts: Array
    actual: Array


def default_names(y: Array, intermittent_share: float) -> tuple[str, ...]:
    """Return what is forecast where nothing is shown to be better, in order of preference.

    The average of the historic average and the seasonal naive forecast; for an intermittent series, most of whose values are
    0, the seasonal naive forecast alone, since an average is never near a 0.
    """
    if is_intermittent(y, intermittent_share):
        return ("seasonal_naive", "average", "naive")
    return ("combination", "average", "naive")


def choose_at(trials: Trials, at: int, risk: Risk, available: Callable[[str], bool], neighbours: Neighbours) -> Pick:
    """Return the choice at an origin, from errors of forecasts whose periods all lie before it.

    The default is what erred least over the neighbours until then, or else the first of `default_names`. It stands unless a
    candidate's mean absolute error over at least 8 shared origins is lower by more than `risk.hurdle` standard errors, and two
    more where neighbours support it; a fitted model must be so much better than the best naive baseline too. Forecasts of
    following origins share periods, so that the variance of the mean is taken as many times as large as origins share a period
    (as for overlapping errors that are fully dependent; Diebold and Mariano 1995 sum the autocovariances instead, which cannot
    be estimated from so few). Among those that pass, the largest gain.
    """
    shown = next((name for name in neighbours.order(trials.y[:at], len(trials.y) - at) if available(name)), None)
    default = shown or next((name for name in default_names(trials.y[:at], risk.intermittent_share) if available(name)), "naive")
    hurdle = risk.hurdle + (_SHOWN_ERRORS if shown else 0)
    known = trials.known(at)
    base = _losses(trials, default, known)
    best = Pick(default, default, 0.0, 0.0, 0, shown is not None)
    for name in trials.by_name:
        if name == default or not available(name):
            continue
        mean, error, pairs = mean_gain(base, _losses(trials, name, known), trials.overlap)
        if pairs >= MIN_PAIRS and mean > best.gain and mean > hurdle * error and _beats_baselines(trials, name, known, risk):
            best = Pick(name, default, mean, error, pairs, shown is not None)
    return best


def _beats_baselines(trials: Trials, name: str, known: NDArray[np.bool_], risk: Risk) -> bool:
    if trials.by_name[name].forecaster.family == "baseline":
        return True
    losses = _losses(trials, name, known)
    gains = [mean_gain(_losses(trials, each, known), losses, trials.overlap) for each in trials.baselines]
    mean, error, _ = min(gain for gain in gains if gain[2])
    return mean > risk.hurdle * error


def mean_gain(base: Array, other: Array, horizon: int) -> tuple[float, float, int]:
    """Return by how much losses [origins] are lower than the base's in the mean, its standard error, and the shared origins."""
    gains = base - other
    gains = gains[~np.isnan(gains)]
    if len(gains) < 2:
        return (float(gains.mean()) if len(gains) else 0.0), float("inf"), len(gains)
    error = float(gains.std(ddof=1)) * float(np.sqrt(min(horizon, len(gains)) / len(gains)))
    return float(gains.mean()), error, len(gains)


def _losses(trials: Trials, name: str, known: NDArray[np.bool_]) -> Array:
    """Return the mean absolute error of each origin [origins] over its known periods, NaN where there is none."""
    return mean_loss(np.where(known, np.abs(trials.errors(name)), np.nan))


def mean_loss(errors: Array) -> Array:
    """Return the mean over the horizon [origins] of the errors that are known, NaN where none is."""
    count = np.sum(~np.isnan(errors), axis=1)
    total = np.nansum(errors, axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def run_outer(trials: Trials, risk: Risk, neighbours: Neighbours) -> Outer:
    """Choose at each outer origin with what was known there, and forecast with the choice."""
    picks = []
    for place in range(trials.outer, len(trials.origins)):
        complete = {name for name, trial in trials.by_name.items() if not np.isnan(trial.forecasts[place]).any()}
        picks.append(choose_at(trials, trials.origins[place], risk, complete.__contains__, neighbours))
    rows = [trials.by_name[pick.name].forecasts[trials.outer + place] for place, pick in enumerate(picks)]
    forecasts = np.array(rows).reshape(len(rows), trials.horizon)
    return Outer(tuple(picks), forecasts, trials.actual[trials.outer :])


def fixed_baselines(trials: Trials) -> dict[str, Array]:
    """Return the forecasts of each baseline at the outer origins, of those that have one at every origin."""
    found = {name: trials.by_name[name].forecasts[trials.outer :] for name in trials.baselines}
    return {name: forecasts for name, forecasts in found.items() if not np.isnan(forecasts).any()}
