"""The forecasters one by one, the guard around them, and the list that they stand in."""

import os
import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from statsmodels.tsa.exponential_smoothing.ets import ETSModel
from statsmodels.tsa.forecasting.theta import ThetaModel
from statsmodels.tsa.statespace.sarimax import SARIMAX
from tests.support.series import monthly, seasonal

from tabtrail.config.forecast import Risk, SarimaOrder
from tabtrail.forecast.local import forecasters, smoothing, windows
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
        if isinstance(outcome, Guess):
            forecasts[each.name] = outcome.mean.tolist()
    assert forecasts["naive"] == [196.0] * 3
    assert forecasts["seasonal_naive"] == [9.0, 16.0, 25.0]
    assert forecasts["average"] == pytest.approx([y.mean()] * 3)
    assert forecasts["drift"] == pytest.approx([196 + 15, 196 + 30, 196 + 45])
    year, season = y[-12:], np.array([9.0, 16, 25])
    assert forecasts["combination"] == pytest.approx((year.mean() + season) / 2)
    assert forecasts["moving_average"] == pytest.approx([y[-6:].mean()] * 3)
    assert forecasts["season_average"] == pytest.approx([year.mean()] * 3)
    assert forecasts["median"] == forecasts["moving_median"] == pytest.approx([np.median(y)] * 3)
    assert forecasts["seasonal_average"] == forecasts["seasonal_median"] == pytest.approx(season)
    assert forecasts["seasonal_combination"] == pytest.approx((season + y[-6:].mean()) / 2)
    assert set(forecasts) == {each.name for each in list_forecasters(Risk(models=(), sarima=()))} - {"croston", "tsb"}


def test_windows_of_days_hold_whole_weeks() -> None:
    y = np.random.default_rng(3).gamma(4, 50, 100)
    means = {each.name: each.forecast(Task(y, [100], 7, 7))[0] for each in list_forecasters(Risk(models=(), sarima=()))}
    guesses = {name: each.mean for name, each in means.items() if isinstance(each, Guess)}
    assert guesses["moving_average"] == pytest.approx([y[-28:].mean()] * 7)
    assert guesses["moving_median"] == pytest.approx([np.median(y[-56:])] * 7)
    assert guesses["seasonal_average"] == pytest.approx(y[-56:].reshape(8, 7).mean(axis=0))
    assert guesses["seasonal_median"] == pytest.approx(np.median(y[-56:].reshape(8, 7), axis=0))


def test_no_median_is_taken_of_a_series_that_is_mostly_empty() -> None:
    y = np.where(np.arange(60) % 3 == 0, 5.0, 0.0)
    for each in (windows.median, windows.moving_median, windows.seasonal_median):
        outcome = each(y, Task(y, [60], 3, 12))
        assert isinstance(outcome, Refusal)
        assert outcome.reason.startswith("most periods are empty")


def test_smoothing_is_as_good_as_a_fit_by_statsmodels() -> None:
    """A grid in one pass, against an optimiser: Theta and seasonal smoothing differ by no more than half the noise."""
    y = 500 + 100 * np.sin(2 * np.pi * np.arange(140) / 7) + np.random.default_rng(4).normal(0, 30, 140)
    for ours, theirs in (
        (smoothing.theta, ThetaModel(y, period=7, method="additive").fit().forecast(7)),
        (smoothing.seasonal_smoothing, ETSModel(y, error="add", seasonal="add", seasonal_periods=7).fit(disp=False).forecast(7)),
    ):
        outcome = ours(Task(y, [140], 7, 7))[0]
        assert isinstance(outcome, Guess)
        assert np.max(np.abs(outcome.mean - np.asarray(theirs))) < 15


def test_croston_and_tsb_find_the_rate_of_sparse_sales() -> None:
    random = np.random.default_rng(6)
    y = np.where(random.random(2_000) < 0.2, random.gamma(4, 2.5, 2_000), 0.0)  # 2 a period
    for each in (smoothing.croston, smoothing.tsb):
        outcome = each(Task(y, [2_000], 2, 7))[0]
        assert isinstance(outcome, Guess)
        assert outcome.mean == pytest.approx([2.0, 2.0], rel=0.25)


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
    later = Task(np.array([10.0, 12.0, 20.0, 900.0]), [2, 3], 2, 12)  # what comes after an origin widens no band
    earlier, outcome = guarded([Refusal("not_converged", ""), Guess(np.array(forecast), np.ones(2))], later, 2, None)
    assert earlier == Refusal("not_converged", "")
    assert (outcome.kind if isinstance(outcome, Refusal) else None) == kind


def test_a_forecast_is_not_below_the_lower_bound_unless_the_history_is() -> None:
    guess = Guess(np.array([-1.0, 2.0]), np.ones(2))
    (held,), (free,) = (guarded([guess], Task(np.array([low, 5.0]), [2], 2, 12), 2, 0.0) for low in (0.0, -2.0))
    assert isinstance(held, Guess)
    assert isinstance(free, Guess)
    assert (held.mean.tolist(), free.mean.tolist()) == ([0.0, 2.0], [-1.0, 2.0])


@pytest.mark.parametrize("gaps", [False, True])
def test_no_forecaster_sees_anything_after_an_origin(gaps: bool) -> None:
    y = seasonal(40, 0.3)
    other = np.concatenate([y[:30], np.tile([0.0, 7_000.0], 5)])
    if gaps:
        y[5:30:4] = other[5:30:4] = 0
    guesses = 0
    for each in list_forecasters(Risk()):
        (first, *_), (second, *_) = (each.forecast(Task(values, [30, 40], 3, 12)) for values in (y, other))
        assert type(first) is type(second), each.name
        if isinstance(first, Guess) and isinstance(second, Guess):
            guesses += 1
            assert first.mean.tolist() == second.mean.tolist(), each.name
            assert first.growth.tolist() == second.growth.tolist(), each.name
    assert guesses >= 15


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
