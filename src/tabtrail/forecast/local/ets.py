"""Exponential smoothing by statsmodels (Hyndman et al., Forecasting with Exponential Smoothing, 2008, chapter 2)."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabtrail.forecast.local.attempt import Attempt, Guess, Refusal, Task, is_intermittent, refused_as_intermittent
from tabtrail.modeling.late_libraries import model_class

Array = NDArray[np.float64]
# As for SARIMA. The sample's segments take 8 at most; what takes 50 has no optimum to speak of.
_MAX_ITERATIONS = 50
# Two values for each parameter: the level and its smoothing are two, the damped trend makes them five.
_MIN_VALUES, _MIN_VALUES_DAMPED = 4, 10
# Statsmodels' heuristic start is a regression on the first ten values.
_MIN_HEURISTIC = 10


def ets(y: Array, task: Task) -> Attempt:
    """Smooth the level, with additive errors."""
    return _smoothed(y, task, _MIN_VALUES)


def ets_damped(y: Array, task: Task) -> Attempt:
    """Smooth the level and a damped additive trend, with additive errors."""
    return _smoothed(y, task, _MIN_VALUES_DAMPED, trend="add", damped_trend=True)


def _smoothed(y: Array, task: Task, needed: int, **trend: Any) -> Attempt:
    scale = float(y.std())
    if len(y) < needed or scale == 0:
        return Refusal("not_applicable", f"it needs {needed} values that differ, there are {len(y)}")
    if is_intermittent(y, task.intermittent_share):
        return refused_as_intermittent(task.intermittent_share)
    start = "heuristic" if len(y) >= _MIN_HEURISTIC else "estimated"
    try:
        with warnings.catch_warnings():
            build = model_class("ETSModel")
            warnings.simplefilter("ignore")  # what it warns of is checked below: convergence, finite numbers
            # Fitted at unit variance, so that the optimiser's steps suit series of any size.
            model = build(y / scale, error="add", initialization_method=start, **trend)
            fitted = model.fit(disp=False, maxiter=_MAX_ITERATIONS)
            mean = np.asarray(fitted.forecast(task.steps), dtype=np.float64) * scale
    except (ValueError, np.linalg.LinAlgError, FloatingPointError) as error:
        return Refusal("not_converged", f"statsmodels: {str(error)[:200]}")
    if not fitted.mle_retvals.get("converged", False):
        return Refusal("not_converged", f"no convergence in {_MAX_ITERATIONS} iterations")
    # Of a smoothed level the variance at step h is 1 + (h - 1) alpha² times that of one step (ibid., table 6.1); of a damped
    # trend that is a simplification, which the measured coverage of the intervals judges.
    alpha = float(fitted.smoothing_level)
    return Guess(mean, np.sqrt(1 + np.arange(task.steps) * alpha**2))
