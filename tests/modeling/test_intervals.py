import json
import time
from collections.abc import Callable
from statistics import fmean, median
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tabtrail.bundle.intervals import Band, Grouping, Intervals
from tabtrail.errors import DataError
from tabtrail.modeling.calibration import Members, calibrate, measure_coverage
from tabtrail.modeling.intervals import coverage_rows, interval_groups
from tabtrail.modeling.metrics import Array

NUMBERS = st.floats(-1e9, 1e9)
SIZES = st.floats(1e-9, 1e9)


@st.composite
def bands(draw: st.DrawFn) -> Band:
    predictions = sorted(draw(st.sets(NUMBERS, min_size=1, max_size=10)))
    scales = draw(st.lists(SIZES, min_size=len(predictions), max_size=len(predictions)))
    return Band(draw(st.integers(9, 10**6)), draw(st.floats(0, 1e6)), tuple(predictions), tuple(scales))


INTERVALS = st.builds(
    Intervals,
    level=st.floats(0.5, 0.99),
    floor=st.none() | NUMBERS,
    bands=st.builds(lambda all_rows, others: {**others, "": all_rows}, bands(), st.dictionaries(st.text(), bands(), max_size=3)),
    ceiling=st.none() | NUMBERS,
)


@given(intervals=INTERVALS, prediction=NUMBERS, group=st.text())
def test_an_interval_holds_its_prediction_and_keeps_the_bounds_that_the_prediction_keeps(
    intervals: Intervals, prediction: float, group: str
) -> None:
    assume(intervals.floor is None or intervals.ceiling is None or intervals.floor <= intervals.ceiling)
    low, high = intervals.bounds(prediction, group)
    assert low <= prediction <= high
    assert intervals.floor is None or low >= min(intervals.floor, prediction)
    assert intervals.ceiling is None or high <= max(intervals.ceiling, prediction)


@given(intervals=INTERVALS, predictions=st.lists(NUMBERS, max_size=5), group=st.text())
def test_intervals_are_the_same_after_a_trip_through_json(intervals: Intervals, predictions: list[float], group: str) -> None:
    again = Intervals.from_dict(json.loads(json.dumps(intervals.to_dict(), allow_nan=False)))
    assert again == intervals
    assert [again.bounds(each, group) for each in predictions] == [intervals.bounds(each, group) for each in predictions]


@given(band=bands(), prediction=NUMBERS)
def test_the_scale_is_that_of_numpys_interpolation(band: Band, prediction: float) -> None:
    scale = np.interp(prediction, band.predictions, band.scales)
    assume(np.isfinite(scale))  # NumPy's slope between two predictions that are next to equal is infinite, ours is not needed
    # NumPy adds a slope to a scale: where a large scale falls to a small one, it keeps the rounding error of the large one.
    rounding = 4 * np.finfo(float).eps * band.quantile * max(band.scales)
    assert band.half_width(prediction) == pytest.approx(band.quantile * scale, rel=1e-6, abs=rounding)


def test_bounds_by_hand() -> None:
    band = Band(rows=100, quantile=2.0, predictions=(10.0, 20.0), scales=(1.0, 3.0))
    intervals = Intervals(0.9, 5.0, {"": band, "tight": Band(60, 1.0, (0.0,), (0.5,))})
    assert intervals.bounds(15.0) == (11.0, 19.0)
    assert intervals.bounds(100.0) == (94.0, 106.0)
    assert intervals.bounds(6.0) == (5.0, 8.0)
    assert intervals.bounds(15.0, "tight") == (14.5, 15.5)
    assert intervals.bounds(15.0, "never seen") == intervals.bounds(15.0)
    assert intervals.bounds(-100.0) == (-100.0, 5.0), "of a model that does not clip"


