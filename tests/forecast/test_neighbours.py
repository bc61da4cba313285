"""What the series of a sweep learn from one another. All data is synthetic."""

from dataclasses import replace

import numpy as np
import pytest
from tests.support.series import FACTS, analyse_and_check, monthly, seasonal, shops

from tabtrail.config.forecast import Risk
from tabtrail.forecast.local.choice import choose_at, run_outer
from tabtrail.forecast.local.neighbours import ALONE, CLASSES, class_places, learn
from tabtrail.forecast.local.origins import Trials, run_trials
from tabtrail.forecast.segment import analyse
from tabtrail.forecast.series import Series
from tabtrail.forecast.sweep import evaluate, learn_from

RISK = Risk(models=(), sarima=(), min_returns=10_000)


def tried(series: list[Series]) -> list[Trials]:
    return [run_trials(each.values, RISK, 6, 7) for each in series]


# Of series that are mostly empty, which of a dozen like forecasts comes out best in the end is chance: 3 % of 20 series.
@pytest.mark.parametrize(("kind", "most"), [("level", 1.01), ("week", 1.01), ("wander", 1.01), ("sparse", 1.03)])
def test_a_sweep_of_shops_is_never_worse_than_the_best_baseline_by_more_than_a_hundredth(kind: str, most: float) -> None:
    series = shops(kind, seed=11)
    neighbours = learn_from(series, RISK)
    found = evaluate([analyse(each, RISK, FACTS, neighbours) for each in series])
    assert found.segments == len(series)
    assert found.mean_mase is not None
    assert found.best_baseline is not None
    assert found.mean_mase <= most * found.baseline_mean_mase[found.best_baseline]


@pytest.mark.parametrize("kind", ["level", "week", "wander"])
def test_intervals_of_days_hold_what_they_promise(kind: str) -> None:
    series = shops(kind, seed=5)
    neighbours = learn_from(series, RISK)
    found = evaluate([analyse(each, RISK, FACTS, neighbours) for each in series])
    assert 0.76 <= found.coverage["0.8"] <= 0.88
    assert 0.92 <= found.coverage["0.95"] <= 0.985


def test_the_series_of_a_sweep_take_the_forecaster_that_erred_least_over_all_and_say_so() -> None:
    series = shops("level", seed=2)
    result = analyse(series[0], RISK, FACTS, learn_from(series, RISK))
    assert result.choice is not None
    assert result.choice.default in ("average", "median", "moving_median")
    assert result.choice.neighbours == 20
    assert f"{result.choice.default} erred least over the past of 20 series" in result.choice.reason


def test_what_is_learned_for_an_origin_knows_nothing_after_it() -> None:
    series, left = shops("week", seed=3), 60
    random = np.random.default_rng(1)
    changed = [replace(each, values=np.concatenate([each.values[:-left], random.gamma(1, 1e4, left)])) for each in series]
    before, after = learn(tried(series), 0.5), learn(tried(changed), 0.5)
    for name in CLASSES:
        for distance in range(left, len(before.orders[name])):
            assert before.orders[name][distance] == after.orders[name][distance]
    assert before.orders["smooth"][0] != after.orders["smooth"][0]


def test_the_choice_in_a_sweep_knows_nothing_after_its_origin() -> None:
    series, left = shops("week", seed=4), 48
    changed = [replace(each, values=np.concatenate([each.values[:-left], np.full(left, 9e4)])) for each in series]
    picks = []
    for each in (series, changed):
        trials = tried(each)
        outer = run_outer(trials[0], RISK, learn(trials, 0.5))
        picks.append(
            [pick for pick, at in zip(outer.picks, trials[0].origins[trials[0].outer :], strict=True) if at <= 300 - left]
        )
    assert picks[0] == picks[1]
    assert len(picks[0]) >= 5


def test_series_are_of_a_class_by_how_often_and_how_evenly_they_sell() -> None:
    even, rare = np.full(40, 5.0), np.where(np.arange(40) % 4 == 0, 5.0, 0.0)
    wild = np.where(np.arange(40) % 5 == 0, 100.0, 1.0)
    assert [CLASSES[class_places(y, 0.5)[-1]] for y in (even, rare, wild, rare * wild)] == [
        "smooth",
        "intermittent",
        "erratic",
        "lumpy",
    ]


def test_two_years_of_months_alone_keep_the_default() -> None:
    trials = run_trials(seasonal(29, 0.3), RISK, 6, 12)
    assert set(learn([trials], 0.5).orders["smooth"]) == {()}
    assert learn([], 0.5) is ALONE
    assert choose_at(trials, 29, RISK, lambda name: True, ALONE).default == "combination"


def test_any_series_may_have_any_neighbours() -> None:
    neighbours = learn_from([monthly(seasonal(29, 0.3, seed)) for seed in range(8)], RISK)
    for each in (monthly(np.zeros(30)), monthly([1.0] * 5), monthly(np.arange(7.0)), monthly(seasonal(90))):
        analyse_and_check(each, RISK)
        assert analyse(each, RISK, FACTS, neighbours).status != "failed"
