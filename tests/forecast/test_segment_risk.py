"""Returns, volatility, value at risk and its backtests: closed forms, the libraries' own figures, simulated truth."""

import math
from datetime import date

import numpy as np
import pytest
from arch import arch_model
from numpy.typing import NDArray
from scipy import stats

from tabtrail.config.forecast import Risk
from tabtrail.forecast.risk.assessment import analyse_risk
from tabtrail.forecast.risk.backtest import backtest, kupiec, kupiec_p, transitions
from tabtrail.forecast.risk.garch import Garch, NoGarch, fit_garch
from tabtrail.forecast.risk.returns import ewma_variance, historical_tail, percent_returns, tail
from tabtrail.forecast.series import Segment, Series

Array = NDArray[np.float64]
RISK = Risk()


def simulated_garch(n: int, seed: int, omega: float = 4.0, alpha: float = 0.1, beta: float = 0.8) -> Array:
    """Returns in percent with a long-run variance of omega / (1 - alpha - beta)."""
    random = np.random.default_rng(seed)
    returns, variance = np.empty(n), omega / (1 - alpha - beta)
    for t in range(n):
        returns[t] = math.sqrt(variance) * random.standard_normal()
        variance = omega + alpha * returns[t] ** 2 + beta * variance
    return returns


def series_of(returns: Array) -> Series:
    return Series(Segment(), date(2000, 1, 1), "D", 100 * np.exp(np.concatenate([[0.0], np.cumsum(returns)]) / 100))


def test_returns_are_percent_and_months_without_sales_have_none() -> None:
    returns = percent_returns(np.array([100.0, 110.0, 0.0, 50.0, 25.0, -5.0, 5.0]))
    assert returns.simple.tolist() == pytest.approx([10.0, -50.0])
    assert returns.log.tolist() == pytest.approx([100 * math.log(1.1), 100 * math.log(0.5)])
    assert returns.at.tolist() == [1, 4]
    assert (returns.undefined, returns.gaps) == (4, 1)


def test_the_ewma_is_its_recursion() -> None:
    r = np.array([1.0, -2.0, 3.0])
    centred, variance = r - r.mean(), [np.var(r, ddof=1)]
    for value in centred:
        variance.append(0.9 * variance[-1] + 0.1 * value**2)
    assert ewma_variance(r, 0.9) == pytest.approx(variance)


@pytest.mark.parametrize("distribution", ["normal", "t"])
def test_the_estimates_are_those_of_arch(distribution: str) -> None:
    r = simulated_garch(600, 1)
    fit = fit_garch(r, distribution, 3, 24)  # type: ignore[arg-type]
    expected = arch_model(r, mean="Constant", p=1, q=1, dist=distribution, rescale=False).fit(disp="off")
    assert isinstance(fit, Garch)
    assert fit.log_likelihood == pytest.approx(expected.loglikelihood, abs=0.01)
    assert (fit.alpha, fit.beta) == pytest.approx((expected.params["alpha[1]"], expected.params["beta[1]"]), abs=0.01)
    assert fit.omega == pytest.approx(expected.params["omega"], rel=0.1)
    assert fit.forecast == pytest.approx(expected.forecast(horizon=3, reindex=False).variance.to_numpy()[-1], rel=0.01)
    assert fit.bic == pytest.approx(expected.bic, abs=0.02)


def test_the_parameters_of_a_simulated_garch_are_recovered() -> None:
    fits = [fit_garch(simulated_garch(3000, seed), "normal", 1, 24) for seed in range(4)]
    good = [fit for fit in fits if isinstance(fit, Garch)]
    assert len(good) == 4
    assert np.mean([fit.alpha for fit in good]) == pytest.approx(0.1, abs=0.03)
    assert np.mean([fit.beta for fit in good]) == pytest.approx(0.8, abs=0.06)
    assert np.mean([fit.long_run_variance for fit in good]) == pytest.approx(40, rel=0.12)


def test_few_constant_or_unstable_returns_are_refused_with_a_reason() -> None:
    few = fit_garch(simulated_garch(23, 1), "normal", 6, 24)
    assert few == NoGarch("normal", "too_few", "23 returns are fewer than 24")
    flat = fit_garch(np.zeros(30), "normal", 6, 24)
    assert isinstance(flat, NoGarch)
    assert flat.kind == "constant"
    growing = simulated_garch(200, 3) * np.linspace(0.05, 6, 200) ** 2
    unstable = fit_garch(growing, "normal", 6, 24)
    assert isinstance(unstable, NoGarch)
    assert unstable.kind in ("not_stationary", "not_converged")


def test_value_at_risk_and_expected_shortfall_are_their_closed_forms() -> None:
    var, shortfall = tail(1.0, 4.0, 0.95)
    assert var == pytest.approx(-1 + 2 * 1.6448536)
    assert shortfall == pytest.approx(-1 + 2 * 2.0627128)
    draws = stats.t.rvs(5, size=2_000_000, random_state=1) * math.sqrt(3 / 5) * 2 + 1
    var_t, shortfall_t = tail(1.0, 4.0, 0.99, 5.0)
    assert var_t == pytest.approx(-np.quantile(draws, 0.01), rel=0.01)
    assert shortfall_t == pytest.approx(-draws[draws <= -var_t].mean(), rel=0.01)
    assert historical_tail(np.arange(-10.0, 11.0), 0.9) == pytest.approx((8.0, 9.0))


