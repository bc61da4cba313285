"""What a reference keeps, and what it must not."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tabtrail.contract.schema import ColumnRule
from tabtrail.monitor.reference import MOST_BYTES, Column, Reference, make_reference
from tabtrail.monitor.sketch import MISSING, Sketch, sketch_of
from tabtrail.monitor.window import Window

FLOATS = st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, 100.0]) | st.just(float("nan"))


def texts(*counted: tuple[str | None, int]) -> np.ndarray:
    return np.array([text for text, count in counted for _ in range(count)], dtype=object)


@given(arrays(np.float64, st.integers(1, 300), elements=FLOATS))
def test_every_row_is_in_one_cell_and_the_sketch_comes_back_from_its_json(values: np.ndarray) -> None:
    sketch = sketch_of(Column("x", "number"), values)
    assert sketch.rows == len(values)
    assert sketch.counts[MISSING] == np.isnan(values).sum()
    assert np.array_equal(np.bincount(sketch.encode(values), minlength=len(sketch.counts)), sketch.counts)
    again = Sketch.from_dict(json.loads(json.dumps(sketch.to_dict())))
    assert np.array_equal(again.encode(values), sketch.encode(values))


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_a_constant_that_changes_leaves_its_cell(before: float, now: float) -> None:
    sketch = sketch_of(Column("x", "number"), np.full(20, before))
    same = np.array_equal(sketch.encode(np.array([now])), sketch.encode(np.array([before])))
    assert same == (before == now)


def test_a_text_that_occurs_less_often_than_k_is_nowhere_in_the_file() -> None:
    values = {"c": texts(("common", 40), ("Jane Doe", 9), ("enough", 10), (None, 3))}
    text = make_reference([Column("c", "category")], values, days=np.arange(62.0)).to_bytes().decode()
    assert "common" in text
    assert "enough" in text
    assert "Jane Doe" not in text


def test_a_reference_comes_back_from_its_text_and_has_the_same_hash() -> None:
    rng = np.random.default_rng(0)
    columns = [Column("x", "number", rule=ColumnRule("float", min=0, max=100)), Column("c", "category"), Column("d", "date")]
    days = np.floor(np.sort(rng.uniform(12_000, 12_400, 800)))
    values = {"x": rng.uniform(0, 120, 800), "c": texts(("a", 500), ("b", 300)), "d": days}
    reference = make_reference(columns, values, days=days)
    again = Reference.from_bytes(reference.to_bytes())
    assert again.to_bytes() == reference.to_bytes()
    assert again.sha256 == reference.sha256
    assert reference.month_names[0] == "2002-11"
    assert len(reference.months["x"]) == len(reference.month_names)
    assert reference.sketches["x"].out == (values["x"] > 100).sum()


@pytest.mark.parametrize(("numbers", "categories"), [(20, 20), (150, 50)])
def test_a_wide_table_is_sketched_within_200_kb(numbers: int, categories: int) -> None:
    rng = np.random.default_rng(0)
    names, words = [f"a number {place}" for place in range(numbers)], [f"a text {place}" for place in range(categories)]
    vocabulary = np.array([f"a rather long word {place}" for place in range(300)], dtype=object)
    values = {name: rng.normal(0, 1, 5000) for name in names}
    values |= {name: vocabulary[rng.integers(0, 300, 5000)] for name in words}
    columns = [*(Column(name, "number") for name in names), *(Column(name, "category") for name in words)]
    reference = make_reference(columns, values)
    assert len(reference.to_bytes()) <= MOST_BYTES
    assert set(reference.sketches) == {*names, *words}


def test_columns_that_follow_from_the_date_are_listed_apart() -> None:
    rng = np.random.default_rng(0)
    days = np.floor(np.sort(rng.uniform(12_000, 12_900, 2000)))
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    values = {
        "MONTH_ID": months % 12 + 1.0,
        "QTR_ID": texts(*((f"Q{month % 12 // 3 + 1}", 1) for month in months)),
        "YEAR_ID": 1970.0 + months // 12,
        "ORDERNUMBER": np.arange(2000.0),
        "ORDERDATE": days,
        "QUANTITY": rng.integers(20, 50, 2000).astype(float),
        "CONSTANT": np.ones(2000),
        "LINE": texts(*((f"line {place % 7}", 1) for place in range(2000))),
    }
    kinds = {"QTR_ID": "category", "LINE": "category", "ORDERDATE": "date"}
    columns = [Column(name, kinds.get(name, "number")) for name in values]  # type: ignore[arg-type]
    apart = make_reference(columns, values, days=days).apart
    assert set(apart) == {"MONTH_ID", "QTR_ID", "YEAR_ID", "ORDERNUMBER", "ORDERDATE"}
    assert (apart["QTR_ID"], apart["ORDERNUMBER"]) == ("quarter", "a running number")


@given(st.lists(st.integers(1, 99), max_size=5), st.integers(0, 2**32))
def test_a_window_is_the_same_however_its_rows_are_cut_into_blocks(cuts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = [Column("x", "number"), Column("y", "number"), Column("c", "category"), Column("d", "category")]
    words = np.array(["a", "b", "new"], dtype=object)
    reference = make_reference(
        columns, {"x": np.arange(50.0), "y": rng.normal(0, 1, 50), "c": texts(("a", 25), ("b", 25)), "d": texts(("b", 50))}
    )
    table = {
        "x": rng.normal(20, 30, 100),
        "y": rng.normal(0, 1, 100),
        "c": words[rng.integers(0, 3, 100)],
        "d": words[rng.integers(0, 2, 100)],
    }
    whole, cut = Window(reference), Window(reference)
    whole.add(table)
    edges = sorted({0, *cuts, 100})
    for start, end in pairwise(edges):
        cut.add({name: values[start:end] for name, values in table.items()})
    assert (cut.rows, cut.beyond) == (whole.rows, whole.beyond)
    assert all(np.array_equal(cut.counts[name], whole.counts[name]) for name in table)
    assert cut.above["x"] == pytest.approx(whole.above["x"])
    assert np.allclose(cut.ties.correlation, whole.ties.correlation, equal_nan=True)
    assert np.allclose(cut.ties.equal, whole.ties.equal)
