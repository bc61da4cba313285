"""The forecast of one series: evaluated, chosen, guarded, with intervals whose coverage was measured."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tabtrail.config.forecast import Risk
from tabtrail.forecast.local.accuracy import measure
from tabtrail.forecast.local.conformal import half_widths, measure_coverage
from tabtrail.forecast.local.models import BASELINES, Guess, Refusal
from tabtrail.forecast.local.origins import (
    ENOUGH_SEASONS,
    MIN_PAIRS,
    Outer,
    Pick,
    Trial,
    Trials,
    choose_at,
    fixed_baselines,
    mean_gain,
    mean_loss,
    run_outer,
    run_trials,
)
from tabtrail.forecast.local.series import PERIOD_NAMES, SEASONS, Series
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
from tabtrail.modeling.metrics import rounded

Array = NDArray[np.float64]
MIN_LENGTH = 6

# What is said of a measured forecast: errors of this share of a baseline's and more, and so many outcomes short of a level.
_CLEARLY, _ENOUGH, _SHORT = 1.1, 20, 0.1


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
    if n < MIN_LENGTH:
        return Condition("too_short", f"{n} {period}s are fewer than {MIN_LENGTH}; there is no forecast")
    if np.all(y == 0):
        return Condition("all_zero", f"every {period} is 0")
    if np.all(y == y[0]):
        return Condition("constant", f"every {period} has the same value")
    if np.sum(y != 0) == 1:
        return Condition("single_spike", f"one {period} alone is not 0")
    if n < ENOUGH_SEASONS * season:
        return Condition("short", f"{n} {period}s are fewer than one and a half seasons of {season}")
    return Condition("ok", f"{n} {period}s, {int(np.sum(y == 0))} of them 0")


def forecast_series(series: Series, risk: Risk, steps: int) -> Forecast:
    """Return the forecast of `steps` periods, with the evaluation that it was chosen by. The series has 6 values or more."""
    trials = run_trials(series.values, risk, steps, SEASONS[series.frequency])
    outer = run_outer(trials, risk)
    pick, fallbacks = _choose(trials, risk)
    return Forecast(
        candidates=[_candidate(trials, each) for each in trials.by_name.values()],
        choice=_choice(pick, fallbacks),
        outer=_outer(trials, outer),
        sarima=_against_baseline(trials, risk),
        forecast=_forecast(series, trials, outer, pick.name, fallbacks, risk, steps),
    )


def _choose(trials: Trials, risk: Risk) -> tuple[Pick, list[FallbackPart]]:
    """Return the choice at the end of the series; what would have been chosen and refused is passed over, and said."""
    refused: list[FallbackPart] = []
    passed: set[str] = set()
    while True:
        pick = choose_at(trials, len(trials.y), risk, lambda name: name not in passed)
        last = trials.by_name[pick.name].last
        if isinstance(last, Guess):
            return pick, refused
        passed.add(pick.name)
        refused.append(FallbackPart(candidate=pick.name, kind=last.kind, reason=last.reason))


def _choice(pick: Pick, fallbacks: list[FallbackPart]) -> ChoicePart:
    if pick.name == pick.default:
        reason = f"no candidate was better than {pick.default} by more than the hurdle over {MIN_PAIRS} origins or more"
    else:
        reason = f"its mean absolute error is lower than that of {pick.default} by {pick.gain:.4g} ± {pick.gain_error:.2g}"
    return ChoicePart(
        name=pick.name,
        default=pick.default,
        reason=reason,
        gain=_round(pick.gain),
        gain_error=_round(pick.gain_error),
        origins=pick.origins,
        fallbacks=fallbacks,
    )


def _candidate(trials: Trials, trial: Trial) -> CandidatePart:
    part = trial.forecasts[trials.outer :]
    refused = int(np.sum(np.isnan(part).any(axis=1)))
    reason = trial.last.reason if isinstance(trial.last, Refusal) else trial.refusals[-1].reason if refused else None
    return CandidatePart.model_validate(
        {
            "name": trial.candidate.name,
            "family": trial.candidate.family,
            "origins": int(np.sum(~np.isnan(part).any(axis=1))),
            "refused": refused,
            "reason": reason,
            "accuracy": measure(trials.actual[trials.outer :], part, trials.scale),
        }
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


def _against_baseline(trials: Trials, risk: Risk) -> SarimaPart:
    """Compare on the outer origins; a SARIMA beats the baseline when its gain is more than the hurdle's standard errors."""
    losses = {name: mean_loss(np.abs(trials.errors(name)[trials.outer :])) for name in trials.by_name}
    fitted = [
        name
        for name, trial in trials.by_name.items()
        if trial.candidate.family == "sarima" and np.sum(~np.isnan(losses[name])) >= 2 and isinstance(trial.last, Guess)
    ]
    complete = [name for name in BASELINES if not np.isnan(losses[name]).any()]
    if not fitted or not complete:
        reasons = [
            trial.last.reason for trial in trials.by_name.values() if isinstance(trial.last, Refusal) and trial.candidate.sarima
        ]
        return SarimaPart(
            verdict="not_evaluated",
            sarima=None,
            baseline=None,
            improvement=None,
            improvement_error=None,
            origins=0,
            origins_better=None,
            reason=f"no SARIMA could be compared: {reasons[0] if reasons else 'none has forecasts at two origins'}",
        )
    # Each has origins of its own: the one whose error is the smallest share of the baseline's on the same origins, of those
    # with enough origins where there are any.
    base = min(complete, key=lambda name: float(np.mean(losses[name])))
    fitted = [name for name in fitted if np.sum(~np.isnan(losses[name])) >= MIN_PAIRS] or fitted
    sarima = min(fitted, key=lambda name: _ratio(losses[name], losses[base]))
    shared = ~np.isnan(losses[sarima])
    base = min(complete, key=lambda name: float(np.mean(losses[name][shared])))
    gain, error, origins = mean_gain(losses[base], losses[sarima], trials.horizon)
    level = float(np.mean(losses[base][shared]))
    improvement = gain / level if level > 0 else None
    relative_error = error / level if level > 0 else None
    if origins < MIN_PAIRS:
        verdict, reason = "not_told_apart", f"{origins} shared origins are fewer than {MIN_PAIRS}"
    elif gain <= 0:
        verdict, reason = "not_better", "its mean absolute error is not lower"
    elif gain <= risk.hurdle * error:
        verdict, reason = "not_told_apart", f"the gain is within {risk.hurdle:g} standard errors"
    else:
        verdict, reason = "better", f"the gain is more than {risk.hurdle:g} standard errors"
    return SarimaPart.model_validate(
        {
            "verdict": verdict,
            "sarima": sarima,
            "baseline": base,
            "improvement": _round(improvement),
            "improvement_error": _round(relative_error),
            "origins": origins,
            "origins_better": _round(float(np.mean(losses[sarima][shared] < losses[base][shared]))),
            "reason": reason,
        }
    )


