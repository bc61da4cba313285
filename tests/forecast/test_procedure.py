"""The forecast of one series: evaluated, chosen, guarded, with intervals whose coverage was measured."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.support.series import monthly, seasonal

from tabtrail.config.forecast import Risk, SarimaOrder
from tabtrail.forecast.local import forecasters
from tabtrail.forecast.local.attempt import Attempt, Guess, Task, each_origin
from tabtrail.forecast.local.baselines import combination
from tabtrail.forecast.local.choice import choose_at, mean_gain, run_outer
from tabtrail.forecast.local.conformal import half_widths, measure_coverage
from tabtrail.forecast.local.forecasters import Forecaster
from tabtrail.forecast.local.neighbours import ALONE
from tabtrail.forecast.local.origins import run_trials
from tabtrail.forecast.local.procedure import diagnose, forecast_series

Array = NDArray[np.float64]
BASELINES_ONLY = Risk(models=(), sarima=())


def test_a_refused_choice_gives_way_to_the_next_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def exploding(y: Array, task: Task) -> Attempt:
        return Guess(np.full(task.steps, 1e9), np.ones(task.steps)) if len(y) == 30 else combination(y, task)

    line = Forecaster("combination", "combination", each_origin(exploding))
    changed = tuple(line if each.name == "combination" else each for each in forecasters.FORECASTERS)
    monkeypatch.setattr(forecasters, "FORECASTERS", changed)
    found = forecast_series(monthly(np.random.default_rng(2).gamma(4, 50, 30)), BASELINES_ONLY, 3)
    assert found.forecast.model != "combination"
    assert found.choice.fallbacks[0].candidate == "combination"
    assert found.choice.fallbacks[0].kind == "out_of_range"
    assert found.forecast.flags[0].startswith("combination was passed over: it forecasts 1e+09")


def test_a_clear_season_is_found_over_two_years_of_a_series_own_past() -> None:
    found = forecast_series(monthly(seasonal(48, 0.02)), BASELINES_ONLY, 6)
    assert found.choice.name.startswith("seasonal_")
    assert found.choice.reason.startswith(f"{found.choice.name} erred least over the past of the series")


def test_the_choice_at_an_origin_sees_nothing_after_it() -> None:
    y = seasonal(40, 0.5)
    other = y.copy()
    other[30:] = 7_000.0
    picks = []
    for values in (y, other):
        trials = run_trials(values, BASELINES_ONLY.model_copy(update={"max_origins": 100}), 6, 12)
        picks.append([choose_at(trials, at, BASELINES_ONLY, lambda name: True, ALONE) for at in range(20, 31)])
        assert all(np.all(trials.known(at).sum(axis=1) <= 6) for at in range(20, 31))
    assert picks[0] == picks[1]


def test_the_standard_error_of_a_gain_grows_with_the_overlap_of_the_origins() -> None:
    base, other = np.array([2.0, 4.0, 3.0, 5.0]), np.array([1.0, 2.0, 2.5, 4.5])
    gains = base - other
    mean, error, pairs = mean_gain(base, other, 1)
    assert (mean, error, pairs) == (gains.mean(), pytest.approx(gains.std(ddof=1) / 2), 4)
    assert mean_gain(base, other, 4)[1] == pytest.approx(gains.std(ddof=1))


def test_the_half_width_is_the_conformal_quantile_of_earlier_errors() -> None:
    risk = BASELINES_ONLY.model_copy(update={"max_origins": 100})
    trials = run_trials(np.random.default_rng(5).gamma(2, 50, 40), risk, 1, 12)
    half = half_widths(trials, "average", np.ones(1), 40, 0.8)
    errors = np.sort(np.abs([trials.y[at] - trials.y[:at].mean() for at in range(6, 40)]))
    assert half is not None
    assert half[0] == pytest.approx(errors[int(np.ceil(35 * 0.8)) - 1])
    assert half_widths(trials, "average", np.ones(1), 9, 0.8) is None


def test_intervals_of_noise_hold_what_they_promise() -> None:
    held = points = 0
    for seed in range(40):
        y = np.random.default_rng(seed).gamma(4, 50, 36)
        trials = run_trials(y, BASELINES_ONLY, 6, 12)
        coverage = measure_coverage(trials, run_outer(trials, BASELINES_ONLY, ALONE), 0.8)
        held, points = held + coverage.held, points + coverage.points
    assert 0.75 <= held / points <= 0.85


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ([1.0] * 5, "too_short"),
        ([0.0] * 20, "all_zero"),
        ([3.0] * 20, "constant"),
        ([0.0] * 10 + [5.0] + [0.0] * 10, "single_spike"),
        ([1.0, 2, 3, 4, 5, 6, 7], "short"),
        (list(seasonal(20)), "ok"),
    ],
)
def test_what_a_series_is_fit_for_has_a_name(values: list[float], status: str) -> None:
    assert diagnose(monthly(values)).status == status


def test_sarima_against_the_baseline_is_answered_with_improvement_and_spread() -> None:
    random = np.random.default_rng(8)
    y = np.zeros(80)
    for t in range(1, 80):
        y[t] = 0.9 * y[t - 1] + random.standard_normal()
    risk = Risk(models=(), sarima=(SarimaOrder(order=(1, 0, 0), trend="c"),), lower_bound=None, max_origins=40)
    part = forecast_series(monthly(y), risk, 1).sarima
    assert part.sarima == "sarima(1,0,0)+c"
    assert part.improvement is not None
    assert part.improvement_error is not None
    assert part.origins >= 20
    assert part.verdict in ("better", "not_told_apart", "not_better")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e9, 1e9), min_size=6, max_size=40))
def test_whatever_the_values_the_forecast_is_finite_and_within_the_guard(values: list[float]) -> None:
    part = forecast_series(monthly(values), BASELINES_ONLY, 6).forecast
    low, high = min(values), max(values)
    slack = 1e-6 * max(1.0, abs(low), abs(high))
    assert all(low - (high - low) - slack <= mean <= high + (high - low) + slack for mean in part.mean)
    json.dumps(part.model_dump(), allow_nan=False)
