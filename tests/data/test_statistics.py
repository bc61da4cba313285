"""Statistics of a dataset are those of its rows, whichever way the rows came together."""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabtrail.data.manifest import ColumnStatistics
from tabtrail.data.statistics import combine, measure, merge

NUMBERS = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([0.0, -0.0, 0.1, 1e308, -1e308]))
WHOLE = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))
TEXTS = st.one_of(st.none(), st.sampled_from(["", "a", "ü", "\U0001f600"]))
ROWS = st.lists(st.tuples(NUMBERS, WHOLE, TEXTS), min_size=1, max_size=8)
SCHEMA = {"x": pl.Float64(), "n": pl.Int64(), "t": pl.String()}


def of(chunks: Sequence[pl.DataFrame]) -> dict[str, ColumnStatistics]:
    return combine([measure(each) for each in chunks], pl.Schema(SCHEMA))


@given(st.lists(ROWS, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_files_appended_in_any_order_have_the_statistics_of_a_whole_ingest(
    files: list[list[tuple]], chance: random.Random
) -> None:
    chunks = [pl.DataFrame(rows, schema=SCHEMA, orient="row") for rows in files]
    whole = of(chunks)
    chance.shuffle(chunks)
    found, rows = of(chunks[:1]), chunks[0].height
    for each in chunks[1:]:
        stored = json.loads(json.dumps({name: asdict(known) for name, known in found.items()}))
        known = {name: ColumnStatistics.from_dict(value) for name, value in stored.items()}
        assert known == found
        found, rows = merge(known, rows, of([each]), each.height), rows + each.height
    assert found == whole
    assert repr(found) == repr(whole), "0.0 and -0.0 are not told apart by chance"


@pytest.mark.parametrize(
    ("values", "mean"),
    [([0.1] * 10, 0.1), ([1e308, 1e308], None), ([1e308, -1e308], 0.0), ([None], None), ([-0.0], 0.0), ([3.0], 3.0)],
)
def test_the_mean_is_that_of_the_numbers(values: list[float | None], mean: float | None) -> None:
    frame = pl.DataFrame({"x": values}, schema={"x": pl.Float64()})
    assert combine([measure(frame)], frame.schema)["x"].mean == mean


def test_without_parts_there_are_no_statistics() -> None:
    assert combine([], pl.Schema(SCHEMA)) == {}
