"""A model that tells two samples apart: never without reason, and by the column that differs."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tabtrail.modeling.two_samples import auc_of, tell_apart


def rows(count: int, seed: int, *, tied: bool = True) -> dict[str, np.ndarray]:
    """Two numbers with the same distributions whether they are tied or not, a third one and a text."""
    rng = np.random.default_rng(seed)
    sign = rng.choice([-1.0, 1.0], count)
    size = rng.uniform(0.5, 1.5, count)
    other = sign if tied else rng.choice([-1.0, 1.0], count)
    texts = np.array(["a", "b", None], dtype=object)[rng.integers(0, 3, count)]
    return {"x": sign * size, "y": other * size[::-1], "z": rng.normal(0, 1, count), "c": texts}


def test_samples_of_one_distribution_cannot_be_told_apart() -> None:
    found = [tell_apart(rows(400, 2 * seed), rows(200, 2 * seed + 1), seed=seed) for seed in range(4)]
    assert all(each is not None and each.p_value > 0.02 for each in found)
    assert all(each is not None and each.permutations < 99 for each in found), "it stops once chance is shown to do as well"


def test_a_change_that_leaves_every_column_as_it_was_is_seen_and_named() -> None:
    found = tell_apart(rows(600, 1), rows(400, 2, tied=False), seed=0)
    assert found is not None
    assert found.p_value == 0.01
    assert found.auc > 0.65
    assert set(list(found.columns)[:2]) == {"x", "y"}
    assert sum(found.columns.values()) == pytest.approx(1.0)


def test_groups_whose_rows_are_alike_count_as_one_each() -> None:
    rng = np.random.default_rng(3)

    def orders(count: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        return {"x": np.repeat(rng.normal(0, 1, count), 20)}, np.repeat(np.arange(count), 20)

    (first, first_orders), (second, second_orders) = orders(30), orders(15)
    whole = tell_apart(first, second, seed=0, groups=(first_orders, second_orders))
    apart = tell_apart(first, second, seed=0)
    assert whole is not None
    assert apart is not None
    assert apart.p_value == 0.01, "rows as if independent: every order is learned by heart"
    assert whole.p_value > 0.05


def test_too_few_rows_are_not_told_apart() -> None:
    assert tell_apart(rows(400, 1), rows(49, 2), seed=0) is None


def test_the_area_under_the_curve_is_that_of_scikit_learn_with_ties_too() -> None:
    rng = np.random.default_rng(4)
    labels, scores = rng.integers(0, 2, 200), np.round(rng.normal(0, 1, 200), 1)
    assert auc_of(labels, scores) == pytest.approx(roc_auc_score(labels, scores))
