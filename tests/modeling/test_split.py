import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.projects import ONE_CANDIDATE, Project

from tabtrail import pipeline
from tabtrail.config.model import Split as SplitConfig
from tabtrail.errors import ConfigError, DataError
from tabtrail.modeling.split import Keys, Split, hold_out, split_training_part

KEYS = st.lists(st.integers(0, 40).map(str), min_size=60, max_size=200).filter(lambda keys: len(set(keys)) > 10)


def split(keys: list[str], seed: int = 42, dates: Any = None, **config: Any) -> Split:
    dates = None if dates is None else np.asarray(dates, dtype=np.float64)
    rows, split = Keys(keys, dates), SplitConfig(**{"kind": "group", "group_key": "k", **config})
    return split_training_part(rows, split, seed, *hold_out(rows, split, seed, share=split.test_size, keep=split.folds))


def places(keys: list[str], found: Split) -> dict[str, set[tuple[bool, ...]]]:
    """For each key, on which side of every boundary its rows lie."""
    sides = np.stack([found.test, *(fold.valid for fold in found.folds)], axis=1)
    result: dict[str, set[tuple[bool, ...]]] = {}
    for key, side in zip(keys, sides.tolist(), strict=True):
        result.setdefault(key, set()).add(tuple(side))
    return result


@given(keys=KEYS, seed=st.integers(0, 1000))
def test_rows_of_one_key_stay_together_and_every_row_is_validated_once_a_repeat(keys: list[str], seed: int) -> None:
    found = split(keys, seed, repeats=2)
    assert all(len(sides) == 1 for sides in places(keys, found).values())
    assert len(found.folds) == 10
    for repeat in (0, 1):
        validated = sum(fold.valid.astype(int) for fold in found.folds if fold.repeat == repeat)
        assert (validated == found.train).all()
    for fold in found.folds:
        assert (fold.train ^ fold.valid == found.train).all()


@given(keys=KEYS, seed=st.integers(0, 1000))
def test_the_order_of_the_rows_is_of_no_account(keys: list[str], seed: int) -> None:
    shuffled = random.Random(seed).sample(keys, len(keys))
    assert places(shuffled, split(shuffled, seed)) == places(keys, split(keys, seed))


def test_the_parts_have_the_sizes_that_were_asked_for() -> None:
    found = split([str(number // 9) for number in range(2700)])
    assert abs(found.test.mean() - 0.2) < 0.005
    assert np.ptp([fold.valid.sum() for fold in found.folds]) <= 9
    assert found.valid_share == pytest.approx(0.25, abs=0.002)


def test_other_seeds_and_other_repeats_give_other_splits() -> None:
    keys = [str(number) for number in range(300)]
    assert (split(keys, 1).test != split(keys, 2).test).any()
    folds = split(keys, repeats=2).folds
    assert (folds[0].valid != folds[5].valid).any()


@pytest.mark.parametrize("keys", [["a"] * 100, ["a", "b", "c", "d", "e"] * 20, ["a"]])
def test_too_few_keys_are_refused_with_numbers(keys: list[str]) -> None:
    with pytest.raises(DataError, match=r"distinct split keys cannot give a test part and 5 folds; lower split.folds"):
        split(keys)


@settings(deadline=None)
@given(
    days=st.lists(st.integers(0, 400), min_size=80, max_size=200).filter(lambda days: len(set(days)) > 30),
    gap=st.integers(0, 10),
)
def test_a_time_split_never_learns_from_a_day_that_it_predicts_or_a_later_one(days: list[int], gap: int) -> None:
    found = split([""] * len(days), dates=days, kind="time", gap_days=gap, folds=3)
    dates = np.array(days)
    for train, scored in [(found.train, found.test), *((fold.train, fold.valid) for fold in found.folds)]:
        assert train.any()
        assert scored.any()
        assert dates[train].max() + gap < dates[scored].min()
    assert dates[found.test].max() == dates.max()
    assert not any((fold.valid & found.test).any() for fold in found.folds)


def test_a_time_split_tests_about_the_share_that_was_asked_for() -> None:
    found = split([""] * 1000, dates=np.arange(1000), kind="time", folds=4)
    assert found.test.sum() == 200
    assert [int(fold.valid.sum()) for fold in found.folds] == [160] * 4


def test_a_group_with_several_dates_is_on_one_side_and_goes_by_its_last() -> None:
    keys = [str(number // 10) for number in range(1000)]
    dates = np.arange(1000) // 7
    found = split(keys, dates=dates, kind="group_time", gap_days=3, folds=4)
    assert all(len(sides) == 1 for sides in places(keys, found).values())
    assert dates[found.train].max() + 3 < dates[found.test].max()


@pytest.mark.parametrize("dates", [[5] * 100, [1, 2, 3, 4] * 25])
def test_a_time_split_without_dates_enough_is_refused_with_numbers(dates: list[int]) -> None:
    with pytest.raises(DataError, match=r"100 rows have \d dates; a time split into a test part and 5 folds needs 7"):
        split([""] * 100, dates=dates, kind="time")


def test_a_gap_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(DataError, match=r"leaves no rows to learn from|no rows to learn from or to score"):
        split([""] * 100, dates=np.arange(100), kind="time", gap_days=95)


def test_rows_without_a_date_are_counted_where_time_splits() -> None:
    with pytest.raises(DataError, match=r"3 rows have no date, and split\.kind time needs one in every row"):
        split([""] * 100, dates=[np.nan] * 3 + list(range(97)), kind="time")


def test_a_random_split_of_rows_that_belong_together_is_refused_unless_it_is_said_aloud(project: Project) -> None:
    settings = ["split.kind=random", *ONE_CANDIDATE]
    with pytest.raises(ConfigError, match=r"rows? of one ORDERNUMBER on both sides; use split.kind: group, or set"):
        pipeline.run(project.config(*settings), report=False)
    with pytest.raises(ConfigError, match=r"learn from later dates than it is tested on \(ORDERDATE spans \d+ dates\)"):
        pipeline.run(project.config(*settings, "split.group_key=null"), report=False)
    board = pipeline.run(project.config(*settings, "split.allow_leaky=true"), report=False).leaderboard
    assert any("random split although rows may belong together" in note for note in board.notes)
    assert {finding.kind for finding in board.findings} >= {"groups_across_split", "dates_across_split"}


@pytest.mark.parametrize("kind", ["time", "group_time"])
def test_a_benchmark_can_be_split_by_time(project: Project, kind: str) -> None:
    board = pipeline.run(
        project.config(f"split.kind={kind}", "split.gap_days=7", "split.repeats=1", *ONE_CANDIDATE), report=False
    ).leaderboard
    assert board.split["kind"] == kind
    assert board.train_rows + board.test_rows < board.rows


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["split.kind=time", "split.repeats=3"], "split.repeats: a time split has one order only"),
        (["split.gap_days=3"], "split.gap_days: only a time split has a gap"),
        (["split.kind=time", "cleaning.date_column=null"], "split.kind: a time split needs cleaning.date_column"),
    ],
)
def test_a_split_that_makes_no_sense_is_a_config_error(project: Project, settings: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        project.config(*settings)
