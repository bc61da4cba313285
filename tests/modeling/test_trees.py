"""The plain form of trees says what every library predicts, missing values included."""

from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from tests.support.fitting import WITH_TREES, fit, make_rows
from tests.support.tree_shap import predict

from tabtrail.export.graph import export_onnx
from tabtrail.export.outputs import run_onnx
from tabtrail.modeling.families import FAMILIES, read_trees
from tabtrail.modeling.trees import Trees

pytestmark = pytest.mark.usefixtures("one_thread")

LINKS = {"identity": lambda total: total, "exp": np.exp}
# The only family whose library refuses rows with missing numbers.
MISSING = [name for name, family in FAMILIES.items() if family.read_trees is not None and name != "GradientBoosting"]


@pytest.mark.parametrize("name", WITH_TREES)
def test_the_trees_of_a_fitted_model_predict_what_it_predicts(name: str) -> None:
    pipeline, rows = fit(name), make_rows(200, seed=3)[0]
    rows.loc[::3, "c"] = "never seen"
    matrix, regressor = pipeline.named_steps["preprocess"].transform(rows), pipeline.named_steps["model"]
    trees = read_trees(regressor)
    assert trees is not None
    assert LINKS[trees.link](predict(trees, matrix)) == pytest.approx(regressor.predict(matrix), rel=1e-5)


def fitted_with_holes(name: str) -> tuple[Any, Any]:
    """A family fitted on numbers of which many are missing, nothing filled in."""
    x, y = make_rows(600, seed=1)
    x = x[["a", "b"]]
    x.loc[::3, "a"] = np.nan
    x.loc[::5, "b"] = np.nan
    numbers = ColumnTransformer([("numeric", "passthrough", ["a", "b"])])
    return Pipeline([("preprocess", numbers), ("model", FAMILIES[name].build({}, 7))]).fit(x, y), x


@pytest.mark.parametrize("name", MISSING)
def test_missing_numbers_take_the_branch_of_the_library(name: str) -> None:
    model, x = fitted_with_holes(name)
    expected = model.predict(x)
    trees = read_trees(model.named_steps["model"])
    assert trees is not None
    assert predict(trees, x.to_numpy()) == pytest.approx(expected, abs=0.01)
    assert run_onnx(export_onnx(model, ("a", "b"), (), "m"), x) == pytest.approx(expected, abs=0.01)


def test_trees_are_parallel_lists_and_a_part_of_them_is_numbered_from_zero() -> None:
    trees = Trees("BRANCH_LT", float32_inputs=True, base=5.0, link="exp", float32_sums=True)
    trees.leaf((0, 0), 1.5)
    trees.member((1, 0), 2, [7, 3], (1, 2), missing_true=True)
    trees.leaf((1, 1), -1.0)
    trees.leaf((1, 2), 2.0)
    trees.split((2, 0), 1, 0.25, (1, 2), missing_true=False)
    part = trees.between(1, 3)
    assert (part.base, part.link, part.float32_inputs, part.float32_sums) == (0.0, "exp", True, True)
    assert (part.tree, part.node) == ([0, 0, 0, 1], [0, 1, 2, 0])
    assert part.modes == ["BRANCH_MEMBER", "LEAF", "LEAF", "BRANCH_LT"]
    assert (part.feature, part.threshold, part.codes) == ([2, 0, 0, 1], [0.0, 0.0, 0.0, 0.25], [(3, 7), (), (), ()])
    assert (part.true_id, part.false_id, part.missing_true) == ([1, 0, 0, 1], [2, 0, 0, 2], [1, 0, 0, 0])
    assert part.value == [0.0, -1.0, 2.0, 0.0]


def test_the_libraries_run_on_one_thread_in_silence_and_the_same_each_time() -> None:
    lightgbm, xgboost = (FAMILIES[name].build({}, 7) for name in ("LightGBM", "XGBoost"))
    found = lightgbm.get_params()
    assert [found[name] for name in ("random_state", "n_jobs", "verbose", "deterministic", "force_row_wise")] == [
        7,
        1,
        -1,
        True,
        True,
    ]
    assert (xgboost.get_params()["random_state"], xgboost.get_params()["n_jobs"]) == (7, 1)


@pytest.mark.parametrize(("name", "objective"), [("XGBoost", "reg:gamma"), ("LightGBM", "gamma")])
def test_trees_under_a_link_have_no_contributions_of_their_own_and_xgboost_sums_them_in_float32(
    name: str, objective: str
) -> None:
    x, y = make_rows(80, seed=1)
    matrix, family = x[["a", "b"]].to_numpy(), FAMILIES[name]
    linked = family.build({"n_estimators": 3, "objective": objective}, 7).fit(matrix, y)
    plain = family.build({"n_estimators": 3}, 7).fit(matrix, y)
    assert family.contributions is not None
    assert family.contributions(linked, matrix, matrix) is None
    assert family.contributions(plain, matrix, matrix) is not None
    sums = [found.float32_sums for found in map(read_trees, (linked, plain)) if found is not None]
    assert sums == [name == "XGBoost", False]


def test_the_base_score_of_xgboost_under_a_logistic_link_is_on_the_scale_of_the_sum() -> None:
    pipeline, rows = fit("XGBoost_logistic"), make_rows(50, seed=3)[0]
    matrix, regressor = pipeline.named_steps["preprocess"].transform(rows), pipeline.named_steps["model"]
    trees = read_trees(regressor)
    assert trees is not None
    assert 1 / (1 + np.exp(-predict(trees, matrix))) == pytest.approx(regressor.predict(matrix), rel=1e-5)
