"""Rolling-origin evaluation: what each candidate would have forecast at each origin, and what would have been chosen there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tabtrail.config.forecast import Risk
from tabtrail.forecast.local.models import (
    BASELINES,
    COMBINATION,
    Candidate,
    Guess,
    Outcome,
    Refusal,
    forecast_origins,
    guarded,
    list_candidates,
)

Array = NDArray[np.float64]
FIRST_ORIGIN = 6
MIN_PAIRS = 8
ENOUGH_SEASONS = 1.5


@dataclass(frozen=True)
class Trial:
    """A candidate at every origin: forecasts and growth [origins, horizon], NaN where it refused; `last` is at the end."""

    candidate: Candidate
    forecasts: Array
    growth: Array
    last: Outcome
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True)
class Trials:
    """All candidates over the origins of one series [n].

    `origins` are numbers of values seen, ascending; `outer` is the place in them of the first that scores the procedure as a
    whole; `actual` [origins, horizon] has NaN after the end; `scale` is the mean absolute change from period to period.
    """

    y: Array
    season: int
    origins: tuple[int, ...]
    outer: int
    actual: Array
    by_name: dict[str, Trial]
    scale: float

    @property
    def horizon(self) -> int:
        return int(self.actual.shape[1])

    def errors(self, name: str) -> Array:
        """Return actual - forecast [origins, horizon], NaN where either is not known."""
        return self.actual - self.by_name[name].forecasts

    def known(self, at: int) -> NDArray[np.bool_]:
        """Return which of the cells [origins, horizon] lie wholly before an origin, given as its number of values."""
        ends = np.array(self.origins)[:, None] + np.arange(1, self.horizon + 1)[None, :]
        known: NDArray[np.bool_] = ends <= at
        return known


@dataclass(frozen=True)
class Pick:
    """The candidate chosen with what was known at an origin, the default, and by how much it was better (share of its error)."""

    name: str
    default: str
    gain: float
    gain_error: float
    origins: int


def run_trials(y: Array, risk: Risk, steps: int, season: int) -> Trials:
    """Let every candidate forecast from every origin and from the end of the series (`steps` periods)."""
    n = len(y)
    horizon = max(1, min(steps, n // 4))
    first = min(FIRST_ORIGIN, max(1, n // 2))
    origins = tuple(range(first, n))[-risk.max_origins :]
    enough = n >= ENOUGH_SEASONS * season
    outer_from = max(season + 1 if enough else 0, origins[len(origins) // 3]) if origins else 0
    actual = np.full((len(origins), horizon), np.nan)
    for place, origin in enumerate(origins):
        ahead = y[origin : origin + horizon]
        actual[place, : len(ahead)] = ahead
    trials = {each.name: _trial(each, y, origins, horizon, steps, season, risk) for each in list_candidates(risk)}
    outer = sum(origin < outer_from for origin in origins)
    scale = float(np.mean(np.abs(np.diff(y)))) if n > 1 else 0.0
    return Trials(y, season, origins, outer, actual, trials, scale)


def _trial(candidate: Candidate, y: Array, origins: Sequence[int], horizon: int, steps: int, season: int, risk: Risk) -> Trial:
    share = risk.intermittent_share
    outcomes = forecast_origins(candidate, y, [*origins, len(y)], max(horizon, steps), season, intermittent_share=share)
    forecasts, growth = np.full((len(origins), horizon), np.nan), np.full((len(origins), horizon), np.nan)
    refusals: list[Refusal] = []
    for place, (origin, outcome) in enumerate(zip(origins, outcomes[:-1], strict=True)):
        checked = guarded(_shortened(outcome, horizon), y[:origin], risk.lower_bound)
        if isinstance(checked, Refusal):
            refusals.append(checked)
        else:
            forecasts[place], growth[place] = checked.mean, checked.growth
    return Trial(candidate, forecasts, growth, guarded(_shortened(outcomes[-1], steps), y, risk.lower_bound), tuple(refusals))


def _shortened(outcome: Outcome, steps: int) -> Outcome:
    return outcome if isinstance(outcome, Refusal) else Guess(outcome.mean[:steps], outcome.growth[:steps])


def default_names(y: Array, intermittent_share: float) -> tuple[str, ...]:
    """Return what is forecast where nothing is shown to be better, in order of preference.

    The average of the historic average and the seasonal naive forecast; for an intermittent series, most of whose values are
    0, the seasonal naive forecast alone, since an average is never near a 0.
    """
    if len(y) and float(np.mean(y == 0)) > intermittent_share:
        return ("seasonal_naive", "average", "naive")
    return (COMBINATION, "average", "naive")


def choose_at(trials: Trials, at: int, risk: Risk, available: Callable[[str], bool]) -> Pick:
    """Return the choice at an origin, from errors of forecasts whose periods all lie before it.

    The default stands unless a candidate's mean absolute error over at least 8 shared origins is lower by more than
    `risk.hurdle` standard errors; a fitted model must be so much better than the best naive baseline too. Forecasts of
    following origins share periods, so that the variance of the mean is taken `horizon` times as large (as for overlapping
    errors that are fully dependent; Diebold and Mariano 1995 sum the autocovariances instead, which cannot be estimated from
    so few). Among those that pass, the largest gain.
    """
    history = trials.y[:at]
    default = next((name for name in default_names(history, risk.intermittent_share) if available(name)), "naive")
    known = trials.known(at)
    base = _losses(trials, default, known)
    best = Pick(default, default, 0.0, 0.0, 0)
    for name in trials.by_name:
        if name == default or not available(name):
            continue
        mean, error, pairs = mean_gain(base, _losses(trials, name, known), trials.horizon)
        if pairs >= MIN_PAIRS and mean > best.gain and mean > risk.hurdle * error and _beats_baselines(trials, name, known, risk):
            best = Pick(name, default, mean, error, pairs)
    return best


def _beats_baselines(trials: Trials, name: str, known: NDArray[np.bool_], risk: Risk) -> bool:
    if trials.by_name[name].candidate.family == "baseline":
        return True
    losses = _losses(trials, name, known)
    gains = [mean_gain(_losses(trials, each, known), losses, trials.horizon) for each in BASELINES]
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


@dataclass(frozen=True)
class Outer:
    """The procedure as a whole, scored at origins that it knew nothing after.

    `picks` are the choices at the outer origins, `forecasts` and `growth` [outer origins, horizon] theirs.
    """

    picks: tuple[Pick, ...]
    forecasts: Array
    actual: Array


def run_outer(trials: Trials, risk: Risk) -> Outer:
    """Choose at each outer origin with what was known there, and forecast with the choice."""
    places = range(trials.outer, len(trials.origins))
    picks = []
    for place in places:

        def available(name: str, place: int = place) -> bool:
            return not bool(np.isnan(trials.by_name[name].forecasts[place]).any())

        picks.append(choose_at(trials, trials.origins[place], risk, available))
    rows = [trials.by_name[pick.name].forecasts[place] for pick, place in zip(picks, places, strict=True)]
    forecasts = np.array(rows).reshape(len(rows), trials.horizon)
    return Outer(tuple(picks), forecasts, trials.actual[trials.outer :])


def fixed_baselines(trials: Trials) -> dict[str, Array]:
    """Return the forecasts of each baseline at the outer origins, of those that have one at every origin."""
    found = {name: trials.by_name[name].forecasts[trials.outer :] for name in BASELINES}
    return {name: forecasts for name, forecasts in found.items() if not np.isnan(forecasts).any()}
