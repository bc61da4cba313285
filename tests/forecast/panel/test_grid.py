"""A panel has every period of every series from its first row on, and says what became of each."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support.demand import DEMAND, demand_rows

from tabtrail.errors import DataError
from tabtrail.forecast.panel.build import build_panel


def build(rows: list[tuple[Any, ...]], **changed: Any) -> Any:
    names = {"date": pl.String, "store_id": pl.String, "product_id": pl.String, "units": pl.Float64, "price": pl.Float64}
    frame = pl.DataFrame(rows, schema={**names, "promotion": pl.Int64}, orient="row").with_columns(pl.col("date").str.to_date())
    return build_panel(frame.lazy(), DEMAND.model_copy(update=changed), "date")


ROWS = [("2024-01-01", "s", "p", 4.0, 2.0, 0), ("2024-01-04", "s", "p", 6.0, 3.0, 1), ("2024-01-03", "s", "q", 1.0, 5.0, 0)]


MISSING = [4.0, np.nan, np.nan, 6.0]


@pytest.mark.parametrize(
    ("how", "filled"), [("zero", [4.0, 0.0, 0.0, 6.0]), ("missing", MISSING), ("forward_fill", [4.0, 4.0, 4.0, 6.0])]
)
def test_a_day_without_a_row_is_what_the_config_says(how: str, filled: list[float]) -> None:
    panel = build(ROWS, missing_periods=how)
    np.testing.assert_array_equal(panel.target[0], filled)
    assert panel.account.without_row == 3  # two of p, and the last day of q


def test_days_before_the_first_row_of_a_series_are_no_days_without_demand() -> None:
    panel = build(ROWS, missing_periods="zero")
    np.testing.assert_array_equal(panel.target[1], [np.nan, np.nan, 1.0, 0.0])


def test_the_price_of_a_day_without_a_row_is_the_last_known_one_and_a_flag_is_off() -> None:
    panel = build(ROWS)
    np.testing.assert_array_equal(panel.known["price"][0], [2.0, 2.0, 2.0, 3.0])
    np.testing.assert_array_equal(panel.known["promotion"][0], [0.0, 0.0, 0.0, 1.0])
    assert panel.flags() == ("promotion",)


def test_two_rows_of_a_series_on_one_day_are_refused_or_put_together_as_asked() -> None:
    twice = [*ROWS, ("2024-01-04", "s", "p", 10.0, 4.0, 1)]
    with pytest.raises(DataError, match=r"2 for store_id 's', product_id 'p' in that of 2024-01-04.*demand.duplicates"):
        build(twice)
    assert build(twice, duplicates="sum").target[0, -1] == 16
    assert build(twice, duplicates="mean").target[0, -1] == 8
    assert build(twice, duplicates="last").target[0, -1] == 10
    assert build(twice, duplicates="sum").account.duplicates == 1


def test_closed_and_sold_out_days_are_not_learned_from_and_are_counted() -> None:
    panel = build(ROWS, closed="promotion == 1", stockout="price == 5")
    assert np.isnan(panel.target[0, 3])
    assert np.isnan(panel.target[1, 2])
    assert (panel.account.closed, panel.account.stockout) == (1, 1)


@pytest.mark.parametrize(("how", "value"), [("keep", -3.0), ("zero", 0.0), ("missing", np.nan)])
def test_demand_below_zero_is_what_the_config_says(how: str, value: float) -> None:
    panel = build([*ROWS, ("2024-01-02", "s", "p", -3.0, 2.0, 0)], negative=how)
    np.testing.assert_equal(panel.target[0, 1], value)
    assert panel.account.negative == 1


def test_rows_without_demand_after_the_last_known_day_are_the_plan() -> None:
    panel = build([*ROWS, ("2024-01-06", "s", "p", None, 9.0, 1)])
    assert panel.periods == 4
    np.testing.assert_array_equal(panel.known["price"][0], [2.0, 2.0, 2.0, 3.0, 3.0, 9.0])
    assert panel.account.planned == 2
    assert np.isnan(panel.known["promotion"][0, 4])  # nothing is planned for that day


def test_no_demand_at_all_is_refused() -> None:
    with pytest.raises(DataError, match=r"no row has a value of demand.target, units"):
        build([("2024-01-01", "s", "p", None, 1.0, 0)])


def test_months_and_weeks_are_periods_of_their_own() -> None:
    rows = demand_rows(200).lazy()
    for frequency, periods in (("W", 29), ("MS", 7)):
        changed = {"frequency": frequency, "duplicates": "sum", "drop_incomplete": False}
        panel = build_panel(rows, DEMAND.model_copy(update=changed), "date")
        assert panel.periods == periods
        assert np.nansum(panel.target) == demand_rows(200)["units"].sum()
