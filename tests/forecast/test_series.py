"""Regular time series: sums by period, gaps, incomplete periods."""

import random
from datetime import date

import numpy as np
import pytest

from tabtrail.errors import DataError
from tabtrail.forecast.series import Segment, periods, regular

END = date(2005, 5, 31)


def test_values_are_summed_by_month_and_months_without_rows_are_zero() -> None:
    dated = [(date(2005, 4, 30), 2.0), (date(2005, 1, 5), 1.0), (date(2005, 1, 9), 4.0)]
    series = regular(dated, Segment(), "MS", END, drop_incomplete=True)
    assert series.values.tolist() == [5.0, 0.0, 0.0, 2.0, 0.0]
    assert series.periods[0] == date(2005, 1, 1)
    assert series.notes == ()


def test_the_order_of_the_dates_is_of_no_account() -> None:
    dated = [(date(2003, 1 + index % 12, 1 + index), float(index)) for index in range(28)]
    shuffled = random.Random(3).sample(dated, len(dated))
    first, second = (regular(each, Segment(), "W", END, drop_incomplete=True) for each in (dated, shuffled))
    assert first.values.tolist() == second.values.tolist()


def test_a_gap_of_a_year_is_a_year_of_zeros() -> None:
    dated = [(date(2003, 1, 1), 1.0), (date(2005, 5, 1), 2.0)]
    series = regular(dated, Segment(), "MS", END, drop_incomplete=True)
    assert len(series.values) == 29
    assert np.count_nonzero(series.values) == 2


def test_the_last_month_is_left_out_where_the_data_ends_before_it_does_and_said() -> None:
    dated = [(date(2005, 4, 3), 1.0), (date(2005, 5, 3), 2.0)]
    dropped = regular(dated, Segment(), "MS", date(2005, 5, 20), drop_incomplete=True)
    assert dropped.values.tolist() == [1.0]
    assert dropped.notes == ("the month of 2005-05-01 is left out: the data ends 11 days before it does",)
    kept = regular(dated, Segment(), "MS", date(2005, 5, 20), drop_incomplete=False)
    assert kept.values.tolist() == [1.0, 2.0]
    assert "may be incomplete" in kept.notes[0]


def test_weeks_begin_on_monday_and_days_are_days() -> None:
    dated = [(date(2005, 5, 29), 1.0), (date(2005, 5, 30), 2.0)]
    assert regular(dated, Segment(), "W", date(2005, 6, 5), drop_incomplete=True).values.tolist() == [1.0, 2.0]
    assert regular(dated, Segment(), "D", END, drop_incomplete=True).values.tolist() == [1.0, 2.0, 0.0]
    assert periods(date(2004, 12, 1), "MS", 2) == [date(2004, 12, 1), date(2005, 1, 1)]


def test_no_rows_are_a_clear_error() -> None:
    with pytest.raises(DataError, match="there are no rows"):
        regular([], Segment(), "MS", END, drop_incomplete=True)
