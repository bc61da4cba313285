"""Rows in which a value is missing are a slice of their own, by that word."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from tabtrail.modeling import slices


def test_missing_texts_numbers_and_dates_are_slices_called_missing() -> None:
    texts = SimpleNamespace(plain=lambda: np.array(["Diesel", "", "Petrol"], dtype=object))
    keys = SimpleNamespace(date=np.array([0.0, np.nan, 100.0]))
    table = SimpleNamespace(texts={"fuel": texts}, numbers={"age": np.array([1.0, np.nan, 2.0])}, strata={}, keys=keys)
    model = SimpleNamespace(text_features=["fuel"], numeric_features=["age"])
    problem = SimpleNamespace(model=model, date_column="day")
    found = dict(slices._labels(cast("Any", problem), cast("Any", table)))
    assert {name: labels.tolist() for name, labels in found.items()} == {
        "fuel": ["Diesel", "missing", "Petrol"],
        "age": ["1", "missing", "2"],
        "day": ["1970-Q1", "missing", "1970-Q2"],
    }
