"""The models that forecast: baselines in closed form, exponential smoothing and SARIMA by statsmodels.

Every forecast comes with its growth [steps]: how much larger its error is expected to be at a step than at the first.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tabtrail.config.forecast import Risk, SarimaOrder

Array = NDArray[np.float64]
BASELINES = ("naive", "seasonal_naive", "average", "drift")
COMBINATION = "combination"
_MAX_ITERATIONS = 50
_MIN_ETS, _MIN_ETS_DAMPED = 4, 10
_OBSERVATIONS_A_PARAMETER = 4
_MIN_LEFT = 10
_LONG_SEASON = 12
_EMPTY = "more than {:.0%} of the periods are empty"


@dataclass(frozen=True)
class Guess:
    """A forecast [steps], with the growth of its error by step [steps]."""

    mean: Array
    growth: Array


@dataclass(frozen=True)
class Refusal:
    """No forecast, and why: `not_applicable` by its history, `not_converged`, `not_finite`, or `out_of_range`."""

    kind: str
    reason: str


Outcome = Guess | Refusal


@dataclass(frozen=True)
class Candidate:
    """A model by name; `sarima` has the orders of the one that is a SARIMA."""

    name: str
    family: str
    sarima: SarimaOrder | None = None


def list_candidates(risk: Risk) -> list[Candidate]:
    """Return the candidates in the order in which equally good ones are preferred: the simplest first."""
    simple = [Candidate(name, "baseline") for name in BASELINES]
    return [
        *simple,
        Candidate(COMBINATION, "combination"),
        *(Candidate(name, "ets") for name in risk.models),
        *(Candidate(sarima_name(order), "sarima", order) for order in risk.sarima),
    ]


def sarima_name(order: SarimaOrder) -> str:
    """Return a name such as `sarima(1,0,0)(1,0,0)+c`."""
    seasonal = f"({','.join(map(str, order.seasonal))})" if any(order.seasonal) else ""
    return f"sarima({','.join(map(str, order.order))}){seasonal}{'+c' if order.trend == 'c' else ''}"


def forecast_origins(
    candidate: Candidate, y: Array, origins: Sequence[int], steps: int, season: int, *, intermittent_share: float = 0.5
) -> list[Outcome]:
    """Return the candidate's forecast of `steps` periods from the first `origin` values of `y`, for each origin, ascending.

    Nothing after an origin is looked at. SARIMA parameters of an origin start the search at the next.
    """
    if candidate.family == "sarima":
        return _sarima_origins(candidate, y, origins, steps, season, intermittent_share)
    if candidate.family == "ets":
        return [_smoothing(candidate.name, y[:origin], steps, intermittent_share) for origin in origins]
    return [_baseline(candidate.name, y[:origin], steps, season) for origin in origins]


def guarded(outcome: Outcome, history: Array, lower: float | None) -> Outcome:
    """Return the forecast, not below `lower`, or why it is refused: not finite, or outside three times the historic range.

    With lo and hi the smallest and the largest value of the history, the band is [lo - (hi - lo), hi + (hi - lo)].
    """
    if isinstance(outcome, Refusal):
        return outcome
    if not (np.all(np.isfinite(outcome.mean)) and np.all(np.isfinite(outcome.growth))):
        return Refusal("not_finite", "the forecast is not a finite number")
    low, high = float(history.min()), float(history.max())
    slack = 1e-9 * max(1.0, abs(low), abs(high))
    mean = outcome.mean if lower is None or low < lower else np.maximum(outcome.mean, lower)
    if mean.max() > high + (high - low) + slack or mean.min() < low - (high - low) - slack:
        return Refusal(
            "out_of_range", f"it forecasts {mean.min():.4g} to {mean.max():.4g}, the history is {low:.4g} to {high:.4g}"
        )
    return Guess(mean, outcome.growth)


def _baseline(name: str, y: Array, steps: int, season: int) -> Outcome:
    """The baselines and their combination: Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 5.2, 5.5."""
    n, ahead = len(y), np.arange(1, steps + 1, dtype=np.float64)
    flat = np.ones(steps)
    if n == 0:
        return Refusal("not_applicable", "there is no history")
    if name == "naive":
        return Guess(np.full(steps, y[-1]), np.sqrt(ahead))
    if name == "average":
        return Guess(np.full(steps, y.mean()), flat)
    if name == "drift":
        if n < 2:
            return Refusal("not_applicable", "a drift needs 2 values")
        growth = np.sqrt(ahead * (1 + ahead / (n - 1)))
        return Guess(y[-1] + ahead * (y[-1] - y[0]) / (n - 1), growth / growth[0])
    if name == "seasonal_naive":
        if n < season:
            return Refusal("not_applicable", f"a season is {season} periods long, the history {n}")
        return Guess(_last_season(y, steps, season), np.sqrt(np.ceil(ahead / season)))
    mean = np.full(steps, y.mean())
    return Guess(mean if n < season else (mean + _last_season(y, steps, season)) / 2, flat)


def _last_season(y: Array, steps: int, season: int) -> Array:
    return y[len(y) - season + np.arange(steps) % season]


def _smoothing(name: str, y: Array, steps: int, intermittent_share: float) -> Outcome:
    """Additive exponential smoothing, with a damped trend for `ets_damped` (Hyndman et al. 2008, chapter 2)."""
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    damped = name == "ets_damped"
    needed = _MIN_ETS_DAMPED if damped else _MIN_ETS
    scale = float(y.std())
    if len(y) < needed or scale == 0:
        return Refusal("not_applicable", f"it needs {needed} values that differ, there are {len(y)}")
    if float(np.mean(y == 0)) > intermittent_share:
        return Refusal("not_applicable", _EMPTY.format(intermittent_share))
    # Statsmodels' heuristic start needs 10 values.
    start = "heuristic" if len(y) >= 10 else "estimated"
    trend = {"trend": "add", "damped_trend": True} if damped else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = ETSModel(y / scale, error="add", initialization_method=start, **trend)
            fitted = model.fit(disp=False, maxiter=_MAX_ITERATIONS)
            mean = np.asarray(fitted.forecast(steps), dtype=np.float64) * scale
    except (ValueError, np.linalg.LinAlgError, FloatingPointError) as error:
        return Refusal("not_converged", f"statsmodels: {str(error)[:200]}")
    if not fitted.mle_retvals.get("converged", False):
        return Refusal("not_converged", f"no convergence in {_MAX_ITERATIONS} iterations")
    alpha = float(fitted.smoothing_level)
    return Guess(mean, np.sqrt(1 + np.arange(steps) * alpha**2))


def _sarima_origins(
    candidate: Candidate, y: Array, origins: Sequence[int], steps: int, season: int, intermittent_share: float
) -> list[Outcome]:
    order = candidate.sarima
    assert order is not None  # noqa: S101 - a candidate of this family has one
    start: Array | None = None
    outcomes: list[Outcome] = []
    for origin in origins:
        refusal = _unsuitable(order, y[:origin], season, intermittent_share)
        if refusal is not None:
            outcomes.append(refusal)
            continue
        outcome, start = _fit_sarima(order, y[:origin], steps, season, start)
        outcomes.append(outcome)
    return outcomes


def _unsuitable(order: SarimaOrder, y: Array, season: int, intermittent_share: float) -> Refusal | None:
    """A model small enough for the history: four values a parameter, and ten at least, after differencing."""
    seasonal = any(order.seasonal)
    if seasonal and season > _LONG_SEASON:
        return Refusal("not_applicable", f"seasonal terms over {season} periods are not fitted")
    lost = order.order[1] + order.seasonal[1] * season
    parameters = order.order[0] + order.order[2] + order.seasonal[0] + order.seasonal[2] + (order.trend == "c") + 1
    needed = lost + max(_MIN_LEFT, _OBSERVATIONS_A_PARAMETER * parameters)
    if seasonal:
        needed = max(needed, season + 3)
    if len(y) < needed:
        return Refusal("not_applicable", f"it needs {needed} values, the history has {len(y)}")
    if float(np.mean(y == 0)) > intermittent_share:
        return Refusal("not_applicable", _EMPTY.format(intermittent_share))
    if float(y.std()) == 0:
        return Refusal("not_applicable", "all values are the same")
    return None


def _fit_sarima(order: SarimaOrder, y: Array, steps: int, season: int, start: Array | None) -> tuple[Outcome, Array | None]:
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    scale = float(y.std())
    seasonal = (*order.seasonal, season if any(order.seasonal) else 0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = SARIMAX(y / scale, order=order.order, seasonal_order=seasonal, trend=order.trend, concentrate_scale=True)
            fitted = model.fit(disp=False, maxiter=_MAX_ITERATIONS, cov_type="none", start_params=start)
            predicted = fitted.get_forecast(steps)
            mean = np.asarray(predicted.predicted_mean, dtype=np.float64) * scale
            variance = np.asarray(predicted.var_pred_mean, dtype=np.float64)
    except (ValueError, np.linalg.LinAlgError, FloatingPointError, IndexError) as error:
        return Refusal("not_converged", f"statsmodels: {str(error)[:200]}"), None
    if not fitted.mle_retvals.get("converged", False):
        return Refusal("not_converged", f"no convergence in {_MAX_ITERATIONS} iterations"), None
    if not variance[0] > 0:
        return Refusal("not_finite", "the model leaves no error"), None
    return Guess(mean, np.sqrt(variance / variance[0])), np.asarray(fitted.params, dtype=np.float64)
