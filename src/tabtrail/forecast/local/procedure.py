"""The forecast of one series: evaluated, chosen, guarded, with intervals whose coverage was measured."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tabtrail.config.forecast import Risk
from tabtrail.forecast.accuracy import measure
from tabtrail.forecast.local.attempt import Guess, Refusal
from tabtrail.forecast.local.choice import MIN_PAIRS, Outer, Pick, choose_at, fixed_baselines, run_outer
from tabtrail.forecast.local.conformal import half_widths, measure_coverage
from tabtrail.forecast.local.neighbours import ALONE, Neighbours, learn
from tabtrail.forecast.local.origins import ENOUGH_SEASONS, Trial, Trials, run_trials
from tabtrail.forecast.local.sarima_verdict import sarima_verdict
from tabtrail.forecast.result import (
    CandidatePart,
    ChoicePart,
    FallbackPart,
    ForecastPart,
    IntervalPart,
    OuterPart,
    SarimaPart,
    Status,
)
from tabtrail.forecast.series import PERIOD_NAMES, SEASONS, Series
from tabtrail.modeling.metrics import rounded

Array = NDArray[np.float64]
# The least that can be called an evaluation: three values to forecast from, and three outcomes.
_MIN_LENGTH = 6
# A forecast is doubted where its error is a tenth above a baseline's: less is within what these few origins scatter.
_CLEARLY_WORSE = 1.1
# And its intervals, where they held a tenth fewer outcomes than they promise: the standard error of a share of 80 % is 0.09
# over 20 outcomes, so that a smaller gap, or one over fewer outcomes, would be noise.
_SHORTFALL, _MIN_OUTCOMES = 0.1, 20


@dataclass(frozen=True)
class Condition:
    """What a series is fit for."""

    status: Status
    reason: str


@dataclass(frozen=True)
class Forecast:
    """The parts of a segment's result that are about its forecast."""

    candidates: list[CandidatePart]
    choice: ChoicePart
    outer: OuterPart
    sarima: SarimaPart
    forecast: ForecastPart


def diagnose(series: Series) -> Condition:
    """Return whether a series is long and varied enough, and if not, what it is."""
    y, period = series.values, PERIOD_NAMES[series.frequency]
    n, season = len(y), SEASONS[series.frequency]
    if n < _MIN_LENGTH:
        return Condition("too_short", f"{n} {period}s are fewer than {_MIN_LENGTH}; there is no forecast")
    if np.all(y == 0):
        return Condition("all_zero", f"every {period} is 0")
    if np.all(y == y[0]):
        return Condition("constant", f"every {period} has the same value")
    if np.sum(y != 0) == 1:
        return Condition("single_spike", f"one {period} alone is not 0")
    if n < ENOUGH_SEASONS * season:
        return Condition("short", f"{n} {period}s are fewer than one and a half seasons of {season}")
    return Condition("ok", f"{n} {period}s, {int(np.sum(y == 0))} of them 0")


def forecast_series(series: Series, risk: Risk, steps: int, neighbours: Neighbours = ALONE) -> Forecast:
    """Return the forecast of `steps` periods, with the evaluation that it was chosen by. The series has 6 values or more."""
    trials = run_trials(series.values, risk, steps, SEASONS[series.frequency])
    neighbours = neighbours if neighbours.series else learn([trials], risk.intermittent_share)
    outer = run_outer(trials, risk, neighbours)
    pick, fallbacks = _choose(trials, risk, neighbours)
    evaluation = _outer(trials, outer)
    intervals, missing = _intervals(trials, outer, pick.name, risk)
    flags = [
        *(f"{each.candidate} was passed over: {each.reason}" for each in fallbacks),
        *_limits(series, trials, risk, steps),
        *missing,
        *_doubts(evaluation, outer, intervals),
    ]
    return Forecast(
        candidates=[_candidate(trials, each) for each in trials.by_name.values()],
        choice=_choice(pick, fallbacks, neighbours.series),
        outer=evaluation,
        sarima=sarima_verdict(trials, risk.hurdle),
        forecast=ForecastPart(
            model=pick.name,
            steps=steps,
            periods=[each.isoformat() for each in series.after(steps)],
            mean=_list(_last_guess(trials, pick.name).mean),
            intervals=intervals,
            flags=flags,
        ),
    )


def _choose(trials: Trials, risk: Risk, neighbours: Neighbours) -> tuple[Pick, list[FallbackPart]]:
    """Return the choice at the end of the series, and what was passed over because its last forecast was refused."""
    refused: dict[str, FallbackPart] = {}
    while True:
        pick = choose_at(trials, len(trials.y), risk, lambda name: name not in refused, neighbours)
        last = trials.by_name[pick.name].last
        if isinstance(last, Guess):
            return pick, list(refused.values())
        refused[pick.name] = FallbackPart(candidate=pick.name, kind=last.kind, reason=last.reason)


