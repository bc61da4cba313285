"""The risk of a series: returns, volatility, what the next period could lose, and how far to trust it."""

import math

import numpy as np
from numpy.typing import NDArray

from tabtrail.config.forecast import Risk
from tabtrail.forecast.result import GarchPart, Grade, ReturnsPart, RiskPart, TailPart, VolatilityPart
from tabtrail.forecast.risk.garch import Garch, NoGarch, fit_garch
from tabtrail.forecast.risk.returns import Returns, ewma_variance, historical_tail, percent_returns, tail
from tabtrail.forecast.risk.violations import MIN_GARCH, backtests
from tabtrail.forecast.series import PERIOD_NAMES, PERIODS_A_YEAR, Series
from tabtrail.modeling.metrics import rounded

Array = NDArray[np.float64]
# The standard error of a volatility from six returns is a third of it, 1 / sqrt(2 (m - 1)): fewer say nothing.
_MIN_SAMPLE = 6
# Percent returns that vary less do so by rounding alone.
_CONSTANT = 1e-9
# The author of `arch` advises 500 observations and more for a GARCH model; below half of that its parameters are hardly
# determined.
_LIMITED, _USABLE = MIN_GARCH, 500
_ZEROS = (
    "a period without sales has no return before or after it; such returns are left out and not invented,"
    " and the models pass over the gap as if the returns around it followed each other"
)


def analyse_risk(series: Series, risk: Risk, horizon: int) -> RiskPart:
    """Return the risk of a series from its percent returns; refused with a reason where they are too few."""
    returns = percent_returns(series.values)
    r = returns.log if risk.returns == "log" else returns.simple
    part = _returns(series, returns, risk)
    period = PERIOD_NAMES[series.frequency]
    if len(r) < _MIN_SAMPLE or float(np.std(r)) <= _CONSTANT:
        few = len(r) < _MIN_SAMPLE
        reason = f"{len(r)} returns are fewer than {_MIN_SAMPLE}" if few else "the returns do not vary"
        kind = "too_few" if few else "constant"
        return RiskPart(
            status="refused",
            kind=kind,
            reason=reason,
            grade="refused",
            returns=part,
            method=None,
            volatility=[],
            garch=[],
            tails=[],
            backtests=[],
        )
    fits = [fit_garch(r, distribution, horizon, risk.min_returns) for distribution in ("normal", "t")]
    good = sorted((fit for fit in fits if isinstance(fit, Garch)), key=lambda fit: fit.bic)
    grade, reason = _grade(len(r), period, bool(good), fits)
    method = f"garch_{good[0].distribution}" if good else "ewma"
    year = PERIODS_A_YEAR[series.frequency]
    return RiskPart(
        status="ok",
        kind=None,
        reason=reason,
        grade=grade,
        returns=part,
        method=method,
        volatility=_volatility(r, risk, good, year),
        garch=[_garch(fit, year) for fit in fits],
        tails=_tails(r, risk, good),
        backtests=backtests(r, risk),
    )


def _returns(series: Series, returns: Returns, risk: Risk) -> ReturnsPart:
    periods = series.periods
    return ReturnsPart(
        kind=risk.returns,
        periods=[periods[index].isoformat() for index in returns.at],
        log=[rounded(float(value)) for value in returns.log],
        simple=[rounded(float(value)) for value in returns.simple],
        undefined=returns.undefined,
        gaps=returns.gaps,
        note=_ZEROS if returns.undefined else "every return is defined",
    )


def _grade(count: int, period: str, fitted: bool, fits: list[Garch | NoGarch]) -> tuple[Grade, str]:
    held = f"{count} returns by {period}"
    if not fitted:
        why = next(fit.reason for fit in fits if isinstance(fit, NoGarch))
        return "indicative", f"{held}: no GARCH model ({why}); the volatility is that of the EWMA"
    if count < _LIMITED:
        return "indicative", f"{held}, where GARCH models ask for {_USABLE} and more: read the figures as an order of magnitude"
    if count < _USABLE:
        return "limited", f"{held}, where GARCH models ask for {_USABLE} and more"
    return "usable", f"{held}"


def _volatility(r: Array, risk: Risk, good: list[Garch], year: int) -> list[VolatilityPart]:
    found = {"sample": math.sqrt(float(np.var(r, ddof=1))), "ewma": math.sqrt(float(ewma_variance(r, risk.ewma_decay)[-1]))}
    found |= {f"garch_{fit.distribution}": math.sqrt(float(fit.forecast[0])) for fit in good}
    return [
        VolatilityPart.model_validate(
            {"method": method, "next_period": rounded(value), "annualised": rounded(value * math.sqrt(year))}
        )
        for method, value in found.items()
    ]


def _garch(fit: Garch | NoGarch, year: int) -> GarchPart:
    if isinstance(fit, NoGarch):
        return GarchPart(distribution=fit.distribution, status="refused", kind=fit.kind, reason=fit.reason)
    long_run = math.sqrt(fit.long_run_variance)
    return GarchPart(
        distribution=fit.distribution,
        status="ok",
        mu=rounded(fit.mu),
        omega=rounded(fit.omega),
        alpha=rounded(fit.alpha),
        beta=rounded(fit.beta),
        degrees_of_freedom=None if fit.degrees_of_freedom is None else rounded(fit.degrees_of_freedom),
        persistence=rounded(fit.persistence),
        stationary=fit.persistence < 1,
        long_run_volatility=rounded(long_run),
        annualised_volatility=rounded(long_run * math.sqrt(year)),
        log_likelihood=rounded(fit.log_likelihood),
        bic=rounded(fit.bic),
        variance_forecast=[rounded(float(value)) for value in fit.forecast],
    )


def _tails(r: Array, risk: Risk, good: list[Garch]) -> list[TailPart]:
    mean = float(r.mean())
    ewma, sample = float(ewma_variance(r, risk.ewma_decay)[-1]), float(np.var(r, ddof=1))
    found: list[TailPart] = []
    for level in sorted(risk.var_levels):
        pairs = {
            "historical": historical_tail(r, level),
            "sample": tail(mean, sample, level),
            "ewma": tail(mean, ewma, level),
        }
        pairs |= {
            f"garch_{fit.distribution}": tail(fit.mu, float(fit.forecast[0]), level, fit.degrees_of_freedom) for fit in good
        }
        found += [_tail(method, level, pair, risk) for method, pair in pairs.items()]
    return found


def _tail(method: str, level: float, pair: tuple[float, float], risk: Risk) -> TailPart:
    loss, shortfall = (_loss(value, risk) for value in pair)
    figures = {
        "value_at_risk": pair[0],
        "expected_shortfall": pair[1],
        "loss": loss,
        "shortfall_loss": shortfall,
    }
    return TailPart.model_validate({"method": method, "level": level, **{name: rounded(v) for name, v in figures.items()}})


def _loss(value: float, risk: Risk) -> float:
    """Return the loss in percent of this period's value: a log return of -v is a fall by 1 - exp(-v); 100 is all of it."""
    # exp(700) is about the largest double, and JSON has no infinity.
    loss = 100 * -math.expm1(-max(value, -700.0 * 100) / 100) if risk.returns == "log" else value
    return min(max(loss, -1e12), 100.0)
