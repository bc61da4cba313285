"""Partial dependence by hand."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabtrail.explain.effects import Effect, partial_dependence


def predict(x: pd.DataFrame) -> Any:
    """Twice the number, and ten more for `b`."""
    return 2 * x["n"].to_numpy() + 10 * (x["t"] == "b").to_numpy()


def rows(count: int) -> pd.DataFrame:
    texts = np.array(["b" if index % 4 == 0 else "a" for index in range(count)], dtype=object)
    return pd.DataFrame({"n": np.arange(count, dtype=np.float64), "t": texts, "empty": np.full(count, np.nan)})


def test_a_few_numbers_are_tried_one_by_one_with_the_other_columns_as_they_are() -> None:
    effect, text = partial_dependence(predict, rows(4), ["n", "t"])
    assert (effect.column, effect.grid, effect.rows, effect.is_text) == ("n", (0.0, 1.0, 2.0, 3.0), 4, False)
    assert effect.mean == (2.5, 4.5, 6.5, 8.5), "twice the number, and a quarter of ten"
    assert effect.lines == ((10.0, 12.0, 14.0, 16.0), *[(0.0, 2.0, 4.0, 6.0)] * 3)
    assert (text.grid, text.mean, text.is_text) == (("a", "b"), (3.0, 13.0), True)


def test_many_rows_and_numbers_are_thinned_out_evenly_with_both_ends() -> None:
    (effect,) = partial_dependence(predict, rows(1000), ["n"])
    assert (effect.rows, len(effect.grid), effect.grid[0], effect.grid[-1]) == (200, 20, 0.0, 999.0)
    assert np.diff(effect.grid) == pytest.approx(999 / 19, abs=6)
    assert len(effect.lines) == 34, "every sixth of 200 rows"
    (twenty,) = partial_dependence(predict, rows(20), ["n"])
    assert twenty.grid == tuple(map(float, range(20)))


def test_the_twelve_most_frequent_texts_are_tried_in_their_order() -> None:
    texts = np.array([letter for index, letter in enumerate("nmlkjihgfedcba") for _ in range(1 + (index >= 2))], dtype=object)
    (effect,) = partial_dependence(lambda x: np.zeros(len(x)), pd.DataFrame({"t": texts}), ["t"])
    assert effect.grid == tuple("abcdefghijkl")


def test_a_column_without_values_has_no_effect_and_an_effect_comes_back_from_json() -> None:
    assert partial_dependence(predict, rows(4), ["empty"]) == []
    (single,) = partial_dependence(predict, rows(1), ["n"])
    assert (single.grid, single.mean, single.lines) == ((0.0,), (10.0,), ((10.0,),))
    (effect,) = partial_dependence(predict, rows(4), ["n"])
    assert Effect.from_dict(json.loads(json.dumps(effect.to_dict()))) == effect
    assert Effect("n", (), (), (), 0).is_text is False
