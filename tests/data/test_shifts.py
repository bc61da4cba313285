import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from tests.support.projects import CALIFORNIA_CSV, REAL_CSV

from tabtrail.data.manifest import Shift
from tabtrail.data.shifts import find_shifts

Array = NDArray[np.float64]
NUMBERS = (pl.Int64, pl.Float64)


def dated(columns: dict[str, object], *, days: Array | None = None) -> pl.DataFrame:
    """Rows of one file, a day each where no days are given."""
    frame = pl.DataFrame(columns)
    offsets = np.arange(frame.height) if days is None else days
    dates = [dt.date(2020, 1, 1) + dt.timedelta(days=int(day)) for day in offsets]
    return frame.with_columns(day=pl.Series(dates), _file=pl.lit("x.csv"), _row=pl.int_range(1, frame.height + 1))


def shifts_of(rows: pl.DataFrame) -> list[Shift]:
    numbers = [name for name, dtype in rows.schema.items() if dtype in NUMBERS and not name.startswith("_")]
    return find_shifts(rows, numbers, "day" if "day" in rows.columns else None)


def amounts(rows: int = 300, scatter: float = 0.6, seed: int = 0) -> Array:
    return np.random.default_rng(seed).lognormal(5, scatter, rows)


def from_row(values: Array, start: int, change: Callable[[Array], Array], end: int | None = None) -> Array:
    changed = values.copy()
    changed[start:end] = change(values[start:end])
    return changed


@pytest.mark.parametrize("factor", [100, 1000, 10, 0.01, 0.001, 7.3, 160])
@pytest.mark.parametrize("start", [60, 150, 200, 270])
def test_a_unit_that_changes_in_mid_file_is_found_with_row_date_and_factor(factor: float, start: int) -> None:
    scatter = 0.6 if factor in (100, 1000, 0.01, 0.001) else 0.3
    (found,) = shifts_of(dated({"y": from_row(amounts(scatter=scatter), start, lambda values: factor * values)}))
    assert (found.column, found.file) == ("y", "x.csv")
    assert abs(found.row - start - 1) <= 1  # type: ignore[operator] - a row of the file
    assert found.factor == pytest.approx(factor, rel=0.35 if factor in (7.3, 160) else 1e-9)
    assert found.date == str(dt.date(2020, 1, 1) + dt.timedelta(days=found.row - 1))  # type: ignore[operator]
    assert str(found).startswith(f"y: from row {found.row} of x.csv ({found.date}) on its values are about ")


def test_a_unit_that_changes_in_time_is_found_in_a_file_in_any_order() -> None:
    rows = dated({"y": from_row(amounts(400), 260, lambda values: 100 * values)}).sample(fraction=1, shuffle=True, seed=3)
    (found,) = shifts_of(rows.with_columns(_row=pl.int_range(1, 401)))
    assert (found.by_time, found.date, found.factor) == (True, "2020-09-17", 100)


def test_a_unit_that_changes_and_goes_back_is_found_at_both_places() -> None:
    found = shifts_of(dated({"y": from_row(amounts(), 100, lambda values: 1000 * values, 200)}))
    assert [(each.row, each.factor) for each in found] == [(101, 1000), (201, 0.001)]


def test_each_column_is_looked_at_by_itself() -> None:
    rows = dated({"a": amounts(seed=1), "b": from_row(amounts(seed=2), 150, lambda values: values / 100), "c": amounts(seed=3)})
    assert [each.column for each in shifts_of(rows)] == ["b"]


@pytest.mark.parametrize(
    "change",
    [lambda celsius: celsius + 273.15, lambda celsius: celsius * 1.8 + 32],
    ids=["Celsius to Kelvin", "Celsius to Fahrenheit"],
)
def test_a_level_that_changes_is_found_for_values_of_both_signs(change: Callable[[Array], Array]) -> None:
    celsius = np.random.default_rng(0).normal(2, 3, 300)
    (found,) = shifts_of(dated({"t": from_row(celsius, 200, change)}))
    assert found.row == 201


def test_grades_in_another_unit_are_found_though_they_are_few() -> None:
    grades = np.random.default_rng(0).integers(1, 5, 300).astype(float)
    (found,) = shifts_of(dated({"grade": from_row(grades, 150, lambda values: 100 * values)}))
    assert (found.row, found.factor) == (151, 100)


def test_zeros_do_not_hide_a_change_of_unit() -> None:
    values = np.where(np.random.default_rng(1).random(400) < 0.6, 0, amounts(400))
    (found,) = shifts_of(dated({"y": from_row(values, 250, lambda part: 100 * part)}))
    assert found.factor == 100


