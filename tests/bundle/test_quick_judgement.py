"""What tells cheaply that a value is good, or was seen, agrees with what judges it in full."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabtrail.bundle.predictor import _plainly_seen, _unseen
from tabtrail.bundle.values import MOST_EXACT, plainly_good, value_problem
from tabtrail.contract.schema import ColumnRule, Feature

FEATURES = [
    Feature("free", "numeric", ColumnRule("float", nullable=True), seen_min=-1.0, seen_max=7.5),
    Feature("bounded", "numeric", ColumnRule("float", min=0, max=10), seen_min=1.0, seen_max=5.0),
    Feature("whole", "numeric", ColumnRule("int", min=-3), seen_min=-3.0, seen_max=20.0),
    Feature("endless", "numeric", ColumnRule("float", min=-1e300, max=1e300)),
    Feature("text", "categorical", ColumnRule("str"), categories=("a", "b", "", "x\0", "y" * 20_000)),
    Feature("missing", "categorical", ColumnRule("str", nullable=True), categories=("a", "")),
    Feature("listed", "categorical", ColumnRule("str", allowed=("a", "c")), categories=("a",)),
    Feature("day", "date", ColumnRule("date", nullable=True), seen_min=12_000.0, seen_max=13_000.0),
]
EDGES: list[Any] = [
    None, True, False, 0, -0.0, 3, 3.0, 3.5, -3, 10, 10.5, 11, 2**53, -(2**53), 2**53 + 2, MOST_EXACT + 2, 10**400, 1e300,
    float("nan"), float("inf"), -float("inf"), "", "a", "b", "c", "x\0", "y" * 20_000, "\ud800", "2004-01-01", [], {}, ["a"],
]  # fmt: skip
VALUES = st.one_of(st.sampled_from(EDGES), st.integers(), st.floats(), st.text(max_size=3))


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
@given(value=VALUES)
def test_what_is_plainly_good_or_seen_is_so_by_the_full_judgement(feature: Feature, value: Any) -> None:
    if plainly_good(feature)(value):
        assert value_problem(feature, value) is None
    if value_problem(feature, value) is None and (feature.kind != "date" or value in (None, "2004-01-01")):
        assert not _plainly_seen(feature)(value) or _unseen(feature, value) is None


@pytest.mark.parametrize(
    ("name", "value"), [("free", 1.5), ("free", 3), ("bounded", 10), ("whole", 4), ("text", "a"), ("listed", "c")]
)
def test_the_usual_values_are_plainly_good(name: str, value: Any) -> None:
    assert plainly_good(next(each for each in FEATURES if each.name == name))(value)
