"""What moves a forecast: contributions of groups of features that add up to it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from tests.support.commands import run_in
from tests.support.demand import demand_panel, demand_project
from tests.support.projects import Trained

from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.config.tree import Config
from tabtrail.explain.demand import COALITIONS, CONTRIBUTIONS, explain_forecasts
from tabtrail.explain.groups import PLAN, SERIES, SIZE, group_features
from tabtrail.forecast.panel.candidates import parse_candidates
from tabtrail.forecast.panel.direct import fit_direct
from tabtrail.forecast.panel.evaluate import default_recipe
from tabtrail.forecast.panel.rows import frame, training_points
from tabtrail.forecast.panel.uplift import uplift
from tabtrail.modeling.estimators import Blend
from tabtrail.project.paths import Artifacts
from tabtrail.system.files import read_json
from tabtrail.workflows.explain import LocalExplanation
from tabtrail.workflows.explain_demand import explain_forecast

ROW = {"date": "2023-07-22", "store_id": "STORE_001", "product_id": "PROD_C", "price": 12.0, "promotion": 1}
TEXTS = ("store_id", "product_id")
TREES = {"scale": "level", "n_estimators": 20, "num_leaves": 7, "categories": "native"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return demand_project(tmp_path_factory)


def fitted(objective: str, scale: str = "level"):  # type: ignore[no-untyped-def]
    panel = demand_panel()
    recipe = default_recipe("D", 7, ("promotion",), ("price",))
    candidate = parse_candidates({"LightGBM_one": {**TREES, "objective": objective, "scale": scale}})[0]
    model = fit_direct(candidate, panel, recipe, texts=TEXTS, most=2000, seed=1)
    rows = frame(panel, model.recipe, training_points(panel, model.recipe, most=60, seed=2), TEXTS)
    return model, rows, group_features(model.recipe, TEXTS)


def test_every_feature_is_in_one_group_and_the_level_is_the_size_where_features_are_over_it() -> None:
    _, rows, groups = fitted("regression_l1")
    assert sorted(name for own in groups.values() for name in own) == sorted(map(str, rows.columns))
    assert groups[SIZE] == ["level"]
    assert groups[SERIES] == list(TEXTS)
    assert {"promotion", "price", "price_change"} <= set(groups[PLAN])
    assert SIZE not in group_features(fitted("regression_l1", "none")[0].recipe, TEXTS)


@pytest.mark.parametrize("scale", ["level", "none"])
def test_trees_with_absolute_errors_are_explained_by_their_own_contributions_in_units_of_demand(scale: str) -> None:
    model, rows, groups = fitted("regression_l1", scale)
    found, method = explain_forecasts(model.estimator, rows, rows, groups, model.estimator.predict)
    assert method == CONTRIBUTIONS
    assert found.base_value + found.values.sum(axis=1) == pytest.approx(model.estimator.predict(rows), rel=1e-6)


def test_tweedie_trees_and_their_blends_are_explained_by_coalitions_that_add_up() -> None:
    first, rows, groups = fitted("regression_l1")
    second = fitted("tweedie")[0]
    both = Blend(("a", "b"), (0.25, 0.75), (first.estimator, second.estimator))
    for model in (second.estimator, both):
        found, method = explain_forecasts(model, rows, rows, groups, model.predict)
        assert method == COALITIONS
        assert found.base_value + found.values.sum(axis=1) == pytest.approx(model.predict(rows), rel=1e-9)


def test_coalitions_give_a_sum_its_parts_and_share_a_product_alike() -> None:
    rows = pd.DataFrame({"a": [1.0, 3.0], "b": [2.0, 5.0]})
    groups = {"first": ["a"], "second": ["b"]}
    added, _ = explain_forecasts(None, rows, rows, groups, lambda x: (2 * x["a"] + x["b"]).to_numpy())
    assert added.values == pytest.approx(np.array([[-2.0, -1.5], [2.0, 1.5]]))
    product, _ = explain_forecasts(None, rows.head(1), rows, groups, lambda x: (x["a"] * x["b"]).to_numpy())
    # From a=1, b=2 to a=3, b=5: (4 + 10) / 2 by a, (3 + 9) / 2 by b.
    assert product.values[1] == pytest.approx([7.0, 6.0])


def test_a_blend_of_trees_whose_members_are_not_bounded_adds_up_by_contributions() -> None:
    model, rows, groups = fitted("regression_l1")
    other = fitted("regression")[0]
    both = Blend(("a", "b"), (0.5, 0.5), (model.estimator, other.estimator))
    found, method = explain_forecasts(both, rows, rows, groups, both.predict)
    assert method == CONTRIBUTIONS
    assert found.base_value + found.values.sum(axis=1) == pytest.approx(both.predict(rows), rel=1e-6)


def explained(config: Config, row: object) -> LocalExplanation:
    folder = config.paths.models_dir
    bundle = load_bundle(folder, config.model.name)
    return explain_forecast(bundle, row, Artifacts.of(config), config.mlflow, folder)


def test_the_contributions_of_a_forecast_make_what_is_served(trained: Trained) -> None:
    found = explained(trained.config, ROW)
    served = Predictor(load_bundle(trained.config.paths.models_dir, "shop_demand")).predict([ROW])[0].value
    assert found.prediction == served
    assert found.base_value + sum(found.contributions.values()) == pytest.approx(served, rel=1e-6)
    assert found.contributions[PLAN] > 0  # promotions of the made-up panel sell more than twice as much
    assert found.values[SERIES] == "STORE_001 · PROD_C"


def test_the_command_prints_the_groups_and_draws_a_waterfall(trained: Trained, tmp_path: Path) -> None:
    done = run_in(trained.project, "explain", "--json", json.dumps(ROW), "--plot", str(tmp_path / "why.png"))
    assert done.returncode == 0, done.stderr
    assert "promotion and price" in done.stdout
    assert "prediction:" in done.stdout
    assert (tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")


def test_the_global_importances_are_those_of_the_stored_rows_and_of_the_summary(trained: Trained) -> None:
    artifacts = Artifacts.of(trained.config.for_demand())
    stored = read_json(artifacts.demand_importance)
    assert stored is not None
    table = pl.read_parquet(artifacts.demand_explained)
    means = table["shap"].struct.unnest().select(pl.all().abs().mean()).row(0, named=True)
    assert stored["mean_absolute_shap"] == pytest.approx(means, rel=1e-5)
    assert trained.report.importance == stored["mean_absolute_shap"]


def test_the_uplift_is_what_the_model_forecasts_with_and_without_the_flag() -> None:
    model, _, _ = fitted("regression")
    found = uplift(model.predict, demand_panel(), "promotion", 7, seed=1)
    assert found.varied
    assert 1.5 < found.with_flag / found.without < 3
    assert (found.series, found.periods, len(found.largest)) == (6, 7, 6)


def test_a_new_product_is_explained_with_the_warning_that_its_forecast_has(trained: Trained) -> None:
    row = {**ROW, "product_id": "PROD_NEW"}
    found = explained(trained.config, row)
    served = Predictor(load_bundle(trained.config.paths.models_dir, "shop_demand")).predict([row])[0]
    assert found.base_value + sum(found.contributions.values()) == pytest.approx(served.value, rel=1e-6)
    assert found.warnings == served.warnings
    assert "the series is new" in found.warnings[0]
    done = run_in(trained.project, "explain", "--json", json.dumps(row))
    assert "group" in done.stdout
    assert "warning: the series is new" in done.stderr
    assert json.loads(run_in(trained.project, "explain", "--json", json.dumps(row), "--format", "json").stdout)["warnings"]
