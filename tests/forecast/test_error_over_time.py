"""The model's error by period: its trend, and the period by which a retrain was due."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tabtrail.config.forecast import Risk
from tabtrail.errors import DataError
from tabtrail.forecast.error_over_time import analyse_errors


def test_an_error_that_doubles_is_due_for_a_retrain_and_a_steady_one_is_not() -> None:
    random = np.random.default_rng(1)
    days = [date(2003, 1, 1) + timedelta(days=each) for each in range(900)]
    for growth, due in ((2.0, True), (1.0, False)):
        size = [1.0 if index < 500 else growth for index in range(900)]
        errors = pl.DataFrame(
            {"date": days, "actual": np.zeros(900), "predicted": random.normal(0, 1, 900) * size, "row": range(900)}
        )
        found = analyse_errors(errors, Risk(), "USD", honest=True)
        assert (found.retrain_due is not None) == due
        if found.retrain_due:
            assert "2004-05" < found.retrain_due < "2004-12"
            assert found.trend is not None
            assert found.trend > 0.3


def test_too_few_months_of_errors_are_refused() -> None:
    errors = pl.DataFrame({"date": [date(2003, 1, 1)] * 9, "actual": [1.0] * 9, "predicted": [2.0] * 9})
    found = analyse_errors(errors, Risk(), "USD", honest=True)
    assert (found.status, found.retrain_due) == ("refused", None)
    assert found.reason == "1 months with 5 rows or more are fewer than 8"


def test_the_error_of_a_period_is_the_mean_of_its_rows_and_its_bias_has_a_sign() -> None:
    days = [date(2003, month, 1 + row) for month in range(1, 10) for row in range(5)]
    errors = pl.DataFrame({"date": days, "actual": [10.0] * 45, "predicted": [8.0, 8.0, 8.0, 12.0, 12.0] * 9})
    found = analyse_errors(errors, Risk(), "USD", honest=False)
    assert (found.error, found.bias, found.rows) == ([2.0] * 9, [-0.4] * 9, [5] * 9)
    assert (found.trend, found.retrain_due, found.cusum) == (None, None, [0.0] * 9)
    assert found.summary[-1].startswith("the folds learned from later rows too")


def test_errors_without_dates_are_a_clear_error() -> None:
    errors = pl.DataFrame({"date": [None], "actual": [1.0], "predicted": [2.0]}, schema_overrides={"date": pl.Date})
    with pytest.raises(DataError, match="the champion's errors have no dates"):
        analyse_errors(errors, Risk(), "USD", honest=True)
