"""What a panel says of rows, dates, columns and conditions that need a look, and what it refuses before anything is fitted."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support.demand import DEMAND, demand_rows, write_project

from tabtrail.config.demand import Demand
from tabtrail.data.ingest import ingest
from tabtrail.errors import DataError
from tabtrail.forecast.panel.build import build_panel
from tabtrail.forecast.panel.candidates import parse_candidates
from tabtrail.forecast.panel.direct import fit_direct
from tabtrail.forecast.panel.evaluate import default_recipe
from tabtrail.forecast.panel.notes import panel_notes, rejects_note
from tabtrail.forecast.panel.panel import Panel
from tabtrail.workflows.demand import prepare

AT = pl.int_range(pl.len())


def demand_of(**changed: Any) -> Demand:
    return DEMAND.model_copy(update=changed)


def panel_of(rows: pl.DataFrame, demand: Demand = DEMAND) -> Panel:
    return build_panel(rows.lazy(), demand, "date")


def warnings_of(rows: pl.DataFrame, demand: Demand = DEMAND) -> list[str]:
    return [note for note in panel_notes(panel_of(rows, demand), demand) if note.startswith("warning")]


def moved(day: date, at: int = 3) -> pl.DataFrame:
    """Rows of which one has another date."""
    return demand_rows(130).with_columns(date=pl.when(at == AT).then(day).otherwise("date"))


def test_a_panel_without_oddities_warns_of_nothing() -> None:
    assert warnings_of(demand_rows(130)) == []


@pytest.mark.parametrize(
    ("day", "years"),
    [
        (date(2090, 1, 1), r"\[1900, 2023\]"),
        (date(2026, 1, 1), r"\[1900, 2023\]"),
        (date(2001, 1, 1), r"\[2023, 2100\]"),
    ],
)
def test_a_date_beyond_all_others_is_refused_with_the_years_that_set_it_aside(day: date, years: str) -> None:
    message = rf"date: no series has demand between .*If {day} stands for an unknown or mistyped date.*plausible_years: {years}"
    with pytest.raises(DataError, match=message):
        panel_of(moved(day))


def test_a_date_some_weeks_after_all_others_is_refused_since_invented_days_would_be_judged(tmp_path: Path) -> None:
    config = write_project(tmp_path, moved(date(2023, 8, 1))).config()
    ingest(config)
    with pytest.raises(
        DataError, match=r"20 of the 21 days in which forecasts are judged have no demand.*2023-05-12 to 2023-07-31"
    ):
        prepare(config)


def test_a_pause_of_all_series_is_said_and_forecast() -> None:
    gone = pl.col("date").is_between(date(2023, 2, 1), date(2023, 2, 20))
    (warning,) = warnings_of(demand_rows(130).filter(~gone))
    assert "no series has demand in the 20 days from 2023-02-01 to 2023-02-20, which are zero" in warning
    assert warnings_of(demand_rows(130).filter(pl.col("date") != date(2023, 2, 1))) == []


def test_judged_periods_without_any_known_demand_are_refused_before_a_fit(tmp_path: Path) -> None:
    rows = demand_rows(130).with_columns(price=pl.when(pl.col("date") > date(2023, 4, 10)).then(1.0).otherwise("price"))
    config = write_project(tmp_path, rows).config("demand.stockout=price == 1")
    ingest(config)
    with pytest.raises(DataError, match=r"from 2023-04-21 to 2023-05-11, where forecasts are judged, no demand is known"):
        prepare(config)


@pytest.mark.parametrize("key", ["closed", "stockout"])
def test_a_condition_that_holds_nowhere_is_said(key: str) -> None:
    (warning,) = warnings_of(demand_rows(130), demand_of(**{key: "store_id == 'Sonntag'"}))
    assert warning == f"warning: demand.{key} holds in no row: store_id == 'Sonntag'"


def test_a_column_known_ahead_that_never_varied_is_said() -> None:
    (warning,) = warnings_of(demand_rows(130).with_columns(promotion=1))
    assert warning == "warning: demand.known_ahead: promotion is 1 in all periods, so that it says nothing"


def test_prices_of_nothing_or_below_are_counted_and_said() -> None:
    odd = demand_rows(130).with_columns(price=pl.when(AT % 50 == 5).then(-1.0).otherwise("price"))
    (warning,) = warnings_of(odd)
    assert "price is 0 or below in 17 periods, such as -1; contract.columns.price.min sets such rows aside" in warning


def test_a_price_that_is_always_below_zero_is_said_although_it_never_varied() -> None:
    never, below = warnings_of(demand_rows(130).with_columns(price=pl.lit(-3.0)))
    assert "price is -3 in all periods" in never
    assert "price is 0 or below in" in below


@pytest.mark.parametrize("name", ["price", "promotion"])
def test_a_column_known_ahead_without_any_value_is_refused(name: str) -> None:
    with pytest.raises(DataError, match=rf"demand.known_ahead: {name} has no value in any row; take it out"):
        panel_of(demand_rows(130).with_columns(pl.lit(None, dtype=pl.Float64).alias(name)))


def test_rows_set_aside_at_ingest_are_no_days_without_sales_unless_that_is_said() -> None:
    said = "warning: ingest set 16 rows aside; a day that has no other row is zero"
    assert rejects_note(16, DEMAND).startswith(said)
    assert rejects_note(0, DEMAND) == rejects_note(16, demand_of(missing_periods="missing")) == ""


def test_a_static_column_that_changes_names_both_values_and_the_series() -> None:
    later = pl.col("date") > date(2023, 3, 1)
    rows = demand_rows(130).with_columns(region=pl.when(later).then(pl.lit("N")).otherwise(pl.lit("S")))
    with pytest.raises(
        DataError, match=r"demand.static: region changes within 6 series, such as from 'S' to 'N' for store_id 'STORE_000'"
    ):
        panel_of(rows, demand_of(static=("region",)))  # fmt: skip


def test_a_static_column_that_some_rows_lack_is_the_one_that_the_others_have() -> None:
    never = pl.col("product_id") == "PROD_A"
    rows = demand_rows(130).with_columns(region=pl.when(never | (AT % 9 == 1)).then(None).otherwise(pl.lit("N")))
    found = panel_of(rows, demand_of(static=("region",))).static
    assert [("" if name == "PROD_A" else "N") for name in found["product_id"]] == found["region"].tolist()


def test_demand_that_is_never_above_zero_has_no_level_to_divide_by() -> None:
    (linear,) = parse_candidates({"LinearRegression": {"scale": "level"}})
    panel = panel_of(demand_rows(130).with_columns(units=-pl.col("units") - 1))
    with pytest.raises(DataError, match=r"demand.candidates.LinearRegression: scale: level divides by the size of a series"):
        fit_direct(linear, panel, default_recipe("D", 7, ("promotion",), ("price",)), texts=(), most=1000, seed=1)


def test_ids_that_differ_in_spaces_or_case_are_said() -> None:
    rows = demand_rows(130).with_columns(
        product_id=pl.when((AT % 2 == 0) & (pl.col("product_id") == "PROD_A")).then(pl.lit("prod_A ")).otherwise("product_id")
    )
    (warning,) = warnings_of(rows)
    assert "1 values of product_id are written in several ways, such as 'PROD_A' and 'prod_A '" in warning
    assert (
        warnings_of(demand_rows(130).with_columns(product_id=pl.col("product_id").replace({"PROD_A": "007", "PROD_B": "7"})))
        == []
    )


def test_an_id_of_spaces_is_no_series() -> None:
    with pytest.raises(DataError, match=r"demand.series: product_id is empty in 17 rows"):
        panel_of(demand_rows(130).with_columns(product_id=pl.when(AT % 50 == 5).then(pl.lit("  ")).otherwise("product_id")))


def test_a_column_that_differs_in_every_row_makes_no_series() -> None:
    with pytest.raises(DataError, match=r"none of the 822 series has demand in two periods.*product_id has 822 values"):
        panel_of(demand_rows(130).with_columns(product_id=pl.format("P{}", AT)))


def test_a_week_is_closed_where_all_its_days_are_and_so_is_the_plan() -> None:
    sunday, august = pl.col("date").dt.weekday() == 7, pl.col("date").is_between(date(2023, 2, 6), date(2023, 2, 12))
    rows = demand_rows(130).with_columns(tag=pl.when(sunday | august).then(pl.lit("zu")).otherwise(pl.lit("auf")))
    weeks = panel_of(rows, demand_of(frequency="W", duplicates="sum", closed="tag == 'zu'"))
    assert weeks.account is not None
    assert weeks.account.closed == weeks.count
    days = panel_of(rows, demand_of(closed="tag == 'zu'"))
    assert days.shut is not None
    assert days.shut.tolist() == [[each.weekday() == 6 for each in (date(2023, 5, 12 + at) for at in range(7))]] * days.count