def season(days: Array, rng: np.random.Generator) -> dict[str, object]:
    noise = rng.lognormal(0, 0.2, len(days))
    year = np.sin(2 * np.pi * days / 365)
    return {
        "strong": np.exp(2.3 * year) * noise,
        "mild": np.exp(year) * noise,
        "week": np.where(days % 7 < 5, 10, 1) * noise,
        "december": np.where(days % 365 > 330, 4, 1) * noise,
        "spikes": np.where(days % 97 == 0, 30, 1) * noise,
        "since_new_year": (days % 365 + 1) * noise,
        "month": days // 30 % 12 + 1,
    }


def trend(days: Array, rng: np.random.Generator) -> dict[str, object]:
    noise, share = rng.lognormal(0, 0.2, len(days)), days / len(days)
    return {
        "line": (10 + days) * noise,
        "growth": np.exp(12 * share) * noise,
        "takes_off": (1 + 30 / (1 + np.exp(-12 * (share - 0.5)))) * noise,
        "walk": np.exp(np.cumsum(rng.normal(0, 0.1, len(days)))),
        "dearer": np.where(share > 0.5, 11, 10) * noise,
        "number": days + 1000,
        "spread": rng.normal(size=len(days)) * np.exp(3 * share),
    }


def sorted_file(days: Array, rng: np.random.Generator) -> dict[str, object]:
    size = np.sort(rng.lognormal(0, 1, len(days)))
    return {
        "size": size,
        "price": size**2 * rng.lognormal(5, 0.2, len(days)),
        "down": -np.sort(-rng.lognormal(0, 2, len(days))),
        "heavy": np.sort(rng.pareto(0.8, len(days)) + 1),
        "other": rng.normal(size=len(days)),
    }


def sorted_by_what(days: Array, rng: np.random.Generator) -> dict[str, object]:
    kind = np.sort(rng.integers(0, 2, len(days)))
    price = np.array([2, 20_000])[kind] * rng.lognormal(0, 0.3, len(days))
    return {"kind": np.array(["pen", "car"])[kind], "price": price}


def noise(days: Array, rng: np.random.Generator) -> dict[str, object]:
    rows = len(days)
    heavy = {f"scatter {scatter}": rng.lognormal(0, scatter, rows) for scatter in (0.1, 1, 3)}
    counts = {"rare": rng.poisson(0.1, rows), "counts": rng.poisson(3, rows), "cauchy": rng.standard_cauchy(rows)}
    return {**heavy, **counts, "normal": rng.normal(size=rows)}


@pytest.mark.parametrize("rows", [60, 150, 400, 1200])
@pytest.mark.parametrize("make", [season, trend, sorted_file, sorted_by_what, noise])
def test_what_nature_does_is_no_change_of_unit(
    make: Callable[[Array, np.random.Generator], dict[str, object]], rows: int
) -> None:
    days = np.arange(rows).astype(float)
    rng = np.random.default_rng(4)
    assert shifts_of(dated(make(days, rng))) == []
    assert shifts_of(dated(make(days, rng)).drop("day")) == []


def test_shops_one_after_the_other_are_no_change_of_unit() -> None:
    rng, days = np.random.default_rng(0), np.tile(np.arange(150), 2)
    sold = np.repeat([10, 900], 150) * rng.lognormal(0, 0.3, 300)
    assert shifts_of(dated({"shop": np.repeat(["A", "B"], 150), "sold": sold}, days=days)) == []


REAL = {
    "sales": (REAL_CSV, "SALES"),
    "California": (CALIFORNIA_CSV, "median_house_value"),
    "diamonds": (CALIFORNIA_CSV.with_name("diamonds.csv"), "price"),
    "bikes": (CALIFORNIA_CSV.with_name("bike_sharing_hourly.csv"), "cnt"),
    "retail": (CALIFORNIA_CSV.with_name("retail_sales_dataset.csv"), "Age"),
}


def real_rows(path: Path) -> pl.DataFrame:
    if not path.is_file():
        pytest.skip(f"{path} is missing: nothing is said about its columns")
    rows = pl.read_csv(path, encoding="cp850").with_row_index("_row", 1).with_columns(_file=pl.lit(path.name))
    return rows.gather_every(1 + rows.height // 10_000)


@pytest.mark.parametrize("name", REAL)
def test_real_tables_raise_no_alarm_in_their_order_or_shuffled(name: str) -> None:
    rows = real_rows(REAL[name][0])
    assert shifts_of(rows) == []
    assert shifts_of(rows.sample(fraction=1, shuffle=True, seed=1)) == []


@pytest.mark.parametrize("name", [name for name in REAL if name != "diamonds"])  # those are sorted by their price
def test_a_hundredfold_target_in_the_last_third_of_a_real_table_is_found(name: str) -> None:
    rows, target = real_rows(REAL[name][0]), REAL[name][1]
    late = pl.int_range(pl.len()) >= rows.height * 2 // 3
    changed = rows.with_columns(pl.when(late).then(100 * pl.col(target)).otherwise(pl.col(target)).alias(target))
    (found,) = shifts_of(changed)
    assert (found.column, found.factor) == (target, 100)
    assert found.row == pytest.approx(rows["_row"][rows.height * 2 // 3], abs=5)
