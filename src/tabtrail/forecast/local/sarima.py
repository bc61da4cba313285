"""SARIMA by statsmodels: seasonal ARIMA models of given orders (Box, Jenkins, Reinsel and Ljung, Time Series Analysis, 9)."""

import warnings

import numpy as np
from numpy.typing import NDArray

from tabtrail.config.forecast import SarimaOrder
from tabtrail.forecast.local.attempt import (
    Attempt,
    Forecast,
    Guess,
    Refusal,
    Task,
    is_intermittent,
    refused_as_intermittent,
)
from tabtrail.modeling.late_libraries import model_class

Array = NDArray[np.float64]
# Statsmodels' default. The sample's segments take 7 at most; what takes 50 is too large a model for its history.
_MAX_ITERATIONS = 50
# Values left after differencing: ten at least, and four for each parameter. A rule of thumb: with as many values as parameters
# a model is only just determined, and real series need several times that (Hyndman and Kostenko, Foresight 6, 2007).
_MIN_LEFT, _VALUES_A_PARAMETER = 10, 4
# Matrices grow with the season: a fit takes 0.2 s for 12 months and 5 s for 52 weeks, 25 of them for each model and series.
_LONGEST_SEASON = 12


def sarima_name(order: SarimaOrder) -> str:
    """Return a name such as `sarima(1,0,0)(1,0,0)+c`."""
    seasonal = f"({','.join(map(str, order.seasonal))})" if any(order.seasonal) else ""
    return f"sarima({','.join(map(str, order.order))}){seasonal}{'+c' if order.trend == 'c' else ''}"


def sarima(order: SarimaOrder) -> Forecast:
    """Return the forecast by a model of these orders. The parameters found at an origin start the search at the next."""

    def forecast(task: Task) -> list[Attempt]:
        start: Array | None = None
        attempts: list[Attempt] = []
        for origin in task.origins:
            attempt: Attempt | None = _unsuitable(order, task.y[:origin], task)
            if attempt is None:
                attempt, start = _fitted(order, task.y[:origin], task, start)
            attempts.append(attempt)
        return attempts

    return forecast


def _unsuitable(order: SarimaOrder, y: Array, task: Task) -> Refusal | None:
    """Refuse a model that is too large for the history."""
    seasonal = any(order.seasonal)
    if seasonal and task.season > _LONGEST_SEASON:
        return Refusal("not_applicable", f"seasonal terms over {task.season} periods are not fitted")
    lost = order.order[1] + order.seasonal[1] * task.season
    # The last one is the variance of the errors.
    parameters = order.order[0] + order.order[2] + order.seasonal[0] + order.seasonal[2] + (order.trend == "c") + 1
    needed = lost + max(_MIN_LEFT, _VALUES_A_PARAMETER * parameters)
    if seasonal:
        # A seasonal term learns from pairs of values a season apart: three of them at least.
        needed = max(needed, task.season + 3)
    if len(y) < needed:
        return Refusal("not_applicable", f"it needs {needed} values, the history has {len(y)}")
    if is_intermittent(y, task.intermittent_share):
        return refused_as_intermittent(task.intermittent_share)
    if float(y.std()) == 0:
        return Refusal("not_applicable", "all values are the same")
    return None


def _fitted(order: SarimaOrder, y: Array, task: Task, start: Array | None) -> tuple[Attempt, Array | None]:
    """Return the forecast and the parameters that it was made with."""
    scale = float(y.std())
    seasonal = (*order.seasonal, task.season if any(order.seasonal) else 0)
    try:
        with warnings.catch_warnings():
            build = model_class("SARIMAX")
            warnings.simplefilter("ignore")  # what it warns of is checked below: convergence, finite numbers
            # Fitted at unit variance, so that the optimiser's steps suit series of any size.
            model = build(y / scale, order=order.order, seasonal_order=seasonal, trend=order.trend, concentrate_scale=True)
            fitted = model.fit(disp=False, maxiter=_MAX_ITERATIONS, cov_type="none", start_params=start)
            predicted = fitted.get_forecast(task.steps)
            mean = np.asarray(predicted.predicted_mean, dtype=np.float64) * scale
            variance = np.asarray(predicted.var_pred_mean, dtype=np.float64)
    except (ValueError, np.linalg.LinAlgError, FloatingPointError, IndexError) as error:
        return Refusal("not_converged", f"statsmodels: {str(error)[:200]}"), None
    if not fitted.mle_retvals.get("converged", False):
        return Refusal("not_converged", f"no convergence in {_MAX_ITERATIONS} iterations"), None
    if not variance[0] > 0:
        return Refusal("not_finite", "the model leaves no error"), None
    return Guess(mean, np.sqrt(variance / variance[0])), np.asarray(fitted.params, dtype=np.float64)
