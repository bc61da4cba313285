"""The forecasters one by one, the guard around them, and the list that they stand in."""

import os
import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from statsmodels.tsa.statespace.sarimax import SARIMAX
from tests.support.series import monthly, seasonal

from tabtrail.config.forecast import Risk, SarimaOrder
from tabtrail.forecast.local import forecasters
from tabtrail.forecast.local.attempt import Attempt, Guess, Refusal, Task, each_origin, guarded
from tabtrail.forecast.local.forecasters import Forecaster, list_forecasters
from tabtrail.forecast.local.procedure import forecast_series
from tabtrail.forecast.local.sarima import sarima
from tabtrail.forecast.risk.garch import fit_garch

Array = NDArray[np.float64]


def test_the_baselines_are_their_closed_forms() -> None:
    y = np.arange(1.0, 15.0) ** 2
    forecasts = {}
    for each in list_forecasters(Risk(models=(), sarima=())):
        outcome = each.forecast(Task(y, [14], 3, 12))[0]
        assert isinstance(outcome, Guess)
        forecasts[each.name] = outcome.mean.tolist()
    assert forecasts["naive"] == [196.0] * 3
    assert forecasts["seasonal_naive"] == [9.0, 16.0, 25.0]
    assert forecasts["average"] == pytest.approx([y.mean()] * 3)
    assert forecasts["drift"] == pytest.approx([196 + 15, 196 + 30, 196 + 45])
    assert forecasts["combination"] == pytest.approx((y.mean() + np.array([9.0, 16, 25])) / 2)


def test_a_sarima_forecast_is_that_of_statsmodels() -> None:
    y = seasonal(60, 0.2)
    order = SarimaOrder(order=(1, 0, 0), trend="c")
    outcome = sarima(order)(Task(y, [60], 4, 12))[0]
    assert isinstance(outcome, Guess)
    expected = SARIMAX(y / y.std(), order=(1, 0, 0), trend="c").fit(disp=False)
    assert outcome.mean == pytest.approx(expected.forecast(4) * y.std(), rel=1e-3)
    error = expected.get_forecast(4).se_mean
    assert outcome.growth == pytest.approx(error / error[0], rel=1e-3)


def test_a_sarima_too_large_for_the_history_or_for_an_intermittent_one_is_not_fitted() -> None:
    airline = SarimaOrder(order=(0, 1, 1), seasonal=(0, 1, 1))
    outcome = sarima(airline)(Task(seasonal(24), [24], 4, 12))[0]
    assert outcome == Refusal("not_applicable", "it needs 25 values, the history has 24")
    sparse = np.where(np.arange(60) % 3 == 0, seasonal(60), 0.0)
    refused = sarima(SarimaOrder(order=(1, 0, 0)))(Task(sparse, [60], 4, 12))[0]
    assert refused == Refusal("not_applicable", "more than 50% of the periods are empty")


@pytest.mark.parametrize(
    ("forecast", "kind"),
    [
        ([np.nan, 1.0], "not_finite"),
        ([np.inf, 1.0], "not_finite"),
        ([15.0, 30.1], "out_of_range"),
        ([-0.1, 15.0], "out_of_range"),
        ([29.9, 0.1], None),
    ],
)
def test_a_forecast_outside_three_times_the_historic_range_is_refused(forecast: list[float], kind: str | None) -> None:
    outcome = guarded(Guess(np.array(forecast), np.ones(2)), np.array([10.0, 12.0, 20.0]), None)
    assert (outcome.kind if isinstance(outcome, Refusal) else None) == kind


def test_a_forecast_is_not_below_the_lower_bound_unless_the_history_is() -> None:
    guess = Guess(np.array([-1.0, 2.0]), np.ones(2))
    held, free = guarded(guess, np.array([0.0, 5.0]), 0.0), guarded(guess, np.array([-2.0, 5.0]), 0.0)
    assert isinstance(held, Guess)
    assert isinstance(free, Guess)
    assert (held.mean.tolist(), free.mean.tolist()) == ([0.0, 2.0], [-1.0, 2.0])


def test_a_sarima_and_a_smoothing_see_nothing_after_an_origin() -> None:
    y = seasonal(40, 0.3)
    other = np.concatenate([y[:30], np.full(10, 7_000.0)])
    named = {each.name: each for each in list_forecasters(Risk())}
    for name in ("ets", "sarima(1,0,0)+c"):
        (first, *_), (second, *_) = (named[name].forecast(Task(values, [30, 40], 3, 12)) for values in (y, other))
        assert isinstance(first, Guess)
        assert isinstance(second, Guess)
        assert first.mean.tolist() == second.mean.tolist()


def test_a_forecaster_of_ones_own_is_one_function_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def three_up(y: Array, task: Task) -> Attempt:
        return Guess(y[-1] + 3.0 * np.arange(1, task.steps + 1), np.ones(task.steps))

    line = Forecaster("three_up", "lines", each_origin(three_up))
    monkeypatch.setattr(forecasters, "FORECASTERS", (*forecasters.FORECASTERS, line))
    y = 100.0 + np.cumsum(np.tile([2.0, 4.0], 24))
    risk = Risk(models=(), sarima=())
    assert "three_up" not in [each.name for each in forecast_series(monthly(y), risk, 1).candidates]
    found = forecast_series(monthly(y), Risk(models=("three_up",), sarima=()), 1)
    own = next(each for each in found.candidates if each.name == "three_up")
    assert (own.family, own.refused, own.accuracy.mae) == ("lines", 0, 1.0)


def test_fitting_leaves_the_warning_filters_and_the_environment_as_they_were() -> None:
    y = seasonal(36, 0.3)
    filters, environment = list(warnings.filters), dict(os.environ)
    for each in list_forecasters(Risk()):
        each.forecast(Task(y, [36], 2, 12))
    fit_garch(100 * np.diff(np.log(y)), "t", 2, 24)
    assert list(warnings.filters) == filters
    assert dict(os.environ) == environment