def test_a_lookup_takes_microseconds() -> None:
    band = Band(5000, 2.0, tuple(map(float, range(10))), tuple(map(float, range(1, 11))))
    intervals = Intervals(0.9, 0.0, {"": band})

    def seconds() -> float:
        start = time.perf_counter()
        for _ in range(1000):
            intervals.bounds(4.5, "")
        return time.perf_counter() - start

    assert median(seconds() for _ in range(5)) / 1000 < 50e-6


def test_the_quantile_is_the_corrected_order_statistic() -> None:
    errors = np.arange(1.0, 20.0)
    intervals = calibrate(errors, np.zeros(19), None, level=0.9)
    assert intervals is not None
    assert intervals.bounds(0.0) == pytest.approx((-18.0, 18.0))


@pytest.mark.parametrize(("level", "least"), [(0.5, 1), (0.7, 3), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_fewer_rows_than_the_level_needs_give_no_intervals(level: float, least: int) -> None:
    rows = np.arange(float(least))
    assert calibrate(rows[1:], np.zeros(least - 1), None, level=level) is None
    assert calibrate(rows, np.zeros(least), None, level=level) is not None


def test_the_scale_of_a_bin_is_its_mean_error_at_its_median_prediction() -> None:
    """Fifty rows with errors of 1 and 3 below, fifty with 10 above: two bins, of means 2 and 10."""
    predicted = np.repeat([5.0, 50.0], 50)
    actual = predicted + np.concatenate([np.tile([1.0, 3.0], 25), np.full(50, 10.0)])
    intervals = calibrate(actual, predicted, None, level=0.9)
    assert intervals is not None
    band = intervals.bands[""]
    assert (band.rows, band.predictions) == (100, (5.0, 50.0))
    assert band.scales == pytest.approx((2.0, 10.0), rel=1e-6)
    assert band.quantile == pytest.approx(1.5), "the errors of 3 are one and a half of their scale"


def test_a_group_with_too_few_rows_is_served_by_the_band_of_all_rows() -> None:
    random = np.random.default_rng(0)
    actual, groups = random.normal(size=200), ["many"] * 151 + ["few"] * 49
    intervals = calibrate(actual, np.zeros(200), groups, level=0.9)
    assert intervals is not None
    assert set(intervals.bands) == {"", "many"}
    assert intervals.bounds(0.0, "few") == intervals.bounds(0.0)
    just_enough = calibrate(actual, np.zeros(200), ["many"] * 150 + ["few"] * 50, level=0.9)
    assert just_enough is not None
    assert set(just_enough.bands) == {"", "many", "few"}


def test_constant_predictions_give_one_scale() -> None:
    actual = np.random.default_rng(0).normal(10, 2, 1000)
    intervals = calibrate(actual, np.full(1000, 10.0), None, level=0.9)
    assert intervals is not None
    assert intervals.bands[""].predictions == (10.0,)
    low, high = intervals.bounds(10.0)
    assert (low, high) == pytest.approx((10 - 1.645 * 2, 10 + 1.645 * 2), abs=0.3)


@given(values=st.lists(st.sampled_from([1.0, 1.0, 1.0, 2.0, 2.5, 3.0]), min_size=9, max_size=400), seed=st.integers(0, 99))
def test_predictions_ascend_and_scales_are_positive_however_often_a_prediction_comes(values: list[float], seed: int) -> None:
    predicted = np.array(values)
    actual = predicted + np.random.default_rng(seed).choice([0.0, 0.0, 1.0, -5.0], len(values))
    intervals = calibrate(actual, predicted, None, level=0.9)
    assert intervals is not None
    band = intervals.bands[""]
    assert list(band.predictions) == sorted(set(band.predictions))
    assert len(band.predictions) == len(band.scales) <= max(1, len(values) // 50)
    assert all(scale > 0 for scale in band.scales)
    assert measure_coverage(intervals, actual, predicted, None).coverage >= 0.9


def test_the_order_of_the_rows_is_of_no_account() -> None:
    random = np.random.default_rng(0)
    predicted = np.round(random.normal(size=500), 1)
    actual, order = predicted + random.normal(size=500), random.permutation(500)
    one, other = calibrate(actual, predicted, None, level=0.9), calibrate(actual[order], predicted[order], None, level=0.9)
    assert one is not None
    assert other is not None
    assert one.bands[""].predictions == other.bands[""].predictions
    assert one.bounds(0.5) == pytest.approx(other.bounds(0.5), rel=1e-12)


def test_an_exact_group_gets_tiny_intervals_that_cover() -> None:
    random = np.random.default_rng(0)
    actual = random.uniform(1000, 9000, 1000)
    groups = ["exact"] * 500 + ["noisy"] * 500
    predicted = actual + np.where(np.arange(1000) < 500, 0.0, random.normal(0, 500, 1000))
    intervals = calibrate(actual, predicted, groups, level=0.9, clip=(0.0, None))
    assert intervals is not None
    exact = measure_coverage(intervals, actual[:500], actual[:500] * (1 + 1e-12), groups[:500])
    assert exact.coverage == 1
    assert 0 < exact.mean_width < 1e-4
    noisy = measure_coverage(intervals, actual[500:], predicted[500:], groups[500:])
    assert noisy.mean_width == pytest.approx(2 * 1.645 * 500, rel=0.15)


def test_a_group_that_is_exact_for_some_predictions_only_stays_finite_and_narrow_there() -> None:
    """The exact half is always inside, so that 80 % of the other half (± 1.282 standard deviations) make 90 % in all."""
    random = np.random.default_rng(0)
    predicted = np.linspace(0, 100, 1000)
    actual = predicted + np.where(predicted < 50, 0.0, random.normal(0, 5, 1000))
    intervals = calibrate(actual, predicted, ["one"] * 1000, level=0.9)
    assert intervals is not None
    assert np.ptp(intervals.bounds(20.0, "one")) < 0.5
    assert np.ptp(intervals.bounds(80.0, "one")) == pytest.approx(2 * 1.282 * 5, rel=0.2)


def test_a_target_of_zeros_predicted_exactly_is_covered() -> None:
    intervals = calibrate(np.zeros(100), np.zeros(100), None, level=0.9)
    assert intervals is not None
    assert intervals.bounds(0.0) == (0.0, 0.0)
    assert measure_coverage(intervals, np.zeros(3), np.zeros(3), None).coverage == 1


def test_coverage_and_width_by_hand() -> None:
    intervals = Intervals(0.9, 0.0, {"": Band(100, 1.0, (0.0,), (2.0,))})
    found = measure_coverage(intervals, np.array([1.0, 4.9, 8.0]), np.array([1.0, 5.0, 5.0]), None)
    assert (found.rows, found.coverage, found.mean_width) == (3, pytest.approx(2 / 3), pytest.approx((3 + 4 + 4) / 3))
    with pytest.raises(DataError, match="no rows to measure the coverage on"):
        measure_coverage(intervals, np.array([]), np.array([]), [])


def constant_spread(x: Array, random: np.random.Generator) -> Array:
    return np.full(len(x), 2.0)


def growing_spread(x: Array, random: np.random.Generator) -> Array:
    return 0.5 + np.abs(x[:, 0] + 3)


def two_spreads(x: Array, random: np.random.Generator) -> Array:
    return np.where(x[:, 1] > 0.5, 10.0, 1.0)


@pytest.mark.parametrize("rows", [300, 1500])
@pytest.mark.parametrize("spread", [constant_spread, growing_spread, two_spreads])
def test_nine_of_ten_new_rows_lie_inside_in_all_and_in_each_group(
    spread: Callable[[Array, np.random.Generator], Array], rows: int
) -> None:
    """150 calibrations: the mean of 90 ± 2 points has a Monte Carlo error of 0.15 (0.35 in the smaller group)."""
    found: dict[str, list[float]] = {}
    for seed in range(150):
        for group, coverage in simulated_coverage(spread, rows, np.random.default_rng(seed)).items():
            found.setdefault(group, []).append(coverage)
    for group, each in found.items():
        assert 0.885 < fmean(each) < 0.915, group


def simulated_coverage(
    spread: Callable[[Array, np.random.Generator], Array], rows: int, random: np.random.Generator
) -> dict[str, float]:
    """Least squares, out-of-fold predictions from five folds, then the model of all rows on fresh ones."""
    x = random.normal(size=(rows + 500, 3))
    y = 3 * x[:, 0] + x[:, 1] + random.normal(size=len(x)) * spread(x, random)
    groups = np.where(x[:, 1] > 0.5, "high", "low")
    fold = np.append(random.permutation(rows) % 5, np.full(500, 5))
    predicted = np.empty(len(x))
    for number in range(6):
        train, valid = (fold != number) & (fold != 5), fold == number
        weights = np.linalg.lstsq(np.column_stack([np.ones(train.sum()), x[train]]), y[train])[0]
        predicted[valid] = weights[0] + x[valid] @ weights[1:]
    intervals = calibrate(y[:rows], predicted[:rows], groups[:rows].tolist(), level=0.9)
    assert intervals is not None
    y, predicted, groups = y[rows:], predicted[rows:], groups[rows:]
    parts = {"all": groups != "", "high": groups == "high", "low": groups == "low"}
    return {
        name: measure_coverage(intervals, y[part], predicted[part], groups[part].tolist()).coverage
        for name, part in parts.items()
    }


def test_intervals_follow_the_spread_where_one_width_would_miss() -> None:
    random = np.random.default_rng(0)
    predicted = random.uniform(1, 10, 6000)
    actual = predicted * (1 + random.normal(0, 0.2, 6000))
    intervals = calibrate(actual[:3000], predicted[:3000], None, level=0.9)
    assert intervals is not None
    for low, high in ((1, 3), (3, 6), (6, 10)):
        fresh = (np.arange(6000) >= 3000) & (predicted >= low) & (predicted < high)
        assert measure_coverage(intervals, actual[fresh], predicted[fresh], None).coverage == pytest.approx(0.9, abs=0.035)


def problem_with(by: str | None, coverage_by: tuple[str, ...] = ()) -> Any:
    return SimpleNamespace(intervals=SimpleNamespace(by=by, coverage_by=coverage_by, level=0.5))


def table_of(y: list[float]) -> Any:
    table = SimpleNamespace(
        y=np.array(y),
        x=pd.DataFrame({"kind": np.array(["b", "a", "b", "a"], dtype=object)}),
        strata={
            "large": np.array([True, False, True, False]),
            "odd": np.array([True, True, False, False]),
            "none": np.zeros(4, bool),
        },
    )
    table.take = lambda rows: table
    return table


def test_a_row_is_of_its_first_stratum_or_its_category_or_of_none() -> None:
    table = table_of([1.0, 2.0, 3.0, 4.0])
    assert interval_groups(problem_with(None), table) == ["", "", "", ""]
    assert interval_groups(problem_with("strata"), table) == ["large", "odd", "large", ""]
    assert interval_groups(problem_with("kind"), table) == ["b", "a", "b", "a"]


def test_coverage_is_of_all_rows_then_of_strata_and_categories_that_have_some() -> None:
    """Half widths of 1; errors 0, 2, 0.5 and 5: the first and the third row lie inside."""
    intervals = Intervals(0.5, None, {"": Band(9, 1.0, (0.0,), (1.0,))})
    table = table_of([1.0, 2.0, 3.0, 4.0])
    result = SimpleNamespace(final=SimpleNamespace(predicted=np.array([1.0, 4.0, 3.5, 9.0])))
    benchmark = SimpleNamespace(problem=problem_with(None, ("kind",)), table=table, split=SimpleNamespace(test=None))
    found = [tuple(vars(row).values()) for row in coverage_rows(benchmark, result, intervals)]  # type: ignore[arg-type]
    assert found == [
        ("all", "all rows", 4, 0.5, 2.0),
        ("stratum", "large", 2, 1.0, 2.0),
        ("stratum", "odd", 2, 0.5, 2.0),
        ("kind", "a", 2, 0.0, 2.0),
        ("kind", "b", 2, 1.0, 2.0),
    ]
    assert coverage_rows(benchmark, result, None) == ()  # type: ignore[arg-type]


def test_a_grouping_takes_the_text_of_its_column_or_the_first_condition_that_holds() -> None:
    strata = Grouping.from_dict({"column": None, "strata": {"dear": "PRICE >= 100", "all": "PRICE > 0"}})
    assert [strata.group({"PRICE": price}) for price in (100.0, 5.0, -1.0, None)] == ["dear", "all", "", ""]
    column = Grouping("KIND")
    assert [column.group({"KIND": text}) for text in ("a", None)] == ["a", ""]
    assert Grouping.from_dict(column.to_dict()) == column


def test_an_average_of_models_gets_the_width_of_its_own_errors() -> None:
    """Each of five models errs by a noise of its own beside that of the rows: a member's intervals, ± 1.645 √(1 + 0.4²), hold the
    mean's errors of √(1 + 0.4² / 5) 91.9 % of the time.
    """
    random = np.random.default_rng(0)
    truth = random.uniform(0, 10, 40_000)
    members = truth + 0.4 * random.normal(size=(5, 40_000))
    actual = truth + random.normal(size=40_000)
    known, fresh = slice(0, 20_000), slice(20_000, None)
    one_each = members[np.arange(20_000) % 5, np.arange(20_000)]
    wide = calibrate(actual[known], one_each, None, level=0.9)
    narrow = calibrate(actual[known], one_each, None, level=0.9, members=Members(members[:, fresh]))
    assert wide is not None
    assert narrow is not None
    average = members[:, fresh].mean(axis=0)
    assert measure_coverage(wide, actual[fresh], average, None).coverage == pytest.approx(0.919, abs=0.005)
    assert measure_coverage(narrow, actual[fresh], average, None).coverage == pytest.approx(0.9, abs=0.005)
    assert narrow.bands[""].scales == wide.bands[""].scales


def test_members_narrow_each_group_by_its_own_rows_and_a_small_one_as_all_rows_do() -> None:
    random = np.random.default_rng(0)
    actual, groups = random.normal(size=600), ["apart"] * 300 + ["alike"] * 300
    predicted = np.stack([np.repeat([1.0, 0.0, 0.0], [200, 200, 49]), np.repeat([-1.0, 0.0, 0.0], [200, 200, 49])])
    members = Members(predicted, ["apart"] * 200 + ["alike"] * 200 + ["few"] * 49)
    wide = calibrate(actual, np.zeros(600), groups, level=0.9)
    narrow = calibrate(actual, np.zeros(600), groups, level=0.9, members=members)
    assert wide is not None
    assert narrow is not None
    left = {name: narrow.bands[name].quantile / band.quantile for name, band in wide.bands.items()}
    assert left["alike"] == 1
    assert left["apart"] == pytest.approx(0.5**0.5), "two members, whose errors can at most have nothing in common"
    assert left[""] == pytest.approx((1 - 200 / 449 / np.mean(actual**2)) ** 0.5)
    assert members.of("few") is members


def test_too_few_rows_of_members_narrow_nothing() -> None:
    actual = np.random.default_rng(0).normal(size=200)
    few = Members(np.stack([np.ones(49), -np.ones(49)]))
    assert calibrate(actual, np.zeros(200), None, level=0.9, members=few) == calibrate(actual, np.zeros(200), None, level=0.9)


def test_members_of_a_target_that_is_predicted_exactly_narrow_nothing() -> None:
    members = Members(np.stack([np.ones(60), -np.ones(60)]))
    intervals = calibrate(np.zeros(100), np.zeros(100), None, level=0.9, members=members)
    assert intervals is not None
    assert intervals.bounds(0.0) == (0.0, 0.0)