def _ratio(losses: Array, base: Array) -> float:
    shared = ~np.isnan(losses)
    level = float(np.mean(base[shared]))
    return float(np.mean(losses[shared])) / level if level > 0 else float("inf")


def _forecast(
    series: Series, trials: Trials, outer: Outer, name: str, fallbacks: list[FallbackPart], risk: Risk, steps: int
) -> ForecastPart:
    last = trials.by_name[name].last
    assert isinstance(last, Guess)  # noqa: S101 - what refuses is not chosen
    flags = [f"{each.candidate} was passed over: {each.reason}" for each in fallbacks]
    if risk.lower_bound is not None and float(series.values.min()) < risk.lower_bound:
        flags.append(f"the history has values below {risk.lower_bound:g}, so that this bound is not kept")
    if steps > trials.horizon:
        flags.append(f"errors were measured up to step {trials.horizon}; beyond it, nothing was")
    intervals = []
    for level in sorted(risk.interval_levels):
        half = half_widths(trials, name, last.growth, len(trials.y), level)
        if half is None or not np.all(np.isfinite(half)):
            flags.append(f"there are too few errors for an interval at {level:.0%}")
            continue
        coverage = measure_coverage(trials, outer, level)
        intervals.append(
            IntervalPart(
                level=level,
                lower=_list(_bounded(last.mean - half, series, risk)),
                upper=_list(last.mean + half),
                coverage=_round(coverage.held / coverage.points) if coverage.points else None,
                coverage_points=coverage.points,
                coverage_held=coverage.held,
            )
        )
    flags += _doubts(trials, outer, intervals)
    return ForecastPart(
        model=name,
        steps=steps,
        periods=[each.isoformat() for each in series.after(steps)],
        mean=_list(last.mean),
        intervals=intervals,
        flags=flags,
    )


def _doubts(trials: Trials, outer: Outer, intervals: Sequence[IntervalPart]) -> Iterator[str]:
    """Yield what speaks against a forecast that was measured: a baseline that erred less, narrow intervals, empty periods."""
    part = _outer(trials, outer)
    best = part.baselines.get(part.best_baseline or "")
    if part.chosen.mase is not None and best and best.mase is not None and part.chosen.mase > _CLEARLY * best.mase:
        yield f"{part.best_baseline} erred less at these origins: MASE {best.mase:.2f} against {part.chosen.mase:.2f}"
    for each in intervals:
        if each.coverage is not None and each.coverage_points >= _ENOUGH and each.coverage < each.level - _SHORT:
            yield f"{each.level:.0%} intervals held only {each.coverage:.0%} of {each.coverage_points} outcomes: too narrow"
    if part.chosen.points and not np.any(outer.actual[np.isfinite(outer.actual)]):
        yield "every outcome at these origins is 0: no forecast of a period with sales was tested"


def _bounded(lower: Array, series: Series, risk: Risk) -> Array:
    keeps = risk.lower_bound is not None and float(series.values.min()) >= risk.lower_bound
    return np.maximum(lower, risk.lower_bound) if keeps and risk.lower_bound is not None else lower


def _round(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else rounded(value)


def _list(values: Array) -> list[float]:
    return [rounded(float(value)) for value in values]
