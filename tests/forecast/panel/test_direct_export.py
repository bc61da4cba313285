"""Pooled models of every family and loss are proven: the graph forecasts what Python does, over the level of a series too."""

from typing import Any

import numpy as np
import pytest
from tests.support.demand import demand_panel

from tabtrail.export.graph import export_onnx
from tabtrail.export.parity import check_parity
from tabtrail.forecast.panel.candidates import default_candidates, parse_candidates
from tabtrail.forecast.panel.direct import fit_direct
from tabtrail.forecast.panel.evaluate import default_recipe
from tabtrail.forecast.panel.rows import Points, actual, frame
from tabtrail.forecast.panel.search import default_grids

TEXTS = ("store_id", "product_id")
RECIPE = default_recipe("D", 7, ("promotion",), ("price",))
SMALL: dict[str, dict[str, Any]] = {
    "LightGBM": {"n_estimators": 15, "num_leaves": 7},
    "XGBoost": {"n_estimators": 15, "max_depth": 3},
    "CatBoost": {"iterations": 15, "depth": 3, "learning_rate": 0.3},
    "RandomForest": {"n_estimators": 5, "min_samples_leaf": 5},
    "LinearRegression": {},
}
LOSSES = [
    ("LinearRegression", {}),
    ("RandomForest", {}),
    ("LightGBM", {"objective": "regression"}),
    ("LightGBM", {"objective": "regression_l1", "categories": "native"}),
    ("LightGBM", {"objective": "tweedie", "tweedie_variance_power": 1.3}),
    ("XGBoost", {"objective": "reg:squarederror"}),
    ("XGBoost", {"objective": "reg:absoluteerror"}),
    ("XGBoost", {"objective": "reg:tweedie", "tweedie_variance_power": 1.3}),
    ("CatBoost", {"loss_function": "RMSE"}),
    ("CatBoost", {"loss_function": "MAE"}),
    ("CatBoost", {"loss_function": "Tweedie:variance_power=1.3"}),
]


@pytest.mark.parametrize("scale", ["level", "none"])
@pytest.mark.parametrize(("family", "loss"), LOSSES, ids=lambda each: str(each))
def test_the_graph_of_a_pooled_model_forecasts_what_python_does(family: str, loss: dict[str, Any], scale: str) -> None:
    panel = demand_panel(120)
    # A series without sales: its level is zero, and so is its forecast where the level is the unit.
    panel.target[1, 40:] = 0.0
    (candidate,) = parse_candidates({family: {**SMALL[family], **loss, "scale": scale}})
    model = fit_direct(candidate, panel.until(100), RECIPE, texts=TEXTS, most=1200, seed=1)
    points = Points.at(panel, 112, range(1, 8))
    x = frame(panel, model.recipe, points, TEXTS)
    graph = export_onnx(model.estimator, [name for name in x.columns if name not in TEXTS], TEXTS, "demand")
    parity = check_parity(graph, model.estimator, x, texts=TEXTS, scale=float(np.nanstd(panel.target)), tolerance=1e-5, seed=1)
    assert parity.passed, parity.complaint
    forecast = model.predict(panel, points)
    known = actual(panel, points)
    assert np.abs(forecast - known).mean() < np.abs(known - known.mean()).mean()


def test_what_is_tried_by_default_is_known_to_its_families_and_searched_where_a_grid_names_it() -> None:
    candidates = default_candidates()
    assert [each.name for each in parse_candidates(candidates)] == list(candidates)
    assert {name.partition("_")[0] for name in candidates} == {
        "LinearRegression",
        "RandomForest",
        "XGBoost",
        "LightGBM",
        "CatBoost",
    }
    assert set(default_grids()) <= set(candidates)
