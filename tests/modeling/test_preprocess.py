"""The matrix that a regressor fits, by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.model_selection import KFold
from sklearn.preprocessing import TargetEncoder

from tabtrail.config.model import Model
from tabtrail.contract.expressions import parse_expression
from tabtrail.modeling.families import Layout
from tabtrail.modeling.preprocess import (
    MANY_TEXTS,
    ArrayArithmetic,
    CategoryCodes,
    FrequencyEncoder,
    Recipe,
    build_preprocessor,
    derive,
    feature_frame,
    native_layout,
    one_hot_positions,
    source_columns,
    splits_on_categories,
)

X = pd.DataFrame({"n": [1.0, np.nan, 3.0, 8.0], "t": np.array(["a", "b", "a", "c"], dtype=object)})
Y = np.array([1.0, 2.0, 3.0, 4.0])
RECIPE = Recipe(("n",), ("t",), ("n",), {"twice": parse_expression("2 * n")}, one_hot=("t",))


def matrix(recipe: Recipe, *, rows: pd.DataFrame = X, **how: bool) -> Any:
    return build_preprocessor(recipe, **{"scaled": False, **how}).fit(X, Y).transform(rows)


def test_numbers_become_their_median_where_missing_and_texts_a_column_each() -> None:
    assert matrix(RECIPE).tolist() == [[1, 2, 1, 0, 0], [3, 6, 0, 1, 0], [3, 6, 1, 0, 0], [8, 16, 0, 0, 1]]
    unseen = matrix(RECIPE, rows=X.assign(t=np.array(["?"] * 4, dtype=object)))
    assert unseen[:, 2:].tolist() == [[0, 0, 0]] * 4


def test_numbers_stay_missing_where_the_trees_take_them() -> None:
    found = matrix(RECIPE, missing_native=True)
    assert np.isnan(found[1, :2]).all()
    assert found[[0, 2, 3], :2].tolist() == [[1, 2], [3, 6], [8, 16]]


def test_columns_of_many_texts_enter_by_target_or_frequency_beside_the_others() -> None:
    model = Model(target="y", numeric_features=("n",), categorical_features=("t", "many"), frequency_encoded=("t",))
    recipe = Recipe.of(model, distinct={"t": 3, "many": MANY_TEXTS + 1})
    assert recipe.many == ("many",)
    assert recipe.entering("shared", rotated=True) == recipe
    assert (recipe.entering("target", rotated=True).one_hot, recipe.entering("target", rotated=True).target) == (
        ("t",),
        ("many",),
    )
    assert recipe.entering("frequency", rotated=True).frequency == ("t", "many")
    assert native_layout(recipe.entering("target", rotated=True)) == Layout(4, (1,))
    assert Recipe.of(model, distinct={"t": 3, "many": MANY_TEXTS}).many == ()


def test_coordinates_are_found_by_their_names_or_said() -> None:
    names = (
        "pickup_lat",
        "Latitude",
        "plateau",
        "pickup_lng",
        "LONGITUDE",
        "lat2",
        "belong",
        "drop.lon",
        "drop.long",
        "drop.lat",
    )
    found = Model(target="y", numeric_features=names)
    assert found.pairs_of_coordinates == (("pickup_lng", "pickup_lat"), ("LONGITUDE", "Latitude"))
    assert found.without_columns({"Latitude"}).pairs_of_coordinates == (("pickup_lng", "pickup_lat"),)
    said = found.model_copy(update={"coordinates": (("lat2", "belong"), ("drop.lon", "drop.lat"))})
    assert said.pairs_of_coordinates == said.coordinates
    assert said.without_columns({"belong"}).pairs_of_coordinates == (("drop.lon", "drop.lat"),)
    assert Recipe.of(found).entering("shared", rotated=False).coordinates == ()


def test_rotated_coordinates_lie_beside_the_numbers_and_before_the_codes() -> None:
    recipe = Recipe(("e", "n"), ("t",), ("e", "n"), {}, one_hot=("t",), coordinates=(("e", "n"),))
    rows = X.assign(e=[1.0, 0.0, np.nan, 2.0])
    fitted = build_preprocessor(recipe, scaled=False, native=True, missing_native=True).fit(rows, Y)
    found = fitted.transform(rows)
    degrees = [22.5, 45, 67.5, 112.5, 135, 157.5]
    assert found[0, 2:8] == pytest.approx([np.cos(np.deg2rad(each)) + np.sin(np.deg2rad(each)) for each in degrees])
    assert found[3, 3] == pytest.approx(10 / np.sqrt(2))
    assert np.isnan(found[1:3, 2:8]).all()
    assert native_layout(recipe) == Layout(9, (8,))
    assert source_columns(fitted)[2:] == [*(f"e and n at {each:g}°" for each in degrees), "t"]


def test_scaled_numbers_have_mean_zero_and_deviation_one() -> None:
    found = matrix(RECIPE, scaled=True)
    assert found[:, :2].mean(axis=0) == pytest.approx([0, 0])
    assert found[:, :2].std(axis=0) == pytest.approx([1, 1])


def test_native_categories_are_one_column_of_codes_where_the_layout_says() -> None:
    recipe = replace(RECIPE, frequency=("t",))
    found = matrix(recipe, native=True)
    assert found[:, 2].tolist() == [0, 1, 0, 2]
    assert native_layout(recipe) == Layout(found.shape[1], (2,))
    assert native_layout(replace(recipe, target=("t",))) == Layout(5, (2,))
    assert native_layout(replace(RECIPE, one_hot=())) is None


def test_only_a_transformer_with_codes_splits_on_categories() -> None:
    assert splits_on_categories(build_preprocessor(RECIPE, scaled=False, native=True).fit(X, Y)) is True
    assert splits_on_categories(build_preprocessor(RECIPE, scaled=False).fit(X, Y)) is False


def test_frequencies_are_shares_of_the_training_rows() -> None:
    encoder = FrequencyEncoder().fit(X[["t"]])
    rows = pd.DataFrame({"t": ["a", "c", "new"]})
    assert encoder.transform(rows).tolist() == [[0.5], [0.25], [0.0]]
    assert encoder.get_feature_names_out().tolist() == ["t"]


def test_targets_are_encoded_across_five_folds_by_the_seed() -> None:
    random = np.random.default_rng(0)
    x = pd.DataFrame({"n": np.zeros(60), "t": random.choice(["a", "b"], 60).astype(object)})
    y = random.normal(size=60)
    recipe = Recipe(("n",), ("t",), (), {}, target=("t",), seed=7)
    folds = KFold(5, shuffle=True, random_state=7)
    expected = TargetEncoder(target_type="continuous", cv=folds).fit_transform(x[["t"]], y)
    assert build_preprocessor(recipe, scaled=False).fit_transform(x, y) == pytest.approx(expected)


def test_rare_texts_share_the_last_code_with_unknown_ones() -> None:
    x = pd.DataFrame({"t": np.array(["a", "a", "b", "b", "c", "d"], dtype=object)})
    codes = CategoryCodes(3).fit(x)
    rows = pd.DataFrame({"t": np.array(["b", "c", "d", "a", "new"], dtype=object)})
    assert codes.transform(rows).ravel().tolist() == [1, 2, 2, 0, 2]
    assert codes.get_feature_names_out().tolist() == ["t"]
    assert CategoryCodes(1).fit(x).transform(rows).tolist() == [[0]] * 5, "all are rare"
    assert np.isnan(CategoryCodes(9).fit(x).transform(rows)[-1, 0])
    assert one_hot_positions(["a", "b", "c"], ["a"]) == ({"a": 2, "b": 0, "c": 1}, 2)
    assert one_hot_positions(["a", "b"], None) == ({"a": 0, "b": 1}, -1)


def test_columns_of_the_matrix_know_the_raw_column_that_they_come_from() -> None:
    x = pd.DataFrame({"n": np.arange(6.0), "t": np.array(["a", "a", "b", "b", "c", "d"], dtype=object)})
    recipe = replace(RECIPE, max_categories=3, frequency=("t",))
    fitted = build_preprocessor(recipe, scaled=False).fit(x, np.arange(6.0))
    assert source_columns(fitted) == ["n", "twice", "t", "t", "t", "t"]
    assert fitted.transform(x).shape == (6, 6)


def test_formulas_over_arrays_by_hand() -> None:
    columns = {"a": np.array([0.0, 3.0, -1.0, np.nan]), "b": np.array([0.0, 2.0, 0.0, 1.0])}
    arithmetic = ArrayArithmetic()
    assert arithmetic.log1p(np.array([0.0, np.e - 1])) == pytest.approx([0, 1])
    assert np.isnan(arithmetic.log1p(np.array([-1.0, -2.0]))).all()
    assert arithmetic.floor(np.array([1.5, -0.5])).tolist() == [1, -1]
    assert derive(parse_expression("a / b"), columns)[1] == 1.5
    assert np.isnan(derive(parse_expression("a / b"), columns)[[0, 2, 3]]).all()
    assert derive(parse_expression("a > b"), columns)[:3].tolist() == [0, 1, 0]
    assert derive(parse_expression("1 + 1"), columns).tolist() == [2, 2, 2, 2]


def test_inputs_are_doubles_and_texts_whatever_the_dataset_has() -> None:
    frame = pl.DataFrame({"n": [1, None], "d": ["1970-01-03", None], "t": ["x", None]}).with_columns(pl.col("d").str.to_date())
    found = feature_frame(frame, ["n", "d"], ["t"])
    assert found[["n", "d"]].iloc[0].tolist() == [1.0, 2.0]
    assert found[["n", "d"]].iloc[1].isna().all()
    assert found["t"].tolist() == ["x", ""]