def test_a_student_t_with_many_degrees_of_freedom_is_the_normal() -> None:
    assert tail(0.0, 1.0, 0.95, 1e6) == pytest.approx(tail(0.0, 1.0, 0.95), rel=1e-4)


def test_the_kupiec_statistic_is_the_textbooks() -> None:
    x, n, p = 9, 250, 0.01
    expected = -2 * math.log((1 - p) ** (n - x) * p**x) + 2 * math.log((1 - x / n) ** (n - x) * (x / n) ** x)
    assert kupiec(np.array([x]), n, p)[0] == pytest.approx(expected)
    assert kupiec(np.array([0]), n, p)[0] == pytest.approx(-2 * n * math.log(1 - p))
    assert kupiec_p(13, 250, 0.05, 0.5) > 0.5
    assert kupiec_p(40, 250, 0.05, 0.5) < 1e-6


def test_the_independence_statistic_is_that_of_the_transitions() -> None:
    hits = np.array([0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0], dtype=bool)
    assert transitions(hits[None, :])[0].tolist() == [10, 3, 3, 3]
    found = backtest(np.tile(hits, 5), 0.3, np.arange(100.0))
    assert found is not None
    n00, n01, n10, n11 = transitions(np.tile(hits, 5)[None, :])[0]
    before, after, share = n01 / (n00 + n01), n11 / (n10 + n11), (n01 + n11) / (n00 + n01 + n10 + n11)
    held = (n01 + n11) * math.log(share) + (n00 + n10) * math.log(1 - share)
    free = n01 * math.log(before) + n00 * math.log(1 - before) + n11 * math.log(after) + n10 * math.log(1 - after)
    assert found.independence.statistic == pytest.approx(2 * (free - held))
    assert found.conditional.statistic == pytest.approx(found.independence.statistic + found.unconditional.statistic)


@pytest.mark.parametrize(("n", "rate"), [(60, 0.05), (250, 0.05), (250, 0.01)])
def test_a_correct_value_at_risk_is_rejected_in_three_to_seven_percent_of_cases(n: int, rate: float) -> None:
    random = np.random.default_rng([n, int(1000 * rate)])
    draws = [random.random(n) for _ in range(1500)]
    found = [backtest(draw < rate, rate, draw) for draw in draws]
    for test in ("unconditional", "independence", "conditional"):
        rejected = np.mean([getattr(each, test).p <= 0.05 for each in found])
        assert 0.03 <= rejected <= 0.07, (test, rejected)


def test_a_wrong_value_at_risk_and_violations_in_a_row_are_rejected() -> None:
    often = backtest(np.random.default_rng(1).random(250) < 0.15, 0.05, np.arange(250.0))
    assert often is not None
    assert often.unconditional.p < 0.01
    row = np.zeros(250, dtype=bool)
    row[100:112] = True
    clustered = backtest(row, 0.05, np.arange(250.0))
    assert clustered is not None
    assert clustered.independence.p < 0.01
    assert clustered.unconditional.p > 0.5


def test_the_same_violations_have_the_same_p_value_and_too_few_forecasts_have_none() -> None:
    draw = np.random.default_rng(4).random(100)
    assert backtest(draw < 0.05, 0.05, draw) == backtest(draw < 0.05, 0.05, draw.copy())
    assert backtest(draw[:49] < 0.05, 0.05, draw[:49]) is None


def test_a_long_series_of_returns_has_every_part() -> None:
    part = analyse_risk(series_of(simulated_garch(600, 5)), RISK, 6)
    assert (part.status, part.grade) == ("ok", "usable")
    assert part.method in ("garch_normal", "garch_t")
    assert {each.method for each in part.volatility} == {"sample", "ewma", "garch_normal", "garch_t"}
    for each in part.volatility:
        assert each.annualised == pytest.approx(each.next_period * math.sqrt(365), rel=1e-5)
    garch = part.garch[0]
    assert garch.persistence is not None
    assert garch.long_run_volatility == pytest.approx(math.sqrt(40), rel=0.25)
    assert garch.annualised_volatility == pytest.approx((garch.long_run_volatility or 0) * math.sqrt(365), rel=1e-5)
    assert len(garch.variance_forecast) == 6
    assert {(each.method, each.status) for each in part.backtests} == {
        ("sample", "ok"),
        ("ewma", "ok"),
        ("garch_normal", "ok"),
    }


def test_a_log_loss_becomes_a_share_of_the_value() -> None:
    part = analyse_risk(series_of(simulated_garch(300, 6)), RISK, 6)
    for each in part.tails:
        assert each.loss == pytest.approx(100 * (1 - math.exp(-each.value_at_risk / 100)), rel=1e-4)
        assert each.expected_shortfall >= each.value_at_risk
        assert each.loss <= 100


def test_two_years_of_months_are_indicative_at_best_and_fewer_have_no_garch() -> None:
    values = 100 * np.exp(np.cumsum(np.random.default_rng(7).normal(0, 0.3, 28)))
    part = analyse_risk(Series(Segment(), date(2003, 1, 1), "MS", values), RISK, 6)
    assert part.grade == "indicative"
    short = analyse_risk(Series(Segment(), date(2003, 1, 1), "MS", values[:20]), RISK, 6)
    assert [each.kind for each in short.garch] == ["too_few", "too_few"]
    assert short.method == "ewma"
    none = analyse_risk(Series(Segment(), date(2003, 1, 1), "MS", values[:5]), RISK, 6)
    assert (none.status, none.kind, none.tails) == ("refused", "too_few", [])
    assert all(each.status == "refused" for each in part.backtests)
