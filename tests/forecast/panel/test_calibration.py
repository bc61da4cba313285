"""Intervals of demand: they hold their level on skewed demand with many zeros, and follow what comes of forecasts."""

from dataclasses import replace

import numpy as np
import pytest
from tests.support.demand import demand_panel

from tabtrail.bundle.demand.features import Array
from tabtrail.bundle.demand.intervals import ALL, CLASSES, ORDER, SUM, Bounds, DemandIntervals, demand_classes, horizon_part
from tabtrail.forecast.panel.calibration import RATE, Adapting, Outcomes, Settings, calibration_origins, fit_intervals, misses
from tabtrail.forecast.panel.coverage import measure
from tabtrail.forecast.panel.evaluate import default_recipe
from tabtrail.forecast.panel.new_series import new_series_factor
from tabtrail.forecast.panel.panel import Panel

LEVELS = (0.8, 0.9)


def outcomes(origins: int = 52, series: int = 60, noise: float = 1.0, seed: int = 3) -> Outcomes:
    """Counts with more zeros and a longer tail than Poisson's, of series of very different sizes, forecast by their means; from
    the middle on their tail is `noise` times as long.
    """
    generator = np.random.default_rng(seed)
    usual = np.exp(generator.uniform(-1.5, 4, series))
    mean = usual[None, :, None] * generator.gamma(8, 1 / 8, (origins, series, 14))
    longer = np.where(np.arange(origins) >= origins // 2, noise, 1.0)[:, None, None]
    actual = generator.poisson(mean * generator.gamma(1 / longer, longer, mean.shape)).astype(float)
    places = 400 + 7 * np.arange(origins)
    level = np.tile(usual, (origins, 1))
    kind = np.tile(np.where(usual < 1, CLASSES.index("lumpy"), CLASSES.index("erratic")), (origins, 1))
    return Outcomes(places, mean, actual, level, kind)


def fitted(found: Outcomes) -> DemandIntervals:
    half = len(found.places) // 2
    settings = Settings(LEVELS, 0.95, 14, 7, int(found.places[half - 1]), 0.0, 7)
    return fit_intervals(found.take(slice(0, half)), settings)


def later(found: Outcomes) -> Outcomes:
    return found.take(slice(len(found.places) // 2, None))


def test_intervals_of_skewed_demand_with_many_zeros_hold_their_level_at_later_origins() -> None:
    found = outcomes()
    intervals = fitted(found)
    assert (later(found).actual == 0).mean() > 0.2
    measured = measure(intervals, later(found), intervals.through)
    for level, (low, high) in zip(measured["levels"], [(0.78, 0.83), (0.88, 0.93)], strict=True):
        assert low <= level["coverage"] <= high
        assert level["low"] <= level["coverage"] <= level["high"]
        assert all(low - 0.02 <= share <= high + 0.02 for share in level["by_class"].values())
    for level, (low, high) in zip(measured["sums"]["levels"], [(0.78, 0.83), (0.88, 0.93)], strict=True):
        assert low <= level["coverage"] <= high
    assert measured["sums"]["met"]["coverage"] == pytest.approx(0.95, abs=0.015)


def test_intervals_widen_when_errors_grow_after_the_calibration() -> None:
    found = outcomes(origins=80, noise=4.0)
    intervals = fitted(found)
    still = measure(intervals, later(found), intervals.through, rate=0.0)
    moved = measure(intervals, later(found), intervals.through)
    for level, before in zip(moved["sums"]["levels"], still["sums"]["levels"], strict=True):
        assert before["coverage"] < level["level"] - 0.05
        assert abs(level["coverage"] - level["level"]) < 0.6 * abs(before["coverage"] - level["level"])


def test_alpha_moves_by_outcomes_that_are_known_and_by_each_once() -> None:
    found = outcomes()
    intervals, own = fitted(found), later(found)
    state = Adapting(intervals, intervals.allowed, dict.fromkeys(intervals.parts, intervals.through))
    state.learn(own, int(own.places[0]) + 6)
    assert state.alphas == intervals.allowed
    state.learn(own, int(own.places[0]) + 7)
    week, rest = horizon_part(7), (horizon_part(14), SUM, ORDER)
    assert state.alphas[week] != intervals.allowed[week]
    assert all(state.alphas[part] == intervals.allowed[part] for part in rest)
    first = state.alphas[week]
    state.learn(own, int(own.places[0]) + 13)
    assert state.alphas[week] == first
    missed = misses(intervals, intervals.allowed, own.take(slice(0, 1)))[week]
    assert first == pytest.approx(np.array(intervals.allowed[week]) + RATE * (np.array(intervals.allowed[week]) - missed))


def test_what_was_learned_of_another_model_is_not_used() -> None:
    intervals = fitted(outcomes())
    state = {"intervals": {"run_id": "a", "alphas": {part: [0.3, 0.3] for part in intervals.parts}, "through": {}}}
    assert intervals.learned(state, "b") == (intervals.allowed, dict.fromkeys(intervals.parts, intervals.through))


def test_a_wider_level_holds_a_narrower_one_and_no_bound_is_below_zero() -> None:
    intervals = fitted(outcomes())
    forecast = np.array([0.0, 0.2, 3.0, 500.0])
    low, high = Bounds(intervals, intervals.allowed).of(forecast, np.array([1, 7, 8, 14]), forecast, np.array([0, 1, 2, 3]))
    assert (low >= 0).all()
    assert (low[:, 1] <= low[:, 0]).all()
    assert (low[:, 0] <= forecast).all()
    assert (forecast < high[:, 0]).all()
    assert (high[:, 0] < high[:, 1]).all()


def test_many_rows_have_the_bounds_of_each_alone() -> None:
    intervals = fitted(outcomes())
    generator = np.random.default_rng(0)
    rows = generator.gamma(1, 5, 50), generator.integers(1, 15, 50), generator.gamma(1, 5, 50), generator.integers(0, 5, 50)
    bounds = Bounds(intervals, intervals.allowed)
    together = bounds.of(*rows)
    for place in range(50):
        alone = bounds.of(*(each[place : place + 1] for each in rows))
        assert [side[place].tolist() for side in together] == [side[0].tolist() for side in alone]


def test_a_class_with_few_rows_has_the_intervals_of_all() -> None:
    found = outcomes(series=12)
    found.kind[:, 0] = CLASSES.index("none")
    intervals = fitted(found.take(slice(0, 8)))
    assert horizon_part(7, "none") not in intervals.bands
    bounds = Bounds(intervals, intervals.allowed)
    one, all_series = (np.array([code]) for code in (CLASSES.index("none"), len(CLASSES)))
    of = [bounds.of(np.ones(1), np.ones(1, dtype=int), np.ones(1), kind)[1].tolist() for kind in (one, all_series)]
    assert of[0] == of[1]
    assert horizon_part(7, ALL) in intervals.bands


def test_intervals_come_back_from_the_metadata_as_they_were() -> None:
    intervals = fitted(outcomes())
    assert DemandIntervals.from_dict(intervals.to_dict()) == intervals


def test_calibration_leaves_the_first_half_of_the_history_to_learn_from() -> None:
    assert calibration_origins(200, 7, count=26, step=7) == tuple(range(101, 193, 7))
    assert calibration_origins(1000, 14, count=3, step=7) == (971, 978, 985)


def test_classes_of_series_by_their_past() -> None:
    smooth, intermittent = [5.0, 6, 5, 4, 6, 5], [0.0, 5, 0, 5, 0, 5]
    erratic, lumpy = [1.0, 40, 1, 1, 30, 1], [0.0, 40, 0, 1, 0, 1]
    target = np.array([smooth, intermittent, erratic, lumpy, [0.0] * 6, [np.nan] * 6])
    assert [CLASSES[code] for code in demand_classes(target)] == ["smooth", "intermittent", "erratic", "lumpy", "none", "none"]


def test_a_new_series_is_as_uncertain_as_its_neighbours_are_unlike_it() -> None:
    panel = demand_panel()
    recipe = default_recipe("D", 7, panel.flags(), ("price",))
    places = calibration_origins(panel.periods, 7, count=10, step=7)

    def mean_of_four_weeks(known: Panel) -> Array:
        return np.repeat(np.nanmean(known.target[:, -28:], axis=1)[:, None], 7, axis=1)

    def factor(own: Panel) -> float:
        found = Outcomes.of(own, places, mean_of_four_weeks, level_window=56, past=182)
        intervals = fit_intervals(found, Settings(LEVELS, 0.95, None, 7, 0, 0.0, 7))
        value = new_series_factor(own, places, mean_of_four_weeks, ("store_id",), intervals, recipe)
        assert value is not None
        return value

    alike = Panel(panel.calendar, panel.first, panel.series, panel.target[[2, 2, 2, 5, 5, 5]], panel.known, panel.static)
    assert factor(alike) == pytest.approx(1, abs=0.15)
    assert factor(panel) > 1.1


@pytest.mark.parametrize(
    ("least", "new", "power"), [(0.0, 1.7, None), (None, 1.7, None), (0.0, None, None), (0.0, 1.7, 0.5), (0.0, 1.7, 1.0)]
)
def test_one_forecast_has_the_bits_that_it_has_among_many(least: float | None, new: float | None, power: float | None) -> None:
    intervals = replace(fitted(outcomes()), least=least, new=new)
    if power is not None:  # as it is of few sizes, and at its limit
        intervals = replace(intervals, bands={part: replace(band, power=power) for part, band in intervals.bands.items()})
    bounds, generator = Bounds(intervals, intervals.allowed), np.random.default_rng(5)
    forecast, level = generator.gamma(0.5, 20, 500), generator.gamma(0.5, 20, 500)
    forecast[:3], level[1:4] = 0, 0
    horizon, kind = generator.integers(1, 15, 500), generator.integers(-1, len(CLASSES), 500)
    low, high = bounds.of(forecast, horizon, level, kind)
    for row in range(500):
        own = bounds.of_one(float(forecast[row]), int(horizon[row]), float(level[row]), int(kind[row]))
        if new is None and kind[row] < 0:
            assert own == ()
            assert np.isnan(low[row]).all()
        else:
            assert own == tuple(zip(low[row].tolist(), high[row].tolist(), strict=True))
