"""Value at risk tried out on the past: each from the returns before it, against what came."""

import math

import numpy as np
from numpy.typing import NDArray

from tabtrail.config.forecast import Risk
from tabtrail.forecast.result import BacktestPart
from tabtrail.forecast.risk.backtest import MIN_EXPECTED, Test, backtest
from tabtrail.forecast.risk.garch import Garch, fit_garch
from tabtrail.forecast.risk.returns import ewma_variance, tail
from tabtrail.modeling.metrics import rounded

Array = NDArray[np.float64]
# A year of months before the first variance: the standard error of a volatility from 12 returns is a fifth of it.
_WARM_UP = 12
# A GARCH model is fitted to a year of trading days first, the least that its literature works with, and refitted every 100
# returns: its parameters hardly move in between, and a fit for every return would take minutes.
MIN_GARCH = 250
_REFIT_EVERY = 100


def backtests(r: Array, risk: Risk) -> list[BacktestPart]:
    """Return the backtests of one-step value at risk of percent returns [m], by level and method."""
    forecasts = {
        "sample": [float(np.var(r[:t], ddof=1)) for t in range(_WARM_UP, len(r))],
        "ewma": [float(ewma_variance(r[:t], risk.ewma_decay)[-1]) for t in range(_WARM_UP, len(r))],
    }
    if len(r) >= MIN_GARCH:
        forecasts["garch_normal"] = _rolling_garch(r, risk)
    found = []
    for level in sorted(risk.var_levels):
        for method, variances in forecasts.items():
            start = len(r) - len(variances)
            hits = np.array(
                [-r[t] > tail(float(r[:t].mean()), variances[t - start], level)[0] for t in range(start, len(r))], dtype=bool
            )
            found.append(_backtest(method, level, hits, r[start:]))
    return found


def _rolling_garch(r: Array, risk: Risk) -> list[float]:
    """Return one-step variance forecasts from the 250th return on, with the parameters of the last refit before each."""
    variances: list[float] = []
    for start in range(MIN_GARCH, len(r), _REFIT_EVERY):
        fit = fit_garch(r[:start], "normal", 1, risk.min_returns)
        variance = float(fit.forecast[0]) if isinstance(fit, Garch) else float(ewma_variance(r[:start], risk.ewma_decay)[-1])
        for t in range(start, min(start + _REFIT_EVERY, len(r))):
            variances.append(variance)
            if isinstance(fit, Garch):
                variance = fit.omega + fit.alpha * (r[t] - fit.mu) ** 2 + fit.beta * variance
            else:
                variance = float(ewma_variance(r[: t + 1], risk.ewma_decay)[-1])
    return variances


def _backtest(method: str, level: float, hits: NDArray[np.bool_], returns: Array) -> BacktestPart:
    rate = 1 - level
    known = {
        "method": method,
        "level": level,
        "forecasts": len(hits),
        "violations": int(hits.sum()),
        "expected": rounded(len(hits) * rate),
    }
    tests = backtest(hits, rate, returns)
    if tests is None:
        needed = math.ceil(round(MIN_EXPECTED / rate, 6))
        reason = f"{len(hits)} forecasts; {needed} are needed for {MIN_EXPECTED} expected violations"
        return BacktestPart.model_validate({**known, "status": "refused", "reason": reason})
    named: dict[str, Test] = {
        "unconditional": tests.unconditional,
        "independence": tests.independence,
        "conditional": tests.conditional,
    }
    figures = {name: rounded(test.statistic) for name, test in named.items()}
    figures |= {f"{name}_p": rounded(test.p) for name, test in named.items()}
    return BacktestPart.model_validate({**known, "status": "ok", **figures})
