"""Looking again and again: no alarm without drift, one with it, and the same capital however the rows are cut into looks."""

import json

import numpy as np
import pytest

from tabtrail.monitor.martingale import Martingale, begin
from tabtrail.monitor.reference import Column, Reference, make_reference
from tabtrail.monitor.sketch import ERROR, PREDICTION, Values

COLUMNS = [
    Column("x", "number"),
    Column("c", "category"),
    Column(PREDICTION, "number", "prediction"),
    Column(ERROR, "number", "error"),
]


def rows(count: int, seed: int, *, x: float = 0.0, error: float = 0.0) -> dict[str, Values]:
    rng = np.random.default_rng(seed)
    return {
        "x": rng.normal(x, 1, count),
        "c": np.array(["a", "b", "c"], dtype=object)[rng.integers(0, 3, count)],
        PREDICTION: rng.normal(0, 1, count),
        ERROR: rng.normal(error, 1, count),
    }


@pytest.fixture(scope="module")
def reference() -> Reference:
    return make_reference(COLUMNS, rows(3000, 1))


def test_months_without_drift_alarm_in_at_most_five_percent(reference: Reference) -> None:
    alarms = 0
    for month in range(40):
        martingale = begin(reference, seed=month)
        for day in range(30):
            martingale.look(reference, reference.encode(rows(40, 1000 * (month + 1) + day)))
        alarms += martingale.alarmed
    assert alarms <= 5, "1 in 20 is allowed, and six of 40 would be a chance of 1 in 70"


@pytest.mark.parametrize(("drift", "part", "column"), [({"x": 0.7}, "inputs", "x"), ({"error": 0.7}, "errors", ERROR)])
def test_a_drift_after_months_without_one_is_found_and_its_column_leads(reference, drift, part: str, column: str) -> None:
    martingale = begin(reference, seed=0)
    martingale.look(reference, reference.encode(rows(3000, 2)))
    assert not martingale.alarmed
    assert martingale.look(reference, reference.encode(rows(500, 3, **drift)))
    assert max(martingale.parts(), key=lambda each: martingale.parts()[each]) == part
    assert martingale.leading()[0][0] == column


def test_rows_cut_into_other_looks_leave_the_same_capital(reference: Reference) -> None:
    codes = reference.encode(rows(730, 4, x=0.1))
    whole, cut = begin(reference, seed=5), begin(reference, seed=5)
    whole.look(reference, codes)
    for start, end in ((0, 1), (1, 99), (99, 100), (100, 430), (430, 430), (430, 730)):
        cut.look(reference, {name: own[start:end] for name, own in codes.items()})
    assert cut.value == pytest.approx(whole.value, rel=1e-9)


def test_a_state_that_was_written_goes_on_as_if_it_had_not_been(reference: Reference) -> None:
    first, second = (reference.encode(rows(150, seed)) for seed in (6, 7))
    kept, stored = begin(reference, seed=8), begin(reference, seed=8)
    stored.look(reference, first)
    stored = Martingale.from_dict(json.loads(json.dumps(stored.to_dict())))
    kept.look(reference, first)
    assert (kept.look(reference, second), kept.value) == (stored.look(reference, second), stored.value)
    assert kept.history == stored.history


def test_labels_that_come_late_are_bet_on_when_they_come(reference: Reference) -> None:
    martingale = begin(reference, seed=9)
    codes = reference.encode(rows(300, 10))
    without = {name: own for name, own in codes.items() if name != ERROR}
    martingale.look(reference, without)
    assert martingale.parts()["errors"] == pytest.approx(1.0)
    martingale.look(reference, reference.encode({ERROR: np.concatenate(([np.nan] * 50, rows(100, 11, error=1.0)[ERROR]))}))
    errors = martingale.streams["errors"][0]
    assert errors.value > 20
    assert errors.seen == 100, "rows without a label are no rows"


def test_a_state_of_another_deployment_is_refused(reference: Reference) -> None:
    martingale = begin(make_reference(COLUMNS, rows(500, 12)), seed=0)
    with pytest.raises(ValueError, match="belongs to another reference"):
        martingale.look(reference, reference.encode(rows(10, 1)))


def test_rows_that_are_alike_in_time_are_bet_on_one_by_one_no_more() -> None:
    rng = np.random.default_rng(13)
    steps = rng.normal(0, 1, 4000)
    for place in range(1, 4000):
        steps[place] = 0.9 * steps[place - 1] + np.sqrt(1 - 0.81) * steps[place]
    found = make_reference([Column("x", "number")], {"x": steps}, days=np.arange(4000.0))
    assert begin(found, seed=0).streams["inputs"][0].stride > 5
    plain = make_reference([Column("x", "number")], {"x": rng.normal(0, 1, 4000)}, days=np.arange(4000.0))
    assert begin(plain, seed=0).streams["inputs"][0].stride == 1
