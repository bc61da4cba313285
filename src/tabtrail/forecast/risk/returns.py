"""Percent returns, their EWMA volatility, and what the next one could lose. Variances are in percent²."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]


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
