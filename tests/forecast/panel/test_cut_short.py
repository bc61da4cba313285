"""The demand of a week or month within which the data ends is not known yet."""

from datetime import date, timedelta
from typing import Literal

import numpy as np
import polars as pl
import pytest
from tests.support.demand import DEMAND

from tabtrail.forecast.panel.build import build_panel
from tabtrail.forecast.panel.cut_short import cut_short
from tabtrail.forecast.panel.notes import account_notes

FIRST = date(2024, 1, 1)  # a Monday


def every_day(last: date, *, without: tuple[int, ...] = ()) -> list[date]:
    days = [FIRST + timedelta(days=number) for number in range((last - FIRST).days + 1)]
    return [day for day in days if day.weekday() not in without]


def rows(days: list[date]) -> pl.LazyFrame:
    columns = {"date": days, "units": [1.0 + number % 3 for number in range(len(days))]}
    frame = pl.DataFrame(columns).with_columns(store_id=pl.lit("s"), product_id=pl.lit("p"))
    return frame.with_columns(price=pl.lit(2.0), promotion=pl.col("units").eq(1).cast(pl.Int64)).lazy()


@pytest.mark.parametrize(
    ("frequency", "days", "ended"),
    [
        ("W", every_day(date(2024, 3, 6)), date(2024, 3, 6)),  # a Wednesday
        ("W", every_day(date(2024, 3, 10)), None),
        ("W", every_day(date(2024, 3, 9), without=(6,)), None),  # closed on Sundays
        ("W", [FIRST + timedelta(days=7 * number) for number in range(9)], None),  # weeks as their Mondays
        ("W", [*[FIRST + timedelta(days=6 + 7 * number) for number in range(9)], date(2024, 3, 6)], date(2024, 3, 6)),
        ("W", every_day(date(2024, 1, 3)), None),  # nothing to compare it with
        ("MS", every_day(date(2024, 5, 17)), date(2024, 5, 17)),
        ("MS", every_day(date(2024, 2, 29)), None),
        ("MS", every_day(date(2024, 3, 30), without=(6,)), None),  # the 31st is a Sunday
        ("MS", [date(2024, month, 1) for month in (2, 3)], None),  # 30 days are left of March, 28 were of February
        ("D", every_day(date(2024, 3, 6)), None),
    ],
)
def test_a_period_is_cut_short_where_its_last_day_is_early_for_one(
    frequency: Literal["D", "W", "MS"], days: list[date], ended: date | None
) -> None:
    demand = DEMAND.model_copy(update={"frequency": frequency, "duplicates": "sum"})
    assert cut_short(rows(days), demand, "date") == ended


def test_what_was_sold_in_it_by_then_is_left_out_and_said_and_it_is_forecast() -> None:
    demand = DEMAND.model_copy(update={"frequency": "W", "duplicates": "sum"})
    days = every_day(date(2024, 3, 6))
    panel = build_panel(rows(days), demand, "date")
    assert panel.calendar.last_day(panel.last) == date(2024, 3, 3)
    assert panel.target[0].min() >= 12.0
    assert panel.known["price"].shape[1] == panel.periods + 1, "what was planned of it is known"
    assert panel.account is not None
    assert panel.account.kept + panel.account.plan_rows + panel.account.duplicates == panel.account.rows == len(days)
    assert any("ends on 2024-03-06, within a week" in note for note in account_notes(panel.account, demand))
    whole = build_panel(rows(days), demand.model_copy(update={"drop_incomplete": False}), "date")
    assert whole.calendar.last_day(whole.last) == date(2024, 3, 10)
    np.testing.assert_array_equal(whole.target[0, :-1], panel.target[0])
