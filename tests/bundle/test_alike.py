"""Rows that share whole numbers are found as such, however many columns there are and however far the numbers lie apart."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tabtrail.bundle.alike import alike_rows

numbers = st.one_of(st.integers(0, 2), st.integers(-5, 5), st.sampled_from([-(10**9), 0, 10**9]))


@given(st.integers(1, 30).flatmap(lambda rows: st.lists(st.lists(numbers, min_size=rows, max_size=rows), max_size=12)))
def test_rows_are_alike_where_all_their_numbers_are(columns: list[list[int]]) -> None:
    rows = len(columns[0]) if columns else 4
    one, kinds = alike_rows([np.array(each) for each in columns], rows)
    keys = list(zip(*columns, strict=True)) if columns else [()] * rows
    assert sorted(set(keys)) == sorted(keys[at] for at in one)
    assert [keys[one[kind]] for kind in kinds] == keys


def test_no_rows_have_no_kinds() -> None:
    one, kinds = alike_rows([np.zeros(0, dtype=np.int64)], 0)
    assert (len(one), len(kinds)) == (0, 0)
