"""A column that is said to be known ahead, and was made of the demand itself, is named."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support.demand import DEMAND, demand_panel, demand_rows

from tabtrail.bundle.demand.features import Array
from tabtrail.forecast.panel.build import build_panel
from tabtrail.forecast.panel.evaluate import default_recipe
from tabtrail.forecast.panel.leakage import audit, without_leaks
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.rows import Points, features

RECIPE = default_recipe("D", 7, ("promotion",), ("price",))


def found_in(panel: Panel) -> dict[str | None, str]:
    flags = panel.flags()
    recipe = replace(RECIPE, flags=flags, prices=tuple(name for name in panel.known if name not in flags))
    return {each.column: each.kind for each in audit(panel, recipe, 42)}


def with_price(values: Array) -> Panel:
    panel = demand_panel()
    plan = np.full((panel.count, panel.known["price"].shape[1]), np.nan)
    plan[:, : values.shape[1]] = values
    return replace(panel, known={**panel.known, "price": plan})


def test_a_price_and_a_promotion_that_were_planned_are_not_named() -> None:
    assert found_in(demand_panel()) == {}


def test_a_dearer_price_every_day_that_sells_less_is_not_named() -> None:
    panel, generator = demand_panel(), np.random.default_rng(3)
    price = 10 + generator.normal(0, 1, panel.target.shape)
    panel = replace(panel, target=generator.poisson(np.exp(4.5 - 0.25 * price)).astype(float))
    assert found_in(replace(with_price(price), target=panel.target)) == {}


@pytest.mark.parametrize("ahead", [0, 1])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_column_that_is_the_demand_of_the_day_or_of_the_next_is_named(ahead: int, noise: float) -> None:
    target = demand_panel().target
    leak = np.roll(target, -ahead, axis=1) * 3 + 7 + np.random.default_rng(1).normal(0, noise, target.shape)
    assert found_in(with_price(leak)) == {"price": "predicts_alone"}


def test_a_column_of_the_demand_of_the_week_before_is_no_leak() -> None:
    assert found_in(with_price(np.roll(demand_panel().target, 7, axis=1))) == {}


def sparse_rows(**columns: pl.Expr) -> pl.LazyFrame:
    """Rows of items that sell on about half of the days."""
    kept = (pl.col("units") % 2 == 0) | pl.col("units").is_null()
    sold = pl.when(kept).then(pl.col("units")).otherwise(0)
    return demand_rows().with_columns(units=sold).with_columns(**columns).lazy()


def built(rows: pl.LazyFrame, **changed: Any) -> Panel:
    return build_panel(rows, DEMAND.model_copy(update=changed), "date")


def test_a_price_that_exists_only_on_days_with_sales_is_named() -> None:
    average = pl.when(pl.col("units") > 0).then(pl.col("price") + pl.col("units") % 5 / 10)
    assert found_in(built(sparse_rows(price=average))) == {"price": "computed"}


def test_a_price_of_days_without_a_row_where_only_sales_have_rows_is_named() -> None:
    rows = sparse_rows(price=pl.col("price") + pl.col("units") % 5 / 10).filter(pl.col("units") != 0)
    assert found_in(built(rows))["price"] == "computed"


def test_an_average_price_carried_over_days_without_sales_is_named() -> None:
    average = pl.when(pl.col("units") > 0).then(pl.col("price") + pl.col("units") % 5 / 10)
    carried = average.forward_fill().over("store_id", "product_id")
    assert found_in(built(sparse_rows(price=carried))) == {"price": "computed"}


def test_a_flag_that_says_whether_there_is_demand_is_named() -> None:
    flag = (pl.col("units").fill_null(0) > 0).cast(pl.Int64)
    assert found_in(built(sparse_rows(promotion=flag))) == {"promotion": "predicts_alone"}


def test_of_a_leak_only_the_past_is_read() -> None:
    panel = demand_panel()
    (finding,) = audit(with_price(panel.target), RECIPE, 42)
    recipe = without_leaks(RECIPE, [finding])
    assert (recipe.flags, recipe.prices, recipe.lagged) == (("promotion",), (), ("price",))
    points = Points.at(panel, 150, range(1, 8))
    known = {**panel.known, "price": panel.known["price"].copy()}
    known["price"][:, 151:] = 99.0
    plain, changed = features(panel, recipe, points), features(replace(panel, known=known), recipe, points)
    for name, values in plain.items():
        np.testing.assert_array_equal(values, changed[name], err_msg=name)
    np.testing.assert_array_equal(plain["price_lag_1"], panel.known["price"][points.series, 150])
