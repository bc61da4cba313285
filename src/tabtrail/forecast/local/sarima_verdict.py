"""Whether SARIMA is worth its trouble: the best one against the best naive baseline, on the origins that both have."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tabtrail.forecast.local.attempt import Guess, Refusal
from tabtrail.forecast.local.choice import MIN_PAIRS, mean_gain, mean_loss
from tabtrail.forecast.local.origins import Trials
from tabtrail.forecast.result import SarimaPart, Verdict
from tabtrail.modeling.metrics import rounded

Array = NDArray[np.float64]
Losses = dict[str, Array]


@dataclass(frozen=True)
class _Contest:
    """By how much the SARIMA's mean absolute error is lower than the baseline's, `level`, and the standard error of that."""

    gain: float
    error: float
    level: float
    origins: int


def sarima_verdict(trials: Trials, hurdle: float) -> SarimaPart:
    """Compare on the outer origins; a SARIMA beats the baseline when its gain is more than `hurdle` standard errors."""
    losses = {name: mean_loss(np.abs(trials.errors(name)[trials.outer :])) for name in trials.by_name}
    complete = [name for name in trials.baselines if not np.isnan(losses[name]).any()]
    sarima = _best_sarima(trials, losses, complete)
    if sarima is None:
        return _not_evaluated(trials)
    shared = ~np.isnan(losses[sarima])
    base = min(complete, key=lambda name: float(np.mean(losses[name][shared])))
    gain, error, origins = mean_gain(losses[base], losses[sarima], trials.overlap)
    contest = _Contest(gain, error, float(np.mean(losses[base][shared])), origins)
    verdict, reason = _judged(contest, hurdle)
    return SarimaPart(
        verdict=verdict,
        sarima=sarima,
        baseline=base,
        improvement=_share(contest.gain, contest.level),
        improvement_error=_share(contest.error, contest.level),
        origins=origins,
        origins_better=rounded(float(np.mean(losses[sarima][shared] < losses[base][shared]))),
        reason=reason,
    )


def _best_sarima(trials: Trials, losses: Losses, complete: list[str]) -> str | None:
    """Return the SARIMA whose error is the smallest share of the best baseline's, each on the origins that it has.

    Those with fewer origins than a verdict needs are looked at only where no other is left.
    """
    fitted = [
        name
        for name, trial in trials.by_name.items()
        # A mean of one loss has no standard error.
        if trial.forecaster.family == "sarima" and np.sum(~np.isnan(losses[name])) >= 2 and isinstance(trial.last, Guess)
    ]
    if not fitted or not complete:
        return None
    base = min(complete, key=lambda name: float(np.mean(losses[name])))
    enough = [name for name in fitted if np.sum(~np.isnan(losses[name])) >= MIN_PAIRS]
    return min(enough or fitted, key=lambda name: _ratio(losses[name], losses[base]))


def _not_evaluated(trials: Trials) -> SarimaPart:
    reasons = [
        trial.last.reason
        for trial in trials.by_name.values()
        if trial.forecaster.family == "sarima" and isinstance(trial.last, Refusal)
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


def _judged(contest: _Contest, hurdle: float) -> tuple[Verdict, str]:
    if contest.origins < MIN_PAIRS:
        return "not_told_apart", f"{contest.origins} shared origins are fewer than {MIN_PAIRS}"
    if contest.gain <= 0:
        return "not_better", "its mean absolute error is not lower"
    if contest.gain <= hurdle * contest.error:
        return "not_told_apart", f"the gain is within {hurdle:g} standard errors"
    return "better", f"the gain is more than {hurdle:g} standard errors"


def _ratio(losses: Array, base: Array) -> float:
    shared = ~np.isnan(losses)
    level = float(np.mean(base[shared]))
    return float(np.mean(losses[shared])) / level if level > 0 else float("inf")


def _share(value: float, level: float) -> float | None:
    share = value / level if level > 0 else float("nan")
    return rounded(share) if np.isfinite(share) else None
