"""Shapley values of trees against their definition over every set of columns."""

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from tests.support.tree_shap import shapley_values

from tabtrail.modeling.families import family_of, read_trees

MODELS = [
    RandomForestRegressor(n_estimators=3, bootstrap=False, max_features=0.5, random_state=0),
    ExtraTreesRegressor(n_estimators=2, max_depth=9, random_state=0),
    GradientBoostingRegressor(n_estimators=5, max_depth=6, random_state=0),
    HistGradientBoostingRegressor(max_iter=5, random_state=0),
]


def rows_of(seed: int, count: int) -> tuple[Any, Any]:
    """Five columns, one of them with missing values, of which the target takes four, two of them together."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, 5))
    y = 10 * x[:, 0] * x[:, 1] + np.exp(x[:, 2]) + random.normal(size=count)
    x[random.random(count) < 0.1, 3] = np.nan
    return x, y + np.isnan(x[:, 3]) * 5


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_tree_that_splits_a_column_again_and_again_is_explained_by_the_definition(model: Any) -> None:
    if isinstance(model, GradientBoostingRegressor):
        x, y = (np.nan_to_num(each) for each in rows_of(0, 200))  # of scikit-learn's it alone knows no missing values
    else:
        x, y = rows_of(0, 200)
    fitted, rows = model.fit(x, y), np.nan_to_num(rows_of(1, 9)[0])
    family, trees = family_of(fitted), read_trees(fitted)
    assert family is not None
    assert family.contributions is not None
    assert trees is not None
    found = family.contributions(fitted, rows, x)
    assert found is not None
    values, base = shapley_values(trees, x, rows)
    assert found[0] == pytest.approx(values, abs=1e-10)
    assert found[1] == pytest.approx(base, abs=1e-10)
    assert found[1] + found[0].sum(axis=1) == pytest.approx(fitted.predict(rows), abs=1e-12 * float(np.abs(y).sum()))


def test_a_tree_without_a_split_adds_nothing_but_its_base() -> None:
    fitted = RandomForestRegressor(n_estimators=2, random_state=0).fit(np.zeros((4, 2)), np.full(4, 7.0))
    family = family_of(fitted)
    assert family is not None
    assert family.contributions is not None
    values, base = family.contributions(fitted, np.ones((3, 2)), np.ones((3, 2)))  # type: ignore[misc]
    assert values.tolist() == [[0.0, 0.0]] * 3
    assert base == 7.0
