"""Explanations by hand: what they weigh, when they do not add up, and their table."""

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tabtrail.errors import TabtrailError
from tabtrail.explain.coalitions import Columns
from tabtrail.explain.shapley import Explanation, Importance, explain, from_shap_table, sample_rows, shap_table

ROWS = pd.DataFrame({"n": [1.0, 3.0], "t": np.array(["x", "y"], dtype=object)})
EXPLANATION = Explanation(("n", "t"), 10.0, np.array([[1.0, -4.0], [3.0, 0.0]]), np.array([7.0, 13.0]))


def test_a_column_weighs_its_mean_absolute_value_and_the_heaviest_comes_first() -> None:
    assert list(EXPLANATION.importance.items()) == [("n", 2.0), ("t", 2.0)]
    assert list(replace(EXPLANATION, values=2 * EXPLANATION.values[:, ::-1]).importance.items()) == [("n", 4.0), ("t", 4.0)]
    assert list(replace(EXPLANATION, values=EXPLANATION.values * [1, 3]).importance.items()) == [("t", 6.0), ("n", 2.0)]


def test_an_explanation_misses_by_its_largest_row() -> None:
    assert EXPLANATION.additivity_error == 0
    assert replace(EXPLANATION, predictions=np.array([7.5, 12.0])).additivity_error == 1.0


def test_the_table_of_an_explanation_comes_back_and_one_without_says_so() -> None:
    table = shap_table(EXPLANATION, ROWS)
    assert table.select("prediction", "base_value").rows() == [(7.0, 10.0), (13.0, 10.0)]
    assert table["shap"].to_list() == [{"n": 1.0, "t": -4.0}, {"n": 3.0, "t": 0.0}]
    assert table["value"].to_list() == [{"n": 1.0, "t": "x"}, {"n": 3.0, "t": "y"}]
    found, rows = from_shap_table(table)
    assert found is not None
    assert (found.columns, found.base_value, found.values.tolist()) == (("n", "t"), 10.0, EXPLANATION.values.tolist())
    assert found.predictions.tolist() == [7.0, 13.0]
    assert rows.equals(ROWS)
    nothing = shap_table(None, ROWS)
    assert nothing["shap"].to_list() == [{"n": None, "t": None}] * 2
    assert nothing.select(pl.col("prediction", "base_value").is_null().all()).row(0) == (True, True)
    missing, rows = from_shap_table(nothing)
    assert missing is None
    assert rows.equals(ROWS)


@pytest.mark.parametrize(("miss", "kept"), [(1e-4, True), (1.0, False), (-1.0, False)])
def test_a_table_that_does_not_add_up_is_refused(miss: float, kept: bool) -> None:
    table = shap_table(replace(EXPLANATION, predictions=EXPLANATION.predictions + np.array([miss, 0.0])), ROWS)
    if kept:
        assert from_shap_table(table)[0] is not None
        return
    with pytest.raises(TabtrailError, match="miss the predictions by up to 1"):
        from_shap_table(table)


def test_an_explanation_without_any_difference_adds_up() -> None:
    flat = Explanation(("n",), 5.0, np.zeros((2, 1)), np.array([5.0, 5.0]))
    assert from_shap_table(shap_table(flat, ROWS[["n"]]))[0] is not None


def test_rows_are_drawn_in_their_order_without_repeats_or_all_taken() -> None:
    drawn = sample_rows(pd.DataFrame({"n": np.arange(50.0)}), 40, seed=3)["n"].to_numpy()
    assert len(np.unique(drawn)) == 40
    assert (np.diff(drawn) > 0).all()
    assert len(sample_rows(ROWS, 2, seed=3)) == 2


class Sum:
    """Predicts a number and a hundred for a text."""

    def predict(self, x: pd.DataFrame) -> np.ndarray:
        assert x["n"].dtype == np.float64, "numbers stay numbers"
        return x["n"].to_numpy(dtype=np.float64) + 100 * (x["t"] == "x").to_numpy()


def test_what_is_a_sum_is_explained_by_the_distance_of_each_part_from_its_mean() -> None:
    background = pd.DataFrame({"n": np.arange(10.0), "t": np.array(["x", "y"] * 5, dtype=object)})
    found = explain(Sum(), background, ROWS, seed=0)
    assert found.base_value == pytest.approx(4.5 + 50)
    assert found.values == pytest.approx(np.array([[1 - 4.5, 50], [3 - 4.5, -50]]))
    assert found.predictions.tolist() == [101.0, 3.0]
    other = explain(Sum(), background, ROWS, seed=0, predict=graph_of_sum)
    assert other.base_value == pytest.approx(55.5), "the faster form of the same model is asked"


def graph_of_sum(columns: Columns) -> np.ndarray:
    """As the graph of a bundle does, predict from columns by name."""
    assert {type(values) for values in columns.values()} == {np.ndarray}, "no frame is made for a graph"
    found: np.ndarray = np.asarray(columns["n"] + 100 * (columns["t"] == "x") + 1, dtype=np.float64)
    return found


def test_what_is_kept_of_an_importance_has_all_of_its_fields() -> None:
    found = Importance("m", "r", 2, "USD", 1.0, 0.0, {"n": 2.0}).to_dict()
    assert (found["model"], found["rows"], found["mean_absolute_shap"], found["clipped_rows"], found["missing"]) == (
        "m",
        2,
        {"n": 2.0},
        0,
        None,
    )


class Wide:
    """Predicts from three of two hundred columns."""

    def predict(self, x: pd.DataFrame) -> np.ndarray:
        return (100 * x["c7"] + 50 * x["c150"] * x["c3"] + 0.1 * x["c9"]).to_numpy(dtype=np.float64)


def test_of_a_wide_table_the_columns_that_move_predictions_are_explained_one_by_one_and_the_others_together() -> None:
    random = np.random.default_rng(0)
    rows = pd.DataFrame({f"c{place}": random.normal(size=500) for place in range(200)})
    found = explain(Wide(), rows, rows, seed=0)
    assert found.columns == tuple(rows.columns)
    assert 0 < found.together < 200
    assert found.base_value + found.values.sum(axis=1) == pytest.approx(found.predictions, abs=1e-9)
    assert set(list(found.importance)[:3]) == {"c7", "c150", "c3"}
    assert explain(Wide(), rows, rows[["c7", "c150", "c3", "c9"]].head(5), seed=0).together == 0
