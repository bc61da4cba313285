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
