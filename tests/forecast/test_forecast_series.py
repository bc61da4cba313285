"""Series of segments, their forecasts, and how the choice among candidates is made."""

import json
import random
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.support.projects import Project

from tabtrail import pipeline
from tabtrail.config.forecast import Risk, SarimaOrder
from tabtrail.errors import DataError, UsageError
from tabtrail.forecast.local.accuracy import measure
from tabtrail.forecast.local.conformal import half_widths, measure_coverage
from tabtrail.forecast.local.forecast import diagnose, forecast_series
from tabtrail.forecast.local.models import Candidate, Guess, Refusal, forecast_origins, guarded, list_candidates
from tabtrail.forecast.local.origins import choose_at, mean_gain, run_outer, run_trials
from tabtrail.forecast.local.series import Segment, Series, find_segment, list_segments, periods, read_series, regular

Array = NDArray[np.float64]
BASELINES_ONLY = Risk(models=(), sarima=())
END = date(2005, 5, 31)


def monthly(values: list[float] | Array, start: date = date(2003, 1, 1)) -> Series:
    return Series(Segment(), start, "MS", np.asarray(values, dtype=np.float64))


def seasonal(n: int, noise: float = 0.05, seed: int = 1) -> Array:
    profile = np.array([1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 6, 2], dtype=np.float64)
    return 100 * profile[np.arange(n) % 12] * np.exp(noise * np.random.default_rng(seed).standard_normal(n))


def test_values_are_summed_by_month_and_months_without_rows_are_zero() -> None:
    dated = [(date(2005, 4, 30), 2.0), (date(2005, 1, 5), 1.0), (date(2005, 1, 9), 4.0)]
    series = regular(dated, Segment(), "MS", END, drop_incomplete=True)
    assert series.values.tolist() == [5.0, 0.0, 0.0, 2.0, 0.0]
    assert series.periods[0] == date(2005, 1, 1)
    assert series.notes == ()


def test_the_order_of_the_dates_is_of_no_account() -> None:
    dated = [(date(2003, 1 + index % 12, 1 + index), float(index)) for index in range(28)]
    shuffled = random.Random(3).sample(dated, len(dated))
    first, second = (regular(each, Segment(), "W", END, drop_incomplete=True) for each in (dated, shuffled))
    assert first.values.tolist() == second.values.tolist()


def test_a_gap_of_a_year_is_a_year_of_zeros() -> None:
    dated = [(date(2003, 1, 1), 1.0), (date(2005, 5, 1), 2.0)]
    series = regular(dated, Segment(), "MS", END, drop_incomplete=True)
    assert len(series.values) == 29
    assert np.count_nonzero(series.values) == 2


def test_the_last_month_is_left_out_where_the_data_ends_before_it_does_and_said() -> None:
    dated = [(date(2005, 4, 3), 1.0), (date(2005, 5, 3), 2.0)]
    dropped = regular(dated, Segment(), "MS", date(2005, 5, 20), drop_incomplete=True)
    assert dropped.values.tolist() == [1.0]
    assert dropped.notes == ("the month of 2005-05-01 is left out: the data ends 11 days before it does",)
    kept = regular(dated, Segment(), "MS", date(2005, 5, 20), drop_incomplete=False)
    assert kept.values.tolist() == [1.0, 2.0]
    assert "may be incomplete" in kept.notes[0]


def test_weeks_begin_on_monday_and_days_are_days() -> None:
    dated = [(date(2005, 5, 29), 1.0), (date(2005, 5, 30), 2.0)]
    assert regular(dated, Segment(), "W", date(2005, 6, 5), drop_incomplete=True).values.tolist() == [1.0, 2.0]
    assert regular(dated, Segment(), "D", END, drop_incomplete=True).values.tolist() == [1.0, 2.0, 0.0]
    assert periods(date(2004, 12, 1), "MS", 2) == [date(2004, 12, 1), date(2005, 1, 1)]


def test_the_real_series_of_classic_cars_in_the_usa_has_27_months_and_one_without_sales(real_project: Project) -> None:
    config = real_project.config()
    pipeline.run_stage("ingest", config)
    series = read_series(config, [find_segment(config, {"product_line": "Classic Cars", "COUNTRY": "USA"})])[0]
    assert (series.periods[0], series.periods[-1]) == (date(2003, 3, 1), date(2005, 5, 1))
    assert (len(series.values), int(np.sum(series.values == 0))) == (27, 1)
    assert series.values[0] == pytest.approx(27398.82)
    whole, *alone = read_series(config, [Segment(), *list_segments(config, ["product_line"])])
    assert len(alone) == 7
    assert sum(float(each.values.sum()) for each in alone) == pytest.approx(float(whole.values.sum()))
    assert len(list_segments(config, ["product_line", "country"])) == 116


def test_an_unknown_segment_is_answered_with_the_nearest_name(project: Project) -> None:
    config = project.config()
    pipeline.run_stage("ingest", config)
    with pytest.raises(UsageError, match=r"there is no product_line 'Clasic Cars' .*did you mean 'Classic Cars'"):
        read_series(config, [find_segment(config, {"product_line": "Clasic Cars"})])
    with pytest.raises(UsageError, match=r"risk.segments has no 'contry' .*did you mean 'country'"):
        find_segment(config, {"contry": "USA"})