def _last_guess(trials: Trials, name: str) -> Guess:
    last = trials.by_name[name].last
    assert isinstance(last, Guess)  # noqa: S101 - `_choose` passes over what is refused
    return last


def _choice(pick: Pick, fallbacks: list[FallbackPart], series: int) -> ChoicePart:
    of = f"{series} series" if series > 1 else "the series"
    why = f"{pick.default} erred least over the past of {of}; " if pick.shown else ""
    if pick.name == pick.default:
        reason = f"{why}no candidate was better than {pick.default} by more than the hurdle over {MIN_PAIRS} origins or more"
    else:
        reason = why + f"its mean absolute error is lower than that of {pick.default} by {pick.gain:.4g} ± {pick.gain_error:.2g}"
    return ChoicePart(
        name=pick.name,
        default=pick.default,
        reason=reason,
        gain=_finite(pick.gain),
        gain_error=_finite(pick.gain_error),
        origins=pick.origins,
        neighbours=series if pick.shown else 0,
        fallbacks=fallbacks,
    )


def _candidate(trials: Trials, trial: Trial) -> CandidatePart:
    part = trial.forecasts[trials.outer :]
    refused = int(np.sum(np.isnan(part).any(axis=1)))
    reason = trial.last.reason if isinstance(trial.last, Refusal) else trial.refusals[-1].reason if refused else None
    return CandidatePart(
        name=trial.forecaster.name,
        family=trial.forecaster.family,
        origins=len(part) - refused,
        refused=refused,
        reason=reason,
        accuracy=measure(trials.actual[trials.outer :], part, trials.scale),
    )


def _outer(trials: Trials, outer: Outer) -> OuterPart:
    baselines = {name: measure(outer.actual, each, trials.scale) for name, each in fixed_baselines(trials).items()}
    return OuterPart(
        origins=len(outer.picks),
        horizon=trials.horizon,
        chosen=measure(outer.actual, outer.forecasts, trials.scale),
        baselines=baselines,
        best_baseline=min(baselines, key=lambda name: baselines[name].mae or 0.0) if baselines else None,
        picked=dict(Counter(pick.name for pick in outer.picks).most_common()),
    )


def _limits(series: Series, trials: Trials, risk: Risk, steps: int) -> Iterator[str]:
    """Yield which promises do not hold for this series: the lower bound, errors measured at every step."""
    if risk.lower_bound is not None and float(series.values.min()) < risk.lower_bound:
        yield f"the history has values below {risk.lower_bound:g}, so that this bound is not kept"
    if steps > trials.horizon:
        yield f"errors were measured up to step {trials.horizon}; beyond it, nothing was"


def _intervals(trials: Trials, outer: Outer, name: str, risk: Risk) -> tuple[list[IntervalPart], list[str]]:
    """Return an interval for each level, and a flag for each level that has too few errors for one."""
    last, intervals, missing = _last_guess(trials, name), [], []
    for level in sorted(risk.interval_levels):
        half, coverage = half_widths(trials, name, last.growth, len(trials.y), level), measure_coverage(trials, outer, level)
        if half is None or not np.all(np.isfinite(half)):
            missing.append(f"there are too few errors for an interval at {level:.0%}")
            continue
        half = half * coverage.widening
        intervals.append(
            IntervalPart(
                level=level,
                lower=_list(_bounded(last.mean - half, trials.y, risk.lower_bound)),
                upper=_list(last.mean + half),
                coverage=_finite(coverage.held / coverage.points) if coverage.points else None,
                coverage_points=coverage.points,
                coverage_held=coverage.held,
            )
        )
    return intervals, missing


def _doubts(part: OuterPart, outer: Outer, intervals: Sequence[IntervalPart]) -> Iterator[str]:
    """Yield what speaks against a forecast that was measured: a baseline that erred less, narrow intervals, empty periods."""
    best = part.baselines.get(part.best_baseline or "")
    if part.chosen.mase is not None and best and best.mase is not None and part.chosen.mase > _CLEARLY_WORSE * best.mase:
        yield f"{part.best_baseline} erred less at these origins: MASE {best.mase:.2f} against {part.chosen.mase:.2f}"
    for each in intervals:
        if each.coverage is not None and each.coverage_points >= _MIN_OUTCOMES and each.coverage < each.level - _SHORTFALL:
            yield f"{each.level:.0%} intervals held only {each.coverage:.0%} of {each.coverage_points} outcomes: too narrow"
    if part.chosen.points and not np.any(outer.actual[np.isfinite(outer.actual)]):
        yield "every outcome at these origins is 0: no forecast of a period with sales was tested"


def _bounded(lower: Array, history: Array, bound: float | None) -> Array:
    """A bound that the history itself breaks is not kept."""
    return lower if bound is None or float(history.min()) < bound else np.maximum(lower, bound)


def _finite(value: float) -> float | None:
    return rounded(value) if np.isfinite(value) else None


def _list(values: Array) -> list[float]:
    return [rounded(float(value)) for value in values]
