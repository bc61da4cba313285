"""Errors of forecasts."""

import numpy as np
import pytest

from tabtrail.forecast.accuracy import measure


def test_errors_are_safe_where_values_are_zero_and_say_over_how_many_points_they_are() -> None:
    accuracy = measure(np.array([0.0, 0.0, 2.0, 4.0]), np.array([0.0, 1.0, 1.0, 5.0]), 2.0)
    assert (accuracy.mae, accuracy.rmse, accuracy.mase) == (0.75, pytest.approx(np.sqrt(0.75)), 0.375)
    assert (accuracy.mape, accuracy.mape_points) == (pytest.approx((50 + 25) / 2), 2)
    assert (accuracy.smape, accuracy.smape_points) == (pytest.approx((200 + 200 / 3 + 200 / 9) / 3, rel=1e-6), 3)
    assert measure(np.array([0.0]), np.array([0.0]), 0.0).mase is None


def test_errors_of_two_and_three_by_hand() -> None:
    accuracy = measure(np.array([1.0, -10.0, np.nan]), np.array([3.0, -7.0, 5.0]), 5.0)
    assert (accuracy.points, accuracy.mae, accuracy.bias, accuracy.mase) == (2, 2.5, 2.5, 0.5)
    assert accuracy.rmse == pytest.approx(np.sqrt((4 + 9) / 2), rel=1e-6)
    assert accuracy.mape == pytest.approx((200 + 30) / 2)
    assert accuracy.smape == pytest.approx((200 * 2 / 4 + 200 * 3 / 17) / 2, rel=1e-6)


def test_without_points_no_error_has_a_value() -> None:
    accuracy = measure(np.array([np.nan]), np.array([1.0]), 1.0)
    assert (accuracy.points, accuracy.rmse, accuracy.mae, accuracy.mape_points, accuracy.mase) == (0, None, None, 0, None)
