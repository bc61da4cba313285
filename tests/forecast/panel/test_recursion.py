"""A recursive model forecasts one period after another, each with its own forecasts before it as if they had come."""

from dataclasses import replace

import numpy as np
import pytest
from tests.support.demand import demand_panel

from tabtrail.bundle.demand.expander import Expander
from tabtrail.bundle.demand.expander import Panel as PanelInputs
from tabtrail.bundle.demand.recursion import OwnForecasts
from tabtrail.export.outputs import open_graph
from tabtrail.forecast.panel.candidates import parse_candidates
from tabtrail.forecast.panel.direct import DirectModel, fit_direct
from tabtrail.forecast.panel.evaluate import Origins, default_recipe
from tabtrail.forecast.panel.history import history_of
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.recursion import prove_recursion
from tabtrail.forecast.panel.rows import Points, frame, training_points
from tabtrail.workflows.demand_bundle import export_onnx

RECIPE = default_recipe("D", 7, ("promotion",), ("price",))
TEXTS = ("store_id", "product_id")
TREES = {"objective": "tweedie", "scale": "level", "n_estimators": 20, "num_leaves": 7}
ORIGIN = 150


def fitted(panel: Panel, recipe: object = RECIPE) -> DirectModel:
    (candidate,) = parse_candidates({"LightGBM_tweedie": {**TREES, "strategy": "recursive"}})
    return fit_direct(candidate, panel.until(ORIGIN), recipe, texts=TEXTS, most=2000, seed=1)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def panel() -> Panel:
    return demand_panel(180)


@pytest.fixture(scope="module")
def model(panel: Panel) -> DirectModel:
    return fitted(panel)


def test_it_learns_from_rows_of_the_next_period_alone(panel: Panel, model: DirectModel) -> None:
    assert model.recipe.recursive
    assert set(training_points(panel, model.recipe, most=500, seed=1).horizon.tolist()) == {1}


def test_each_period_is_forecast_as_if_the_forecasts_before_it_had_come(panel: Panel, model: DirectModel) -> None:
    path = model.predict(panel, Points.at(panel, ORIGIN, range(1, 8))).reshape(panel.count, 7)
    target = panel.target.copy()
    for step in range(7):
        own = replace(panel, target=target)
        (found,) = np.array([model.predict(own, Points.at(own, ORIGIN + step, range(1, 2)))])
        np.testing.assert_array_equal(found, path[:, step])
        target[:, ORIGIN + 1 + step] = found
    assert not np.array_equal(path[:, 0], path[:, 1])


def test_nothing_after_the_origin_changes_a_forecast_but_what_is_known_ahead(panel: Panel) -> None:
    recipe = replace(RECIPE, prices=(), lagged=("price",))
    model, points = fitted(panel, recipe), Points.at(panel, ORIGIN, range(1, 8))
    target, price = panel.target.copy(), panel.known["price"].copy()
    target[:, ORIGIN + 1 :] += 50
    price[:, ORIGIN + 1 :] *= 3
    promotion = panel.known["promotion"].copy()
    promotion[:, ORIGIN + 1] = 1 - promotion[:, ORIGIN + 1]
    plain = model.predict(panel, points)
    later = replace(panel, target=target, known={**panel.known, "price": price})
    np.testing.assert_array_equal(model.predict(later, points), plain)
    replanned = replace(panel, known={**panel.known, "promotion": promotion})
    assert not np.array_equal(model.predict(replanned, points), plain)


@pytest.mark.parametrize("prices", [("price",), ()])
def test_a_stored_history_and_the_graph_forecast_what_python_does(panel: Panel, prices: tuple[str, ...]) -> None:
    lagged = () if prices else ("price",)
    model = fitted(panel, replace(RECIPE, prices=prices, lagged=lagged))
    rows = frame(panel, model.recipe, training_points(panel, model.recipe, most=50, seed=1), TEXTS)
    graph = open_graph(export_onnx(model.estimator, [name for name in rows.columns if name not in TEXTS], TEXTS, "x"))
    inputs = PanelInputs("date", panel.series, TEXTS, (), model.recipe)
    origins = Origins((ORIGIN, ORIGIN + 5), 7)
    steps, whole = prove_recursion(model.estimator.predict, graph, panel, inputs, origins=origins, scale=1.0)
    assert (steps.rows, whole.rows) == (2 * 6 * 7, 2 * 6 * 7)
    assert max(steps.max_difference, whole.max_difference) < 1e-4
    other, _ = prove_recursion(model.estimator.predict, lambda x: graph(x) + 1, panel, inputs, origins=origins, scale=1.0)
    assert other.max_difference == pytest.approx(1, abs=1e-3)


def test_where_no_plan_is_stored_a_flag_is_off_and_a_price_is_the_last_one(panel: Panel, model: DirectModel) -> None:
    known = {name: values[:, : ORIGIN + 3].copy() for name, values in panel.known.items()}
    known["price"][0, ORIGIN + 1] = np.nan
    inputs = PanelInputs("date", panel.series, TEXTS, (), model.recipe)
    history = history_of(replace(panel.until(ORIGIN), known=known), model.recipe, "x", "", {})
    asked: list[dict[str, list[float]]] = []

    def run(feed: object) -> np.ndarray:  # type: ignore[type-arg]
        asked.append({name: feed[name][:, 0].tolist() for name in ("promotion", "price", "horizon")})  # type: ignore[index]
        return np.ones(1)

    own = OwnForecasts(Expander(inputs, history), run)
    own.reach(np.array([0]))
    last, planned = panel.known["price"][0, ORIGIN], panel.known["price"][0, ORIGIN + 2]
    assert [each["price"] for each in asked] == [[last], *[[planned]] * 5]
    assert [each["promotion"] for each in asked[2:]] == [[0.0]] * 4
    assert {each["horizon"][0] for each in asked} == {1.0}
    assert own.planned.tolist() == [0, 2, 2, 2, 2, 2]
    own.reach(np.array([0, 0]))
    assert len(asked) == 6
