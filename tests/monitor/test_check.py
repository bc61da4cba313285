"""A window without drift does not alarm, and each kind of drift is found and named."""

import numpy as np
import pytest

from tabtrail.monitor.check import DriftCheck, check
from tabtrail.monitor.reference import Column, Reference, make_reference
from tabtrail.monitor.window import Window

NUMBERS, TEXTS = [f"x{place}" for place in range(5)], [f"c{place}" for place in range(3)]
COLUMNS = [*(Column(name, "number") for name in NUMBERS), *(Column(name, "category") for name in TEXTS)]
Table = dict[str, np.ndarray]


def rows(count: int, seed: int) -> Table:
    rng = np.random.default_rng(seed)
    words = np.array(["red", "green", "blue", "black"], dtype=object)
    table: Table = {name: rng.normal(100, 15, count) for name in NUMBERS}
    return table | {name: words[rng.choice(4, count, p=[0.4, 0.3, 0.2, 0.1])] for name in TEXTS}


@pytest.fixture(scope="module")
def reference() -> Reference:
    """As it comes out of a bundle."""
    return Reference.from_bytes(make_reference(COLUMNS, rows(5000, 1)).to_bytes())


def checked(reference: Reference, table: Table) -> DriftCheck:
    window = Window(reference)
    window.add(table)
    return check(reference, window, name="2005-Q1")


def shift(table: Table) -> None:
    table["x0"] = table["x0"] + 7.5


def spread(table: Table) -> None:
    table["x0"] = 100 + 2 * (table["x0"] - 100)


def unit(table: Table) -> None:
    table["x0"] = table["x0"] * 100


def gaps(table: Table) -> None:
    table["x0"][:20] = np.nan


def copied(table: Table) -> None:
    table["x0"] = table["x1"].copy()


def copied_text(table: Table) -> None:
    table["c1"] = table["c0"].copy()


def swapped(table: Table) -> None:
    table["c0"] = np.array([{"red": "black", "black": "red"}.get(text, text) for text in table["c0"]], dtype=object)


def new_text(table: Table) -> None:
    table["c0"][:10] = "violet"


@pytest.mark.parametrize("seed", range(2, 12))
def test_a_window_without_drift_does_not_alarm(reference: Reference, seed: int) -> None:
    found = checked(reference, rows(200, seed))
    assert not found.alarm
    assert found.verdict.startswith("No drift")


@pytest.mark.parametrize(
    ("change", "column", "why"),
    [
        (shift, "x0", "moved by 0.5"),
        (spread, "x0", "moved by 0."),
        (unit, "x0", "moved by"),
        (gaps, "x0", "missing in 10.0% of the rows, 0.0% before"),
        (copied, "x0", "correlation of ranks with x1"),
        (copied_text, "c1", "same as c0 in 100% of the rows"),
        (swapped, "c0", "other shares"),
        (new_text, "c0", "new or rare texts in 5.0% of the rows, 0.0% before"),
    ],
)
def test_each_kind_of_drift_is_found_and_named(reference: Reference, change, column: str, why: str) -> None:
    table = rows(200, 99)
    change(table)
    found = checked(reference, table)
    named = {each.name: each.why for each in found.alarming}
    assert found.alarm
    assert column in named
    assert any(why in reason for reason in named[column]), named
    assert column in found.verdict
