from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.support.fitting import CANDIDATES, CATEGORICAL, DERIVED, LINKED, NUMERIC, fit, make_rows
from tests.support.projects import Trained
from tests.support.tree_shap import shapley_values

from tabtrail.contract.expressions import parse_expression
from tabtrail.errors import TabtrailError
from tabtrail.explain.shapley import Explanation, explain, sample_rows
from tabtrail.modeling.candidates import Candidate
from tabtrail.modeling.estimators import Blend
from tabtrail.modeling.families import family_of, gradient_boosting, read_trees
from tabtrail.modeling.fit import build_model
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.preprocess import source_columns
from tabtrail.project.paths import Artifacts
from tabtrail.system.files import read_json

pytestmark = pytest.mark.usefixtures("one_thread")

INPUTS = [*NUMERIC, *CATEGORICAL]


@pytest.mark.parametrize("name", [*CANDIDATES, *LINKED])
def test_contributions_add_up_to_the_prediction_for_every_family(name: str) -> None:
    pipeline = fit(name)
    x, _ = make_rows(60, seed=5)
    rows = x[INPUTS].head(20)
    explanation = explain(pipeline, x[INPUTS], rows, seed=0)
    assert explanation.values.shape == (20, 3)
    total = explanation.base_value + explanation.values.sum(axis=1)
    assert total == pytest.approx(np.ravel(pipeline.predict(rows)), rel=1e-4)


BOOSTERS = ["GradientBoosting_small", "HistGradientBoosting", "XGBoost", "LightGBM", "CatBoost"]
BOOSTERS_ON_CODES = ["XGBoost_native", "LightGBM_native", "CatBoost_native_one_hot"]


@pytest.mark.parametrize("name", [*BOOSTERS, *BOOSTERS_ON_CODES])
def test_the_contributions_of_a_booster_are_column_by_column_those_of_their_definition(name: str) -> None:
    pipeline, x, rows = fit(name), make_rows(600, seed=1)[0], make_rows(12, seed=5)[0]
    preprocess, regressor = pipeline.named_steps["preprocess"], pipeline.named_steps["model"]
    fitted, matrix = preprocess.transform(x), preprocess.transform(rows)
    trees, family = read_trees(regressor), family_of(regressor)
    assert trees is not None
    assert family is not None
    assert family.contributions is not None
    expected, expected_base = shapley_values(trees, fitted, matrix)
    found = family.contributions(regressor, matrix, fitted)
    assert found is not None
    exact = 2e-3 if name.startswith("XGBoost") else 1e-8  # XGBoost sums predictions of thousands in float32
    assert found[0] == pytest.approx(expected, abs=exact)
    assert found[1] == pytest.approx(expected_base, abs=exact)
    sources = np.array(source_columns(preprocess))
    explanation = explain(pipeline, x[INPUTS], rows[INPUTS], seed=0)
    by_column = np.stack([expected[:, sources == column].sum(axis=1) for column in explanation.columns], axis=1)
    assert explanation.values == pytest.approx(by_column, abs=exact)
    assert np.ptp(np.abs(by_column).mean(axis=0)) > 100, "the columns weigh differently, so that none can stand for another"


def test_the_contributions_of_catboosts_target_statistics_are_near_those_of_their_definition() -> None:
    """Near: CatBoost weighs branches by the statistics of its training, where each row was left out of its own."""
    pipeline, x, rows = fit("CatBoost_native"), make_rows(600, seed=1)[0], make_rows(12, seed=5)[0]
    preprocess, regressor = pipeline.named_steps["preprocess"], pipeline.named_steps["model"]
    trees = read_trees(regressor)
    assert trees is not None
    expected, _ = shapley_values(trees, preprocess.transform(x), preprocess.transform(rows))
    explanation = explain(pipeline, x[INPUTS], rows[INPUTS], seed=0)
    assert explanation.values == pytest.approx(expected, abs=30)
    assert np.ptp(np.abs(expected).mean(axis=0)) > 300


def test_a_column_of_a_linear_model_contributes_what_its_distance_from_the_mean_is_worth() -> None:
    pipeline, x, rows = fit("LinearRegression"), make_rows(600, seed=1)[0][INPUTS], make_rows(12, seed=5)[0][INPUTS]
    explanation = explain(pipeline, x, rows, seed=0)
    for column in NUMERIC:
        without = pipeline.predict(rows.assign(**{column: x[column].mean()}))
        assert explanation.values[:, explanation.columns.index(column)] == pytest.approx(pipeline.predict(rows) - without)


