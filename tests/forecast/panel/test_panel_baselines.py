"""Forecasts that nothing is fitted for, against what a plain loop over one series gives."""

from dataclasses import replace

import numpy as np
import pytest
from tests.support.demand import demand_panel

from tabtrail.forecast.panel.baselines import BASELINES, season_median
from tabtrail.forecast.panel.evaluate import default_recipe
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.smoothing import exponential_smoothing, theta, tsb

RECIPE = default_recipe("D", 10, (), ())


def of(values: list[float], length: int = 60) -> Panel:
    """A panel of one series that repeats values."""
    panel = demand_panel(60)
    return replace(panel.take([0]), target=np.resize(np.array(values, dtype=float), (1, length)), known={})


def test_the_median_of_the_same_weekday_is_taken_over_eight_weeks() -> None:
    panel = demand_panel(100)
    found = season_median(panel, RECIPE)
    for step in (1, 6, 7, 8, 10):
        places = [100 + step - 1 - 7 * back for back in range(1, 20)]
        same = [panel.target[2, place] for place in places if place < 100][:8]
        assert found[2, step - 1] == np.median(same)


def test_smoothing_of_one_series_is_that_of_a_loop_with_the_best_constant() -> None:
    values = demand_panel(100).target[3]
    best = (np.inf, 0.0)
    for alpha in (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8):
        level, error = values[0], 0.0
        for value in values[1:]:
            error += (value - level) ** 2
            level += alpha * (value - level)
        best = min(best, (error, level))
    np.testing.assert_allclose(exponential_smoothing(demand_panel(100), RECIPE)[3], best[1])


def test_smoothing_keeps_its_level_over_periods_that_are_not_known() -> None:
    gaps = of([5.0, np.nan, np.nan])
    np.testing.assert_allclose(exponential_smoothing(gaps, RECIPE), 5.0)


def test_theta_repeats_a_season_and_goes_half_of_the_way_of_a_slope() -> None:
    week = [1.0, 2, 3, 4, 5, 6, 14]
    np.testing.assert_allclose(theta(of(week, 70), RECIPE)[0], np.resize(week, 10), atol=1e-9)
    line = replace(of(week), target=np.arange(70.0)[None, :])
    rising = theta(line, RECIPE)[0]
    assert rising[7] - rising[0] == pytest.approx(7 / 2, rel=0.05)


def test_tsb_of_an_item_that_stopped_selling_goes_towards_zero_and_a_mean_does_not() -> None:
    selling = of([0.0, 0.0, 4.0], 90)
    stopped = replace(selling, target=np.concatenate([selling.target, np.zeros((1, 60))], axis=1))
    np.testing.assert_allclose(tsb(selling, RECIPE), 4 / 3, rtol=0.35)
    assert tsb(stopped, RECIPE)[0, 0] < 0.2


def test_every_baseline_has_a_number_for_series_that_are_short_empty_or_not_known_at_the_end() -> None:
    panel = demand_panel(60)
    target = panel.target.copy()
    target[0] = np.nan
    target[1, :-1] = np.nan
    target[2, -30:] = np.nan
    target[3] = 0.0
    for name, baseline in BASELINES.items():
        recipe = replace(default_recipe("D", 10, ("promotion",), ("price",)), horizon=7)
        found = baseline(replace(panel, target=target), recipe)
        assert found.shape == (6, 7), name
        assert np.isfinite(found).all(), name
        assert not found[[0, 3]].any(), name
