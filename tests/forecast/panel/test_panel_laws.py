"""Laws of any panel: of the order of its rows, of its other series, of its gaps, of its future, of what became of its rows."""

from dataclasses import fields, replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.demand import DEMAND

from tabtrail.bundle.demand.features import Array, _mean_of_first
from tabtrail.forecast.panel.baselines import BASELINES
from tabtrail.forecast.panel.build import build_panel
from tabtrail.forecast.panel.candidates import parse_candidates
from tabtrail.forecast.panel.direct import fit_direct
from tabtrail.forecast.panel.evaluate import Origins, default_recipe, evaluate, observed
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.rows import Points, features, training_points

LAST, HORIZON = 44, 3
FIRST_DAY = date(2024, 1, 1)
RECIPE = default_recipe("D", HORIZON, ("promotion",), ("price",))
ASKED = DEMAND.model_copy(update={"closed": "state == 1", "stockout": "state >= 2", "horizon": HORIZON})
CHEAP = [name for name in BASELINES if name not in ("Smoothing", "Theta", "TSB")]  # the others fit each series
SCHEMA = {"day": pl.Int64, "units": pl.Int64, "price": pl.Int64, "promotion": pl.Int64, "state": pl.Int64}
# Each law is tried on a few panels, the same in every run: they are to hold on all, and a test is to cost little.
few = settings(max_examples=12, deadline=None, derandomize=True)

Row = tuple[int, int, int, int, int]
"""Day, units, price, promotion, state (0 open, 1 closed, 2 sold out, 3 closed and sold out by the names of both conditions)."""
states = st.sampled_from([0, 0, 0, 0, 1, 2])
row = st.tuples(st.integers(0, LAST), st.integers(0, 9), st.integers(2, 5), st.integers(0, 1), states)
series_rows = st.lists(row, min_size=8, max_size=30, unique_by=lambda each: each[0])


