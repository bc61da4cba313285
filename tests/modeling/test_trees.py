"""The plain form of trees says what every library predicts, missing values included."""

from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from tests.support.fitting import WITH_TREES, fit, make_rows
from tests.support.tree_shap import predict

from tabtrail.export.graph import export_onnx
from tabtrail.export.parity import run_onnx
from tabtrail.modeling.families import FAMILIES, read_trees

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
