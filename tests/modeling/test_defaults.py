"""The candidates of a config that names none, from the shape of its table alone."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tabtrail.config.model import Model
from tabtrail.modeling.candidates import candidate_problems, final_problems
from tabtrail.modeling.defaults import Shape, default_candidates, shape_of

SHAPE = Shape(rows=20_000, numbers=8, texts={"kind": 5}, missing=False, least=1.0, skewness=2.0)


@pytest.mark.parametrize("rows", [50, 2_000, 20_000, 1_000_000])
@pytest.mark.parametrize("least", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize("distributed", [False, True])
def test_every_default_can_be_built_and_says_why_it_is_tried(rows: int, least: float, distributed: bool) -> None:
    found = default_candidates(replace(SHAPE, rows=rows, least=least), distributed=distributed)
    written = {name: each.params for name, each in found.items()}
    assert [problem for name, params in written.items() for problem in candidate_problems(name, params)] == []
    assert all(each.reason for each in found.values())
    if distributed:
        assert list(final_problems(written)) == []


@pytest.mark.parametrize(
    ("least", "skewness", "learned"), [(1, 2, "log"), (0, 2, "log1p"), (-1, 2, None), (1, 0.3, None), (1, -2, None)]
)
def test_a_logarithm_is_tried_beside_the_target_where_that_is_skewed_to_the_right(least, skewness, learned) -> None:
    found = default_candidates(replace(SHAPE, least=float(least), skewness=float(skewness)))
    transforms = {each.params.get("target_transform") for each in found.values()}
    assert transforms == ({None} if learned is None else {None, learned})
    assert all(each.params["smearing"] is True for each in found.values() if "target_transform" in each.params)


def test_what_takes_minutes_a_fit_is_not_tried_on_many_rows() -> None:
    names = {rows: set(default_candidates(replace(SHAPE, rows=rows))) for rows in (20_000, 1_000_000)}
    assert names[20_000] == {"LinearRegression", "LightGBM_bag", "LightGBM_log_bag", "CatBoost_bag", "CatBoost_log_bag", "Blend"}
    assert names[1_000_000] == {"LinearRegression", "LightGBM", "LightGBM_log", "Blend"}


@pytest.mark.parametrize(
    ("rows", "net_on", "expected"),
    [
        (20_000, None, None),
        (999, "cpu", None),
        (1_000, "cpu", {"early_stopping_rounds": 16}),
        (32_000, "cpu", {"early_stopping_rounds": 8, "epochs": 32}),
        (200_000, "cuda", {"early_stopping_rounds": 4, "epochs": 16, "device": "cuda"}),
        (200_001, "cuda", None),
    ],
)
def test_a_net_is_tried_where_there_is_a_device_for_it_and_learns_less_often_from_more_rows(rows, net_on, expected) -> None:
    found = default_candidates(replace(SHAPE, rows=rows), net_on=net_on).get("RealMLP")
    if expected is None:
        assert found is None
        return
    own = {"categories": "native", "missing": "native"}
    assert found is not None
    assert found.params == expected | own
    assert list(candidate_problems("RealMLP", found.params)) == []


def test_models_of_folds_are_averaged_unless_they_follow_one_another_in_time() -> None:
    bags = {name for name, each in default_candidates(SHAPE).items() if each.params.get("bag")}
    assert bags == {"LightGBM_bag", "LightGBM_log_bag", "CatBoost_bag", "CatBoost_log_bag"}
    in_time = default_candidates(replace(SHAPE, by_time=True))
    assert {"LightGBM", "CatBoost"} <= set(in_time)
    assert not any(each.params.get("bag") for each in in_time.values())


def test_where_folds_follow_in_time_catboost_is_tried_with_all_of_its_rounds_too() -> None:
    assert not any("all_rounds" in name for name in default_candidates(SHAPE))
    in_time = default_candidates(replace(SHAPE, by_time=True))
    assert in_time["CatBoost"].params["early_stopping_rounds"] == 50
    for name in ("CatBoost_all_rounds", "CatBoost_log_all_rounds"):
        assert "early_stopping_rounds" not in in_time[name].params
        assert list(candidate_problems(name, in_time[name].params)) == []
    assert in_time["CatBoost_log_all_rounds"].params["target_transform"] == "log"
    assert "CatBoost_log_all_rounds" not in default_candidates(replace(SHAPE, by_time=True, skewness=0.0))


def test_few_rows_are_learned_by_small_trees_too_and_many_give_every_category_its_target_statistics() -> None:
    found = {rows: default_candidates(replace(SHAPE, rows=rows)) for rows in (299, 300, 4_999, 5_000, 39_999, 40_000)}
    assert [rows for rows, listed in found.items() if "LightGBM_few_leaves_bag" in listed] == [300, 4_999]
    assert [rows for rows, listed in found.items() if listed["CatBoost_bag"].params["one_hot_max_size"] == 2] == [40_000]
    assert {rows: listed["CatBoost_bag"].params["iterations"] for rows, listed in found.items()} == {
        **dict.fromkeys((299, 300, 4_999), 1000),
        **dict.fromkeys((5_000, 39_999), 400),
        40_000: 250,
    }
    assert [rows for rows, listed in found.items() if listed["LightGBM_bag"].params["learning_rate"] == 0.12] == [40_000]
    assert default_candidates(replace(SHAPE, rows=1_000_000))["LightGBM"].params["learning_rate"] == 0.06


def test_a_bag_of_many_rows_has_fewer_trees_than_a_model_alone() -> None:
    rounds = {
        (rows, by_time): default_candidates(replace(SHAPE, rows=rows, by_time=by_time))
        for rows, by_time in [(4_999, False), (5_000, False), (5_000, True)]
    }
    found = {key: (each.get("CatBoost_bag") or each["CatBoost"]).params["iterations"] for key, each in rounds.items()}
    assert list(found.values()) == [1000, 400, 1000]


def test_texts_of_many_values_enter_by_target_and_by_frequency_for_the_folds_to_choose() -> None:
    found = default_candidates(replace(SHAPE, texts={"kind": 5, "city": 51}))
    assert {each.params.get("many_texts") for each in found.values()} == {None, "target", "frequency"}
    assert "the mean target of the many texts of city" in found["LightGBM_target_bag"].reason
    assert not any("many_texts" in each.params for each in default_candidates(replace(SHAPE, texts={"city": 50})).values())


def test_trees_get_places_along_more_directions_where_numbers_say_where_something_is() -> None:
    found = default_candidates(replace(SHAPE, coordinates=True))
    assert [each.params.get("coordinates") for each in found.values()] == [None, *["rotated"] * 4, None]
    assert [each.params.get("colsample_bytree") for each in found.values()] == [None, 0.5, 0.5, None, None, None]
    assert [each.params.get("border_count") for each in found.values()] == [None, None, None, 128, 128, None]
    plain = default_candidates(SHAPE).values()
    assert not any({"coordinates", "colsample_bytree", "border_count"} & each.params.keys() for each in plain)


def test_categories_are_named_only_where_there_are_texts() -> None:
    plain = default_candidates(replace(SHAPE, texts={}))
    assert not any("categories" in each.params for each in plain.values())
    assert all(each.params["missing"] == "native" for each in plain.values() if "num_leaves" in each.params)


def test_the_shape_is_that_of_the_rows_with_a_target() -> None:
    rows = pl.DataFrame({"y": [1.0, 2.0, 4.0, None], "a": [1, 2, 3, None], "b": [None, 1.0, 2.0, 3.0], "t": ["p", "q", "p", "r"]})
    model = Model(target="y", numeric_features=("a",), categorical_features=("t",), derived_features={"half": "a / 2"})
    found = shape_of(model, rows.lazy())
    assert (found.rows, found.numbers, found.texts, found.missing, found.least) == (3, 2, {"t": 2}, False, 1.0)
    values = np.array([1.0, 2.0, 4.0])
    assert found.skewness == pytest.approx(np.mean((values - values.mean()) ** 3) / values.std() ** 3)
    assert shape_of(Model(target="y", numeric_features=("a", "b")), rows.lazy()).missing is True
