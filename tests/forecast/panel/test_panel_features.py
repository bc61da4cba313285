"""Features are as of the origin, count periods, and are the same bits in training and when a forecast is asked for."""

from dataclasses import replace

import numpy as np
import pytest
from tests.support.demand import demand_panel

from tabtrail.bundle.demand.expander import Asked, Expander
from tabtrail.bundle.demand.expander import Panel as PanelInputs
from tabtrail.bundle.demand.features import FeatureRecipe
from tabtrail.bundle.demand.single import KeptFeatures
from tabtrail.forecast.panel.evaluate import default_recipe
from tabtrail.forecast.panel.history import history_of, prove_served
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.rows import Points, features, training_frame, training_points

ONE = np.ones(18, dtype=np.int64)
RECIPE = default_recipe("D", 7, ("promotion",), ("price",))


def at(panel: Panel, origin: int) -> Points:
    return Points.at(panel, origin, range(1, RECIPE.horizon + 1))


def test_noise_added_after_an_origin_changes_no_feature() -> None:
    panel, origin = demand_panel(), 150
    noisy = panel.target.copy()
    noisy[:, origin + 1 :] += np.random.default_rng(1).normal(50, 20, noisy[:, origin + 1 :].shape)
    plain, changed = features(panel, RECIPE, at(panel, origin)), features(replace(panel, target=noisy), RECIPE, at(panel, origin))
    for name, values in plain.items():
        np.testing.assert_array_equal(values, changed[name], err_msg=name)


def test_another_plan_changes_the_features_of_the_plan_alone() -> None:
    panel, origin = demand_panel(), 150
    known = {name: values.copy() for name, values in panel.known.items()}
    known["price"][:, origin + 1 :] *= 2
    plain = features(panel, RECIPE, at(panel, origin))
    changed = features(replace(panel, known=known), RECIPE, at(panel, origin))
    assert {name for name, values in plain.items() if not np.array_equal(values, changed[name], equal_nan=True)} == {
        "price",
        "price_change",
    }


def test_a_missing_week_shifts_no_lag() -> None:
    panel = demand_panel()
    gap = panel.target.copy()
    gap[:, 120:127] = np.nan
    found = features(
        replace(panel, target=gap), replace(RECIPE, scaled=False), Points(np.array([0]), np.array([128]), np.array([1]))
    )
    assert np.isnan(found["lag_7"][0])
    assert found["lag_14"][0] == panel.target[0, 128 - 13]
    assert found["mean_7"][0] == np.mean(panel.target[0, 127:129])


def test_features_are_what_they_are_called() -> None:
    panel, origin = demand_panel(), 150
    row = Points(np.array([1]), np.array([origin]), np.array([3]))
    found = {name: values[0] for name, values in features(panel, replace(RECIPE, scaled=False), row).items()}
    y, promotion, price = panel.target[1], panel.known["promotion"][1], panel.known["price"][1]
    target = origin + 3
    same = [place for place in range(target - 7, -1, -7) if place <= origin]
    alike = [place for place in same if promotion[place] == promotion[target]]
    day = panel.calendar.first_day(panel.first + target)
    assert found["lag_1"] == y[origin]
    assert found["mean_28"] == pytest.approx(y[origin - 27 : origin + 1].mean())
    assert found["std_7"] == pytest.approx(y[origin - 6 : origin + 1].std(ddof=1))
    assert found["season_1"] == y[same[0]]
    assert found["season_mean_8"] == pytest.approx(y[same[:8]].mean())
    assert found["season_flags_mean_6"] == pytest.approx(y[alike[:6]].mean())
    assert found["price_change"] == pytest.approx(price[target] / price[origin - 27 : origin + 1].mean())
    assert (found["day_of_week"], found["month"], found["horizon"]) == (day.weekday(), day.month, 3)


def test_a_flag_says_for_how_long_it_has_been_and_will_be_what_it_is() -> None:
    panel = demand_panel()
    flag = np.zeros_like(panel.known["promotion"])
    flag[1, 150:154] = 1
    panel = replace(panel, known={**panel.known, "promotion": flag})
    rows = Points(np.full(4, 1), np.full(4, 148), np.array([1, 2, 4, 6]))  # days 149, 150, 152 and 154
    found = features(panel, RECIPE, rows)
    assert found["promotion_run"].tolist() == [7, 0, 2, 0]
    assert found["promotion_left"].tolist() == [0, 3, 1, 7]


