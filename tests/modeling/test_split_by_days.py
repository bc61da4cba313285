"""A split by stated days: what is learned from, tested and held out, and what is refused."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.projects import Project

from tabtrail.config.model import Split as SplitConfig
from tabtrail.errors import ConfigError, DataError
from tabtrail.modeling.split import Keys, parts_by_day, split_training_part, straddling

EPOCH = date(1970, 1, 1)


def day(number: int) -> date:
    return EPOCH + timedelta(days=number)


def config(first: int, last: int | None = None, **more: Any) -> SplitConfig:
    own = {"kind": "time", "group_key": "k", "train_before": day(first), "evaluate_before": None if last is None else day(last)}
    return SplitConfig(**{**own, **more})


@given(days=st.lists(st.integers(0, 99), min_size=30, max_size=200), gap=st.integers(0, 5))
def test_every_row_is_where_its_day_puts_it_and_no_fold_learns_from_what_comes_later(days: list[int], gap: int) -> None:
    dates = np.array([0, *range(100), *days], dtype=np.float64)
    keys = Keys([""] * len(dates), dates)
    asked = config(40, 70, gap_days=gap, folds=3)
    train, test, held = parts_by_day(keys, asked)
    assert held is not None
    assert np.array_equal(train, dates < 40 - gap)
    assert np.array_equal(test, (dates >= 40) & (dates < 70))
    assert np.array_equal(held, dates >= 70)
    for fold in split_training_part(keys, asked, 1, train, test).folds:
        assert dates[fold.train].max() < dates[fold.valid].min() - gap
        assert dates[fold.valid].max() < 40 - gap


def test_without_a_second_day_all_later_rows_are_tested() -> None:
    train, test, held = parts_by_day(Keys([""] * 100, np.arange(100.0)), config(40))
    assert (train.sum(), test.sum(), held) == (40, 60, None)


def test_a_group_on_both_sides_of_a_day_goes_whole_with_the_later_part_and_is_counted() -> None:
    dates, keys = np.array([10.0, 45, 20, 72, 75, 30, 41]), ["a", "a", "b", "b", "b", "c", "d"]
    rows = Keys(keys, dates)
    train, test, held = parts_by_day(rows, config(40, 70, kind="group_time"))
    assert held is not None
    assert [["train", "test", "held"][place] for place in np.argmax([train, test, held], axis=0)] == (
        ["test", "test", "held", "held", "held", "train", "test"]
    )
    assert straddling(rows, day(40)) == (2, 2)
    assert straddling(rows, day(70)) == (1, 1)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (config(0), r"split\.train_before: no row is before 1970-01-01, the rows are of 1970-01-01 to 1970-04-10"),
        (config(100), r"split\.train_before: no row is from 1970-04-11 on, the rows are of .*; nothing could be tested on"),
        (config(50, 100), r"split\.evaluate_before: no row is from 1970-04-11 on, the rows are of .* to 1970-04-10; name an"),
        (config(3, gap_days=3), r"split\.gap_days 3 leaves no rows to learn from before 1970-01-04"),
    ],
)
def test_a_day_that_leaves_a_part_without_rows_is_refused_with_the_days_that_there_are(asked: SplitConfig, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parts_by_day(Keys([""] * 100, np.arange(100.0)), asked)


def test_days_between_which_there_is_no_row_are_refused() -> None:
    dates = np.array([1.0, 2, 3, 80, 81])
    with pytest.raises(DataError, match=r"no row is from 1970-02-10 on and before 1970-02-20, the rows are of"):
        parts_by_day(Keys([""] * 5, dates), config(40, 50))


def test_rows_without_a_date_are_counted() -> None:
    with pytest.raises(DataError, match=r"2 rows have no date, and split\.kind time needs one in every row"):
        parts_by_day(Keys([""] * 4, np.array([1.0, np.nan, 60, np.nan])), config(40))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["split.train_before=2004-07-01"], r"split\.train_before: a split by days is one by time; set split\.kind: time or"),
        (
            ["split.kind=time", "split.evaluate_before=2005-01-01"],
            r"split\.evaluate_before: it ends what split\.train_before begins",
        ),
        (
            ["split.kind=time", "split.train_before=2005-01-01", "split.evaluate_before=2004-07-01"],
            r"split\.evaluate_before: 2004-07-01 is not after split\.train_before \(2005-01-01\)",
        ),
        (["split.kind=time", "split.train_before=2005-01-01", "split.evaluate_before=2005-01-01"], r"is not after"),
        (
            ["split.kind=time", "split.train_before=2004-13-01"],
            r"split\.train_before: .* cannot be read \(month must be in 1\.\.12\): 2004-13-01",
        ),
        (
            ["split.kind=time", "split.train_before='2004-13-01'"],
            r"split\.train_before: .*'2004-13-01' is not a day; write it as",
        ),
        (["split.kind=time", "split.train_before=2004"], r"split\.train_before: .*'2004' is not a day"),
        (["split.kind=time", "split.train_before=2004-07-01 12:00:00"], r"split\.train_before: .* is not a day"),
        (
            ["split.kind=time", "split.train_before=2004-07-01", "split.test_size=0.3"],
            r"split\.test_size: split\.train_before says",
        ),
        (["split.kind=time", "split.train_before=2004-07-01", "cleaning.date_column=null"], r"needs cleaning\.date_column"),
        (["split.kind=time", "split.train_befor=2004-07-01"], r"unknown key; did you mean 'train_before'\?"),
    ],
)
def test_days_that_do_not_go_together_are_refused_when_the_config_is_read(
    project: Project, overrides: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        project.config("split.repeats=1", *overrides)
