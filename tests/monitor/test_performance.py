"""Errors with labels and without."""

import numpy as np
import pytest

from tabtrail.monitor.calibration import calibration_error
from tabtrail.monitor.performance import estimate, measure, slice_places, wilson
from tabtrail.monitor.reference import ErrorSample, sample_errors


def training(rows: int = 2000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions, actual values whose errors grow with the prediction, and a column."""
    rng = np.random.default_rng(0)
    predicted = rng.uniform(10, 100, rows)
    return predicted, predicted + rng.normal(0, predicted / 10), np.array(["a", "b"], dtype=object)[rng.integers(0, 2, rows)]


@pytest.fixture(scope="module")
def sample() -> ErrorSample:
    predicted, actual, column = training()
    bounds = (predicted * 0.84, predicted * 1.16, 0.9)
    return sample_errors(actual, predicted, interval=bounds, slices={"column": column})


def test_the_error_of_a_window_like_training_lies_in_its_interval(sample: ErrorSample) -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(40):
        predicted = rng.uniform(10, 100, 150)
        found = measure(sample, predicted + rng.normal(0, predicted / 10), predicted)
        assert found is not None
        inside += not found.worse
    assert inside >= 36


def test_an_error_that_grew_by_half_is_worse_and_so_is_the_slice_where_it_did(sample: ErrorSample) -> None:
    rng = np.random.default_rng(2)
    predicted = rng.uniform(10, 100, 400)
    column = np.array(["a", "b"], dtype=object)[rng.integers(0, 2, 400)]
    actual = predicted + rng.normal(0, predicted / 10) * np.where(column == "b", 2.0, 1.0)
    column[:3] = None, "never seen", "None"
    places = {"column": slice_places(sample, "column", column)}
    inside = (actual >= predicted * 0.84) & (actual <= predicted * 1.16)
    found = measure(sample, actual, predicted, inside=inside, slices=places)
    assert found is not None
    assert found.worse
    assert found.calibration_before == sample.calibration
    assert [(each.column, each.value) for each in found.slices] == [("column", "b")]
    assert found.coverage is not None
    assert found.coverage.high < 0.9 == found.level


def test_rows_without_a_label_are_left_out_and_without_any_there_is_no_performance(sample: ErrorSample) -> None:
    predicted = np.linspace(10, 100, 50)
    found = measure(sample, np.where(np.arange(50) < 20, predicted, np.nan), predicted)
    assert found is not None
    assert (found.rows, found.mae.value) == (20, 0.0)
    assert measure(sample, np.full(50, np.nan), predicted) is None


def test_without_labels_the_error_is_estimated_where_the_predictions_say_so(sample: ErrorSample) -> None:
    rng = np.random.default_rng(3)
    predicted = rng.uniform(70, 100, 500)
    found = estimate(sample, predicted, beyond=0.0)
    truth = float(np.abs(rng.normal(0, predicted / 10)).mean())
    assert found.kind == "estimated"
    assert found.mae is not None
    assert found.mae.low < truth < found.mae.high
    assert found.mae.value > 1.3 * found.before


@pytest.mark.parametrize(
    ("predicted", "beyond", "why"),
    [
        (np.linspace(10, 100, 50), 0.2, "20% of the rows have an input unlike any"),
        (np.linspace(90, 190, 50), 0.0, "of the predictions lie outside"),
        (np.array([np.nan]), 0.0, "there are no predictions"),
    ],
)
def test_an_estimate_is_withheld_outside_what_training_saw(sample: ErrorSample, predicted, beyond: float, why: str) -> None:
    found = estimate(sample, predicted, beyond=beyond)
    assert found.mae is None
    assert why in str(found.withheld)


def test_calibration_error_weighs_ten_bins_of_like_predictions_by_their_rows() -> None:
    predicted = np.repeat(np.arange(10.0), 4)
    actual = predicted + np.repeat([0, 0, 0, 0, 0, 2, -2, 0, 0, 0], 4)
    assert calibration_error(predicted, actual) == pytest.approx(0.4)
    noisy = predicted + np.tile([-1.0, 1.0, -1.0, 1.0], 10)
    assert calibration_error(predicted, noisy) == pytest.approx(0.0), "noise within a bin is no calibration error"


def test_a_share_has_wilsons_interval() -> None:
    found = wilson(8, 10)
    assert (found.value, found.low, found.high) == pytest.approx((0.8, 0.490162, 0.943318), abs=1e-6)
