import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabtrail.errors import DataError
from tabtrail.modeling.split import split_rows

KEYS = st.lists(st.integers(0, 40).map(str), min_size=60, max_size=200).filter(lambda keys: len(set(keys)) > 10)


@given(keys=KEYS, seed=st.integers(0, 1000))
def test_rows_of_one_key_stay_together_and_every_row_has_one_place(keys: list[str], seed: int) -> None:
    split = split_rows(keys, test_size=0.2, folds=5, seed=seed)
    places: dict[str, set[int]] = {}
    for key, fold in zip(keys, split.fold.tolist(), strict=True):
        places.setdefault(key, set()).add(fold)
    assert all(len(folds) == 1 for folds in places.values())
    assert set(split.fold.tolist()) == {-1, 0, 1, 2, 3, 4}


@given(keys=KEYS, seed=st.integers(0, 1000))
def test_the_order_of_the_rows_is_of_no_account(keys: list[str], seed: int) -> None:
    split = dict(zip(keys, split_rows(keys, test_size=0.2, folds=5, seed=seed).fold.tolist(), strict=True))
    shuffled = random.Random(seed).sample(keys, len(keys))
    assert dict(zip(shuffled, split_rows(shuffled, test_size=0.2, folds=5, seed=seed).fold.tolist(), strict=True)) == split


def test_the_parts_have_the_sizes_that_were_asked_for() -> None:
    keys = [str(number // 9) for number in range(2700)]
    split = split_rows(keys, test_size=0.2, folds=5, seed=42)
    assert abs(split.test.mean() - 0.2) < 0.005
    sizes = np.array(list(Counter(split.fold[split.train].tolist()).values()))
    assert np.ptp(sizes) <= 9


def test_other_seeds_give_other_splits() -> None:
    keys = [str(number) for number in range(300)]
    one, other = (split_rows(keys, test_size=0.2, folds=5, seed=seed).fold.tolist() for seed in (1, 2))
    assert one != other


@pytest.mark.parametrize("keys", [["a"] * 100, ["a", "b", "c", "d", "e"] * 20, ["a"]])
def test_too_few_keys_are_refused_with_numbers(keys: list[str]) -> None:
    with pytest.raises(DataError, match=r"distinct split keys cannot give a test part and 5 folds; lower split.folds"):
        split_rows(keys, test_size=0.2, folds=5, seed=0)