def test_numbers_that_are_large_beside_their_differences_are_told_apart() -> None:
    """Seconds since 1970 and their products: values that are alike to five digits are not one."""
    x, y = make_rows(600, seed=1)
    x = x.assign(a=1_700_000_000 + x["a"], b=1e18 + 1e6 * x["b"])[[*DERIVED.numbers, *DERIVED.texts]]
    formulas = {"difference": parse_expression("a - 1700000000"), "scaled": parse_expression("(b - 1e18) / 1e6")}
    model = build_model(Candidate("LightGBM", "LightGBM", {"n_estimators": 40}), replace(DERIVED, formulas=formulas)).fit(x, y)
    explanation = explain(model, x, x.head(20), seed=0)
    total = explanation.base_value + explanation.values.sum(axis=1)
    assert total == pytest.approx(np.ravel(model.predict(x.head(20))), rel=1e-9)
    assert np.ptp(explanation.values[:, explanation.columns.index("a")]) > 100


def test_a_model_that_predicts_nearly_the_same_for_all_is_explained() -> None:
    x, _ = make_rows(60, seed=5)
    x = x[INPUTS]
    explanation = explain(Nearly(), x, x.head(20), seed=0)
    assert set(explanation.importance) == set(INPUTS)


class Nearly:
    """Predicts 100 and the last digits of a double beside."""

    def predict(self, x: pd.DataFrame) -> Array:
        return np.asarray(100 + 1e-13 * (x["a"].to_numpy() % 2))


@pytest.mark.parametrize("transform", ["none", "log1p", "log_ratio"])
def test_contributions_of_derived_columns_and_transforms_are_by_raw_column_and_add_up(transform: str) -> None:
    model = fit("XGBoost", DERIVED, transform)
    blend = Blend(("one", "other"), (0.5, 0.5), (model, fit("LinearRegression", DERIVED)))
    x, _ = make_rows(60, seed=5)
    x = x[[*DERIVED.numbers, *DERIVED.texts]]
    for each in (model, blend):
        explanation = explain(each, x, x.head(20), seed=0)
        assert explanation.columns == ("a", "b", "d", "c", "code")
        total = explanation.base_value + explanation.values.sum(axis=1)
        assert total == pytest.approx(each.predict(x.head(20)), rel=1e-9)
        assert next(iter(explanation.importance)) in ("a", "b")


def test_one_hot_columns_are_collapsed_into_their_raw_column() -> None:
    pipeline = fit("LinearRegression")
    assert source_columns(pipeline.named_steps["preprocess"]) == ["a", "b", "c", "c", "c", "c"]
    explanation = explain(pipeline, *(make_rows(50, seed=6)[0][INPUTS],) * 2, seed=0)
    assert list(explanation.columns) == [*NUMERIC, *CATEGORICAL]
    assert list(explanation.importance.values()) == sorted(explanation.importance.values(), reverse=True)


def test_what_does_not_add_up_is_an_error_not_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    right = gradient_boosting.tree_contributions

    def wrong(*taken: Any) -> tuple[Array, float]:
        values, base = right(*taken)
        return values * 1.01, base

    monkeypatch.setattr(gradient_boosting, "tree_contributions", wrong)
    x, _ = make_rows(50, seed=7)
    with pytest.raises(TabtrailError, match="Shapley values miss the predictions"):
        explain(fit("GradientBoosting_small"), x[INPUTS], x[INPUTS], seed=0)


def test_up_to_the_configured_rows_are_drawn_without_repeats() -> None:
    x, _ = make_rows(100, seed=8)
    drawn = sample_rows(x, 30, seed=1)
    assert len(drawn) == 30
    assert drawn.index.is_unique
    assert sample_rows(x, 200, seed=1) is x


def test_the_importance_of_the_run_names_its_model_rows_and_unit(trained: Trained) -> None:
    stored = read_json(Artifacts.of(trained.config).importance)
    assert stored is not None
    assert stored["rows"] == 500
    assert stored["unit"] == "USD"
    assert stored["model"] == trained.report.leaderboard.champion
    assert set(stored["mean_absolute_shap"]) == set(trained.config.model.inputs)


def test_importance_is_the_mean_of_absolute_values() -> None:
    explanation = Explanation(("a", "b"), 1.0, np.array([[1.0, -2.0], [-3.0, 0.0]]), np.array([0.0, -2.0]))
    assert explanation.importance == {"a": 2.0, "b": 1.0}
    assert explanation.additivity_error == 0
