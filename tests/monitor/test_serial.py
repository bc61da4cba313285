"""Rows that are alike in time: as many as are worth one independent row are taken for one."""

from dataclasses import replace

import numpy as np
import pytest

from tabtrail.monitor.check import check
from tabtrail.monitor.reference import Column, Reference, make_reference
from tabtrail.monitor.serial import Ladder
from tabtrail.monitor.sketch import Values
from tabtrail.monitor.window import Window

NUMBERS = [f"x{place}" for place in range(5)]
COLUMNS = [*(Column(name, "number") for name in NUMBERS), Column("c", "category")]


def rows(count: int, seed: int, *, rho: float = 0.8) -> dict[str, Values]:
    """Numbers of AR(1), and a text that stays with the same chance; every tenth row or so of `x4` is missing, in runs."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 1, (count, len(NUMBERS) + 1))
    for place in range(1, count):
        steps[place] = rho * steps[place - 1] + np.sqrt(1 - rho**2) * steps[place]
    table: dict[str, Values] = {name: steps[:, place] for place, name in enumerate(NUMBERS)}
    table["x4"] = np.where(steps[:, -1] > 1.3, np.nan, table["x4"])
    fresh = np.flatnonzero(np.concatenate(([True], rng.random(count - 1) >= rho)))
    texts = np.array(["a", "b", "c", "d"], dtype=object)[rng.integers(0, 4, count)]
    return table | {"c": texts[fresh[np.searchsorted(fresh, np.arange(count), side="right") - 1]]}


@pytest.fixture(scope="module")
def reference() -> Reference:
    return make_reference(COLUMNS, rows(4000, 0), days=np.floor(np.arange(4000.0) / 10))


def alarms(reference: Reference, count: int, windows: int) -> int:
    found = 0
    for seed in range(windows):
        window = Window(reference)
        window.add(rows(count, 100 + seed))
        found += check(reference, window, name="window").alarm
    return found


def test_windows_of_correlated_rows_alarm_no_more_than_ten_percent_and_as_if_independent_nearly_always(
    reference: Reference,
) -> None:
    assert alarms(reference, 200, 40) <= 4
    assert alarms(replace(reference, ladder=None), 200, 40) >= 30, "what the ladder is for"


def test_a_drift_that_is_larger_than_slow_change_is_found_among_correlated_rows(reference: Reference) -> None:
    table = rows(400, 7)
    table["x2"] = table["x2"] + 2.0
    window = Window(reference)
    window.add(table)
    assert [each.name for each in check(reference, window, name="window").alarming] == ["x2"]


def test_correlated_rows_are_worth_less_than_one_and_independent_ones_one_each(reference: Reference) -> None:
    ladder = reference.ladder
    assert ladder is not None
    assert ladder.lengths == (50, 100, 200, 500, 1000)
    assert 4 < ladder.worth("x0", "distribution", 200) < 14, "1 + 2 Σ 0.8^k = 9 for the mean of AR(1)"
    assert ladder.worth("x4", "missing", 200) > 2
    plain = make_reference(COLUMNS, rows(4000, 1, rho=0.0), days=np.floor(np.arange(4000.0) / 10)).ladder
    assert plain is not None
    assert max(plain.worth(name, "distribution", 200) for name in NUMBERS) < 2


def test_longer_windows_are_never_worth_more_rows_than_shorter_ones(reference: Reference) -> None:
    assert reference.ladder is not None
    for kinds in reference.ladder.inflation.values():
        for found in kinds.values():
            assert list(found) == sorted(found)


def test_a_reference_too_short_to_hold_nineteen_windows_side_by_side_leaves_their_largest_score_out() -> None:
    ladder = make_reference(COLUMNS, rows(1000, 2), days=np.arange(1000.0)).ladder
    assert ladder is not None
    assert ladder.lengths == (50, 100, 200)
    assert [bool(each) for each in ladder.largest] == [True, False, False]
    assert ladder.slid_p(100.0, 200) == 0.0
    assert ladder.slid_p(1e9, 50) == pytest.approx(1 / (1 + len(ladder.largest[0])))


def test_without_dates_rows_are_taken_as_independent() -> None:
    assert make_reference(COLUMNS, rows(500, 3)).ladder is None
    assert Ladder((), {}, ()).worth("x0", "distribution", 200) == 1.0