def table(name: str, rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").with_columns(store_id=pl.lit("s"), product_id=pl.lit(name))


@st.composite
def panels(draw: st.DrawFn) -> pl.DataFrame:
    """Rows of two series and of one that has all days from the first to the last, so that every panel has the same calendar."""
    whole = [(day, (day * 7) % 5, 3, day % 2, 0) for day in range(LAST + 1)]
    return pl.concat([table("whole", whole), table("a", draw(series_rows)), table("b", draw(series_rows))])


def build(rows: pl.DataFrame, **changed: Any) -> Panel:
    dated = rows.with_columns(date=pl.lit(FIRST_DAY) + pl.duration(days=pl.col("day")))
    return build_panel(dated.lazy(), ASKED.model_copy(update=changed), "date")


def at(panel: Panel, origin: int) -> Points:
    return Points.at(panel, origin, range(1, HORIZON + 1))


def same(one: Panel, other: Panel) -> None:
    for each in fields(Panel):
        np.testing.assert_equal(getattr(one, each.name), getattr(other, each.name), err_msg=each.name)


@few
@given(panels(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(rows: pl.DataFrame, random: Any) -> None:
    order = list(range(rows.height))
    random.shuffle(order)
    same(build(rows[order]), build(rows))


@few
@given(panels(), series_rows)
def test_another_series_changes_no_feature_of_the_others(rows: pl.DataFrame, more: list[Row]) -> None:
    alone, beside = build(rows), build(pl.concat([table("aa", more), rows]))
    kept = np.flatnonzero(beside.static["product_id"] != "aa")
    for origin in (20, LAST):
        own, other = features(alone, RECIPE, at(alone, origin)), features(beside.take(kept), RECIPE, at(alone, origin))
        for name, values in own.items():
            np.testing.assert_array_equal(values, other[name], err_msg=name)


@few
@given(panels(), st.integers(28, LAST))
def test_a_lag_is_so_many_days_back_whatever_rows_there_are(rows: pl.DataFrame, origin: int) -> None:
    panel, recipe = build(rows), replace(RECIPE, scaled=False)
    found = features(panel, recipe, Points(np.arange(3), np.full(3, origin), np.ones(3, dtype=np.int64)))
    for place, name in enumerate(panel.static["product_id"]):
        own = {each["day"]: each for each in rows.filter(product_id=name).iter_rows(named=True)}
        for lag in recipe.lags:
            wanted = demand_on(own, origin - lag + 1)
            np.testing.assert_equal(found[f"lag_{lag}"][place], wanted, err_msg=f"{name} {lag}")


def demand_on(own: dict[int, dict[str, int]], day: int) -> float:
    """Units of a day; nothing is known before the first row and of closed and sold-out days, and no row is no demand."""
    if day in own:
        return float(own[day]["units"]) if own[day]["state"] == 0 else np.nan
    return np.nan if day < min(own) else 0.0


def forecasts(panel: Panel, origin: int) -> dict[str, Array]:
    """What baselines and a fitted model forecast at an origin."""
    known, points = panel.until(origin), at(panel, origin)
    (candidate,) = parse_candidates({"LinearRegression": {}})
    model = fit_direct(candidate, known, RECIPE, texts=("product_id",), most=1000, seed=1)
    made = {name: BASELINES[name](known, RECIPE) for name in CHEAP}
    return {**made, "LinearRegression": model.predict(known, points).reshape(panel.count, HORIZON)}


@settings(few, max_examples=4)
@given(panels(), st.integers(1, 50))
def test_what_comes_after_an_origin_changes_no_forecast_but_its_plan_does(rows: pl.DataFrame, noise: int) -> None:
    origin = 36
    later = pl.col("day") > origin
    plain = forecasts(build(rows), origin)
    noisy = rows.with_columns(
        units=pl.when(later).then(pl.col("units") * noise + pl.col("day")).otherwise("units"),
        state=pl.when(later & (pl.col("product_id") != "whole")).then(3 - pl.col("state")).otherwise("state"),
    )
    for name, values in forecasts(build(noisy), origin).items():
        np.testing.assert_array_equal(values, plain[name], err_msg=name)
    replanned = rows.with_columns(promotion=pl.when(later).then(1 - pl.col("promotion")).otherwise("promotion"))
    changed = forecasts(build(replanned), origin)
    assert not np.array_equal(changed["LinearRegression"], plain["LinearRegression"])
    for name in ("Naive", "MeanOfSeason"):
        np.testing.assert_array_equal(changed[name], plain[name], err_msg=name)


@few
@given(panels(), st.integers(1, 50))
def test_days_that_are_closed_or_sold_out_are_neither_learned_from_nor_judged(rows: pl.DataFrame, noise: int) -> None:
    panel, out = build(rows), pl.col("state") > 0
    same(build(rows.with_columns(units=pl.when(out).then(pl.col("units") + noise).otherwise("units"))), panel)
    points = training_points(panel, RECIPE, most=100_000, seed=1)
    names, learned = panel.static["product_id"], set(zip(points.series.tolist(), points.target.tolist(), strict=True))
    origins = Origins((36, 40), HORIZON)
    judged = observed(panel, origins)
    scored = evaluate("Naive", lambda known, _: BASELINES["Naive"](known, RECIPE), panel, origins)
    assert scored.scores["mae"] == pytest.approx(np.nanmean(np.abs(scored.forecast - judged)), rel=1e-3)
    days = np.concatenate([np.arange(panel.periods)[origins.judged(origin)] for origin in origins.places])
    for each in rows.filter(out).iter_rows(named=True):
        place = int(np.flatnonzero(names == each["product_id"])[0])
        assert (place, each["day"]) not in learned
        assert np.isnan(judged[place, days == each["day"]]).all()


@few
@given(panels(), series_rows, st.sampled_from(["keep", "zero", "missing"]), st.integers(0, 3))
def test_every_row_is_accounted_for_once(rows: pl.DataFrame, more: list[Row], negative: str, undated: int) -> None:
    odd = table("a", more).with_columns(units=pl.when(pl.col("units") > 4).then(3 - pl.col("units")).otherwise(pl.col("units")))
    empty = table("b", more[:3]).with_columns(units=pl.lit(None, pl.Int64))
    plan = table("b", [(LAST + 2, 0, 3, 1, 1)]).with_columns(units=pl.lit(None, pl.Int64))
    dateless = rows.head(undated).with_columns(day=pl.lit(None, pl.Int64))
    everything = pl.concat([rows, odd, empty, plan, dateless])
    panel = build(everything, negative=negative, duplicates="sum")
    account = panel.account
    assert account is not None
    outcomes = ("undated", "duplicates", "plan_rows", "closed", "stockout", "empty", "not_known", "kept")
    counts = {name: getattr(account, name) for name in outcomes}
    assert sum(counts.values()) == account.rows == everything.height
    assert (counts["undated"], counts["plan_rows"]) == (undated, 1)
    assert (counts["not_known"] > 0) <= (negative == "missing")
    # What is known are the rows that were kept, and the zeros of days without a row that stay open.
    assert account.kept <= account.cells <= account.kept + account.without_row


@few
@given(st.integers(1, 40), st.integers(1, 9), st.randoms(use_true_random=False))
def test_many_rows_give_the_same_bits_as_few(places: int, most: int, chance: Any) -> None:
    """Serving answers one row, training makes thousands of rows: the kernel goes through them in different ways."""
    generator = np.random.default_rng(chance.randrange(2**32))
    values = generator.choice([0.0, -0.0, 1e16, 1 / 3, 5e-324, 1e300, -7.1], (600, places)) * generator.choice(
        [1.0, 0.1], (600, places)
    )
    taken = generator.random((600, places)) < generator.choice([0.1, 0.9])
    alone = np.concatenate([_mean_of_first(values[at : at + 3], taken[at : at + 3], most) for at in range(0, 600, 3)])
    assert _mean_of_first(values, taken, most).tobytes() == alone.tobytes()