def test_no_rows_are_a_clear_error() -> None:
    with pytest.raises(DataError, match="there are no rows"):
        regular([], Segment(), "MS", END, drop_incomplete=True)


def test_the_baselines_are_their_closed_forms() -> None:
    y = np.arange(1.0, 15.0) ** 2
    forecasts = {}
    for each in list_candidates(BASELINES_ONLY):
        outcome = forecast_origins(each, y, [14], 3, 12)[0]
        assert isinstance(outcome, Guess)
        forecasts[each.name] = outcome.mean.tolist()
    assert forecasts["naive"] == [196.0] * 3
    assert forecasts["seasonal_naive"] == [9.0, 16.0, 25.0]
    assert forecasts["average"] == pytest.approx([y.mean()] * 3)
    assert forecasts["drift"] == pytest.approx([196 + 15, 196 + 30, 196 + 45])
    assert forecasts["combination"] == pytest.approx((y.mean() + np.array([9.0, 16, 25])) / 2)


def test_a_sarima_forecast_is_that_of_statsmodels() -> None:
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    y = seasonal(60, 0.2)
    order = SarimaOrder(order=(1, 0, 0), trend="c")
    outcome = forecast_origins(Candidate("s", "sarima", order), y, [60], 4, 12)[0]
    assert isinstance(outcome, Guess)
    expected = SARIMAX(y / y.std(), order=(1, 0, 0), trend="c").fit(disp=False)
    assert outcome.mean == pytest.approx(expected.forecast(4) * y.std(), rel=1e-3)
    error = expected.get_forecast(4).se_mean
    assert outcome.growth == pytest.approx(error / error[0], rel=1e-3)


def test_a_sarima_too_large_for_the_history_or_for_an_intermittent_one_is_not_fitted() -> None:
    airline = Candidate("s", "sarima", SarimaOrder(order=(0, 1, 1), seasonal=(0, 1, 1)))
    outcome = forecast_origins(airline, seasonal(24), [24], 4, 12)[0]
    assert outcome == Refusal("not_applicable", "it needs 25 values, the history has 24")
    sparse = np.where(np.arange(60) % 3 == 0, seasonal(60), 0.0)
    refused = forecast_origins(Candidate("s", "sarima", SarimaOrder(order=(1, 0, 0))), sparse, [60], 4, 12)[0]
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


def test_a_refused_choice_gives_way_to_the_next_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from tabtrail.forecast.local import origins

    original = forecast_origins

    def exploding(candidate: Candidate, y: Array, at: list[int], steps: int, season: int, **more: float) -> list[object]:
        outcomes: list[object] = list(original(candidate, y, at, steps, season, **more))
        if candidate.name == "combination":
            outcomes[-1] = Guess(np.full(steps, 1e9), np.ones(steps))
        return outcomes

    monkeypatch.setattr(origins, "forecast_origins", exploding)
    found = forecast_series(monthly(np.random.default_rng(2).gamma(4, 50, 30)), BASELINES_ONLY, 3)
    assert found.forecast.model != "combination"
    assert found.choice.fallbacks[0].candidate == "combination"
    assert found.choice.fallbacks[0].kind == "out_of_range"
    assert found.forecast.flags[0].startswith("combination was passed over: it forecasts 1e+09")


def test_errors_are_safe_where_values_are_zero_and_say_over_how_many_points_they_are() -> None:
    accuracy = measure(np.array([0.0, 0.0, 2.0, 4.0]), np.array([0.0, 1.0, 1.0, 5.0]), 2.0)
    assert (accuracy.mae, accuracy.rmse, accuracy.mase) == (0.75, pytest.approx(np.sqrt(0.75)), 0.375)
    assert (accuracy.mape, accuracy.mape_points) == (pytest.approx((50 + 25) / 2), 2)
    assert (accuracy.smape, accuracy.smape_points) == (pytest.approx((200 + 200 / 3 + 200 / 9) / 3, rel=1e-6), 3)
    assert measure(np.array([0.0]), np.array([0.0]), 0.0).mase is None


def test_a_clear_season_is_found_and_a_clear_model_beats_the_default() -> None:
    found = forecast_series(monthly(seasonal(48, 0.02)), BASELINES_ONLY, 6)
    assert found.choice.name == "seasonal_naive"
    assert found.choice.gain is not None
    assert found.choice.gain > 2 * (found.choice.gain_error or 0)


def test_the_choice_at_an_origin_sees_nothing_after_it() -> None:
    y = seasonal(40, 0.5)
    other = y.copy()
    other[30:] = 7_000.0
    picks = []
    for values in (y, other):
        trials = run_trials(values, BASELINES_ONLY.model_copy(update={"max_origins": 100}), 6, 12)
        picks.append([choose_at(trials, at, BASELINES_ONLY, lambda name: True) for at in range(20, 31)])
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
        coverage = measure_coverage(trials, run_outer(trials, BASELINES_ONLY), 0.8)
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