def test_where_no_plan_says_what_is_around_a_period_nothing_is_made_up() -> None:
    panel = demand_panel()
    last = panel.periods - 1
    cut = {name: values[:, : last + 4] for name, values in panel.known.items()}
    cut["promotion"][:, last - 6 :] = 0.0
    found = features(replace(panel, known=cut), RECIPE, Points(np.zeros(2, np.int64), np.full(2, last), np.array([1, 5])))
    assert found["promotion_run"][0] == 7
    assert np.isnan(found["promotion_left"]).all()  # what is planned is the same, and then the plan ends
    assert np.isnan(found["promotion_run"][1])  # the day itself is not planned
    sent = Points(np.zeros(1, np.int64), np.full(1, last), np.array([4]))
    inputs = PanelInputs("date", panel.series, panel.series, ("store_id",), RECIPE)
    expander = Expander(inputs, history_of(replace(panel, known=cut), RECIPE, "x", "", {}))
    known = {"promotion": np.ones(1), "price": np.ones(1)}
    served = expander.features(Asked(sent.series, sent.target + panel.first, known))
    assert served["promotion_run"][0] == 0
    assert np.isnan(served["promotion_left"][0])


def test_a_recipe_of_a_bundle_that_reads_no_plan_around_is_what_it_was() -> None:
    stored = RECIPE.to_dict()
    del stored["around"]
    older = FeatureRecipe.from_dict(stored)
    assert older.names == tuple(name for name in RECIPE.names if name not in ("promotion_run", "promotion_left"))
    panel = demand_panel()
    inputs = PanelInputs("date", panel.series, panel.series, ("store_id",), older)
    assert prove_served(panel, inputs, history_of(panel, older, "x", "", {})).max_difference == 0


def test_some_rows_to_learn_from_have_no_plan_around_them() -> None:
    panel = demand_panel()
    points = training_points(panel, RECIPE, most=2000, seed=1)
    x, whole = training_frame(panel, RECIPE, points, (), 1), features(panel, RECIPE, points)
    hidden = np.isnan(x["promotion_left"].to_numpy()) & ~np.isnan(whole["promotion_left"])
    assert 0.05 < hidden.mean() < 0.15
    assert np.isnan(x["promotion_run"][hidden & (points.horizon > 1)]).all()
    np.testing.assert_array_equal(x["promotion_run"][points.horizon == 1], whole["promotion_run"][points.horizon == 1])


def test_what_is_asked_for_has_the_bits_of_the_training() -> None:
    panel = demand_panel()
    inputs = PanelInputs("date", panel.series, panel.series, ("store_id",), RECIPE)
    expander = Expander(inputs, history_of(panel, RECIPE, "x", "", {}))
    points = at(panel, panel.periods - 1)
    trained = features(panel, RECIPE, points)
    period = points.target + panel.first
    known = {name: panel.known[name][points.series, points.target] for name in ("promotion", "price")}
    for chosen in (np.arange(len(points)), np.array([3]), np.array([5, 5, 5, 1])):
        served = expander.features(
            Asked(points.series[chosen], period[chosen], {name: each[chosen] for name, each in known.items()})
        )
        for name, values in served.items():
            np.testing.assert_array_equal(values.view(np.int64), trained[name][chosen].view(np.int64), err_msg=name)


def test_a_row_by_itself_has_the_bits_of_the_training_from_what_is_kept() -> None:
    panel = demand_panel()
    inputs = PanelInputs("date", panel.series, panel.series, ("store_id",), RECIPE)
    kept = KeptFeatures(Expander(inputs, history_of(panel, RECIPE, "x", "", {})))
    within = Points(
        np.repeat(np.arange(panel.count), 3), np.tile([panel.periods - 9, panel.periods - 3, panel.periods - 2], 6), ONE
    )
    for points in (at(panel, panel.periods - 1), within):
        trained = features(panel, RECIPE, points)
        for row in [*range(len(points)), *range(0, len(points), 5)]:
            series, place = points.series[row], points.target[row]
            known = {name: float(panel.known[name][series, place]) for name in ("promotion", "price")}
            served = np.array(kept.values(int(series), int(place + panel.first), known))
            wanted = np.array([values[row] for values in trained.values()])
            np.testing.assert_array_equal(served.view(np.int64), wanted.view(np.int64))


def test_the_proof_finds_a_history_that_gives_other_features() -> None:
    panel = demand_panel()
    inputs = PanelInputs("date", panel.series, panel.series, ("store_id",), RECIPE)
    history = history_of(panel, RECIPE, "x", "", {})
    assert prove_served(panel, inputs, history).max_difference == 0
    other = history.target.copy()
    other[2, -1] += 1e-9
    found = prove_served(panel, inputs, replace(history, target=other))
    assert found.max_difference > 0
    assert "series 2" in found.worst


def test_a_short_history_answers_from_its_second_day() -> None:
    panel = demand_panel(days=40)
    inputs = PanelInputs("date", panel.series, panel.series, ("store_id",), RECIPE)
    history = history_of(panel, RECIPE, "x", "", {})
    assert Expander(inputs, history).earliest == panel.first + 1
    found = prove_served(panel, inputs, history)
    assert (found.rows, found.max_difference) == (6 * (39 + 7), 0)
