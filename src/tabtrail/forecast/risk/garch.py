"""Percent returns and their volatility: sample, EWMA, GARCH(1,1) by `arch`. Variances are in percent²."""

import math
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
Distribution = Literal["normal", "t"]
_MAX_PERSISTENCE = 0.999
_BOUNDARY = 1e-6


@dataclass(frozen=True)
class Returns:
    """Returns in percent between following periods [m]; `at` is the index of the later period of each.

    `undefined` counts pairs without a return (a value that is not positive on either side), `gaps` the places where the
    returns are not of following periods.
    """

    log: Array
    simple: Array
    at: NDArray[np.int64]
    undefined: int
    gaps: int


@dataclass(frozen=True)
class Garch:
    """Estimates of r = mu + e, e = sigma z, sigma² = omega + alpha e² + beta sigma² (Bollerslev 1986), in percent.

    `variance` [m] is the fitted one by return, `forecast` [horizon] of the next; `degrees_of_freedom` of Student's t.
    """

    distribution: Distribution
    mu: float
    omega: float
    alpha: float
    beta: float
    degrees_of_freedom: float | None
    log_likelihood: float
    bic: float
    variance: Array
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


def percent_returns(y: Array) -> Returns:
    """Return 100 log(y_t / y_{t-1}) and 100 (y_t / y_{t-1} - 1) of the pairs that are both positive."""
    before, after = y[:-1], y[1:]
    defined = (before > 0) & (after > 0)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        log = 100 * (np.log(after[defined]) - np.log(before[defined]))
        simple = 100 * (after[defined] / before[defined] - 1)
    at = np.flatnonzero(defined) + 1
    finite = np.isfinite(log) & np.isfinite(simple)
    at = at[finite]
    gaps = int(np.sum(np.diff(at) > 1))
    return Returns(log[finite], simple[finite], at.astype(np.int64), len(before) - len(at), gaps)


def ewma_variance(returns: Array, decay: float) -> Array:
    """Return the variance forecast of each return and of the next [m + 1]: s²_{t+1} = decay s²_t + (1 - decay) r²_t.

    Returns are taken less their mean. The first is the sample variance (RiskMetrics technical document 1996, 5.2).
    """
    centred = returns - returns.mean()
    variance = np.empty(len(returns) + 1)
    variance[0] = float(np.var(returns, ddof=1))
    for t, value in enumerate(centred):
        variance[t + 1] = decay * variance[t] + (1 - decay) * value**2
    return variance


def fit_garch(returns: Array, distribution: Distribution, horizon: int, min_returns: int) -> Garch | NoGarch:
    """Fit a GARCH(1,1) with constant mean to percent returns [m], and forecast the variance of the next `horizon`.

    Refused: fewer than `min_returns`, returns that do not vary, no convergence, alpha + beta ≥ 0.999 (no long-run variance
    to speak of).
    """
    if len(returns) < min_returns:
        return NoGarch(distribution, "too_few", f"{len(returns)} returns are fewer than {min_returns}")
    scale = float(np.std(returns))
    if scale <= 1e-9 * max(1.0, float(np.max(np.abs(returns)))):
        return NoGarch(distribution, "constant", "the returns do not vary")
    from arch import arch_model

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Fitted at unit variance, so that the optimiser's steps suit whatever the returns are.
            model = arch_model(returns / scale, mean="Constant", vol="GARCH", p=1, q=1, dist=distribution, rescale=False)
            fitted = model.fit(disp="off", show_warning=False)
            ahead = fitted.forecast(horizon=horizon, reindex=False).variance.to_numpy()[-1]
    except (ValueError, np.linalg.LinAlgError, FloatingPointError) as error:
        return NoGarch(distribution, "not_converged", f"arch: {str(error)[:200]}")
    values = fitted.params
    if fitted.convergence_flag != 0:
        return NoGarch(distribution, "not_converged", f"the optimiser ended with code {fitted.convergence_flag}")
    alpha, beta = float(values["alpha[1]"]), float(values["beta[1]"])
    if alpha + beta >= _MAX_PERSISTENCE:
        return NoGarch(distribution, "not_stationary", f"alpha + beta is {alpha + beta:.4f}: there is no long-run variance")
    variance = np.asarray(fitted.conditional_volatility, dtype=np.float64) ** 2 * scale**2
    estimates = [*values.to_numpy(), *ahead, *variance]
    if not np.all(np.isfinite(estimates)) or np.any(ahead <= 0):
        return NoGarch(distribution, "not_finite", "an estimate is not a finite number")
    # log densities of scaled returns: the Jacobian of the scale is taken out again
    log_likelihood = float(fitted.loglikelihood) - len(returns) * math.log(scale)
    return Garch(
        distribution=distribution,
        mu=float(values["mu"]) * scale,
        omega=float(values["omega"]) * scale**2,
        alpha=alpha,
        beta=beta,
        degrees_of_freedom=float(values["nu"]) if distribution == "t" else None,
        log_likelihood=log_likelihood,
        bic=len(values) * math.log(len(returns)) - 2 * log_likelihood,
        variance=variance,
        forecast=np.asarray(ahead, dtype=np.float64) * scale**2,
    )


def tail(mu: float, variance: float, level: float, degrees_of_freedom: float | None = None) -> tuple[float, float]:
    """Return value at risk and expected shortfall of a return, both as positive losses in its unit.

    Normal: -mu + s z, -mu + s φ(z) / (1 - level). Student's t scaled to unit variance: McNeil, Frey and Embrechts,
    Quantitative Risk Management (2nd ed.), example 2.15.
    """
    spread = math.sqrt(variance)
    if degrees_of_freedom is None:
        z = float(stats.norm.ppf(level))
        return -mu + spread * z, -mu + spread * float(stats.norm.pdf(z)) / (1 - level)
    nu = degrees_of_freedom
    z = float(stats.t.ppf(level, nu))
    unit = math.sqrt((nu - 2) / nu)
    beyond = float(stats.t.pdf(z, nu)) / (1 - level) * (nu + z**2) / (nu - 1)
    return -mu + spread * unit * z, -mu + spread * unit * beyond


def historical_tail(returns: Array, level: float) -> tuple[float, float]:
    """Return value at risk (the empirical quantile, linearly interpolated) and the mean loss at or beyond it."""
    quantile = float(np.quantile(returns, 1 - level))
    return -quantile, -float(returns[returns <= quantile].mean())
