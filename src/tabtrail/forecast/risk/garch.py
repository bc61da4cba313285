"""GARCH(1,1) models of percent returns, by `arch`. Variances are in percent²."""

import math
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tabtrail.modeling.late_libraries import model_class

Array = NDArray[np.float64]
Distribution = Literal["normal", "t"]
# From here on the long-run variance omega / (1 - alpha - beta) is a division by next to nothing: on the sample's total it would
# make a volatility of 217,614 % a year.
_MAX_PERSISTENCE = 0.999
# Returns that vary less than this share of the largest do so by rounding alone.
_CONSTANT = 1e-9


@dataclass(frozen=True)
class Garch:
    """Estimates of r = mu + e, e = sigma z, sigma² = omega + alpha e² + beta sigma² (Bollerslev 1986), in percent.

    `forecast` [horizon] is the variance of the next returns; `degrees_of_freedom` are those of Student's t.
    """

    distribution: Distribution
    mu: float
    omega: float
    alpha: float
    beta: float
    degrees_of_freedom: float | None
    log_likelihood: float
    bic: float
    forecast: Array

    @property
    def persistence(self) -> float:
        return self.alpha + self.beta

    @property
    def long_run_variance(self) -> float:
        """The unconditional variance omega / (1 - alpha - beta), percent²."""
        return self.omega / (1 - self.persistence)


@dataclass(frozen=True)
class NoGarch:
    """Why there is no model: `too_few`, `constant`, `not_converged`, `not_stationary`, `not_finite`."""

    distribution: Distribution
    kind: str
    reason: str


def fit_garch(returns: Array, distribution: Distribution, horizon: int, min_returns: int) -> Garch | NoGarch:
    """Fit a GARCH(1,1) with constant mean to percent returns [m], and forecast the variance of the next `horizon`.

    Refused: fewer than `min_returns`, returns that do not vary, no convergence, alpha + beta ≥ 0.999 (no long-run variance
    to speak of).
    """
    if len(returns) < min_returns:
        return NoGarch(distribution, "too_few", f"{len(returns)} returns are fewer than {min_returns}")
    scale = float(np.std(returns))
    if scale <= _CONSTANT * max(1.0, float(np.max(np.abs(returns)))):
        return NoGarch(distribution, "constant", "the returns do not vary")
    try:
        with warnings.catch_warnings():
            arch_model = model_class("arch_model")
            warnings.simplefilter("ignore")  # what it warns of is checked below: convergence, finite numbers
            # Fitted at unit variance, so that the optimiser's steps suit returns of any size.
            model = arch_model(returns / scale, mean="Constant", vol="GARCH", p=1, q=1, dist=distribution, rescale=False)
            fitted = model.fit(disp="off", show_warning=False)
            ahead = fitted.forecast(horizon=horizon, reindex=False).variance.to_numpy()[-1]
    except (ValueError, np.linalg.LinAlgError, FloatingPointError) as error:
        return NoGarch(distribution, "not_converged", f"arch: {str(error)[:200]}")
    return _doubtful(fitted, ahead, distribution) or _garch(fitted, ahead, scale, distribution)


def _doubtful(fitted: Any, ahead: Array, distribution: Distribution) -> NoGarch | None:
    """Return why these estimates must not be forecast with, None where they may."""
    if fitted.convergence_flag != 0:
        return NoGarch(distribution, "not_converged", f"the optimiser ended with code {fitted.convergence_flag}")
    persistence = float(fitted.params["alpha[1]"]) + float(fitted.params["beta[1]"])
    if persistence >= _MAX_PERSISTENCE:
        return NoGarch(distribution, "not_stationary", f"alpha + beta is {persistence:.4f}: there is no long-run variance")
    if not np.all(np.isfinite([*fitted.params.to_numpy(), *ahead, *fitted.conditional_volatility])) or np.any(ahead <= 0):
        return NoGarch(distribution, "not_finite", "an estimate is not a finite number")
    return None


def _garch(fitted: Any, ahead: Array, scale: float, distribution: Distribution) -> Garch:
    """Bring the estimates of scaled returns back to those of the returns."""
    values, count = fitted.params, len(fitted.resid)
    # A density of a scaled return is `scale` times that of the return.
    log_likelihood = float(fitted.loglikelihood) - count * math.log(scale)
    return Garch(
        distribution=distribution,
        mu=float(values["mu"]) * scale,
        omega=float(values["omega"]) * scale**2,
        alpha=float(values["alpha[1]"]),
        beta=float(values["beta[1]"]),
        degrees_of_freedom=float(values["nu"]) if distribution == "t" else None,
        log_likelihood=log_likelihood,
        bic=len(values) * math.log(count) - 2 * log_likelihood,
        forecast=np.asarray(ahead, dtype=np.float64) * scale**2,
    )
