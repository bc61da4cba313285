import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.typing import NDArray
from tests.support.projects import CALIFORNIA_CSV

from tabtrail.modeling.leakage.audit import audit
from tabtrail.modeling.leakage.findings import Finding

Array = NDArray[np.float64]
Columns = Mapping[str, NDArray[np.generic]]
NUMERIC = ["QUANTITYORDERED", "PRICEEACH", "ORDERLINENUMBER", "MSRP", "QTR_ID", "MONTH_ID", "YEAR_ID"]
LEAK_KINDS = {"copy", "rescaled", "monotone", "binned", "predicts_alone"}


def texts(values: object) -> NDArray[np.object_]:
    return np.array([str(value) for value in np.asarray(values).tolist()], dtype=object)


def audited(columns: Columns, y: Array, keys: NDArray[np.generic] | None = None, **options: object) -> tuple[Finding, ...]:
    """Audit with a fifth of the rows (of the keys, if any) held out and four folds, by hash."""
    keys = np.arange(len(y)) if keys is None else keys
    place = np.array([int(hashlib.sha256(f"{key}".encode()).hexdigest(), 16) % 5 for key in keys.tolist()])
    categorical = [name for name, values in columns.items() if values.dtype == object]
    return audit(
        pd.DataFrame(dict(columns)),
        y,
        numeric=[name for name in columns if name not in categorical],
        categorical=categorical,
        train=place != 4,
        test=place == 4,
        folds=[((place != 4) & (place != fold), place == fold) for fold in range(4)],
        **options,  # type: ignore[arg-type]
    )


def kinds(findings: tuple[Finding, ...]) -> dict[str | None, str]:
    return {finding.column: finding.kind for finding in findings}


def synthetic_sales(rows: int = 1200, seed: int = 0) -> tuple[dict[str, NDArray[np.generic]], Array]:
    """Heavy-tailed, rounded to cents; about three quarters of log(y) can be learned."""
    rng = np.random.default_rng(seed)
    area, age = rng.gamma(4, 30, rows), rng.integers(0, 90, rows).astype(float)
    town = rng.choice(["Aby", "Bro", "Cam", "Dol"], rows).astype(object)
    y = np.round(np.exp(0.011 * area - 0.006 * age + 0.3 * (town == "Cam") + rng.normal(0, 0.35, rows) + 6), 2)
    return {"area": area, "age": age, "town": town}, y


def ranks(y: Array) -> Array:
    return np.argsort(np.argsort(y, kind="stable")).astype(float)


def bins(y: Array, count: int) -> NDArray[np.int64]:
    return np.searchsorted(np.quantile(y, np.arange(1, count) / count), y, side="right")


def with_gaps(values: Array, rng: np.random.Generator, share: float = 0.1) -> Array:
    return np.where(rng.random(len(values)) < share, np.nan, values)


def id_of(rank: Array) -> NDArray[np.object_]:
    return np.array([f"ORD-{int(value):05d}" for value in rank], dtype=object)


def repeated(values: NDArray[np.object_], rng: np.random.Generator) -> NDArray[np.object_]:
    return np.where(rng.random(len(values)) < 0.06, rng.permutation(values), values)


Plant = Callable[[Array, np.random.Generator], NDArray[np.generic]]
SYNTHETIC_LEAKS: dict[str, tuple[Plant, set[str]]] = {
    "copy": (lambda y, rng: y.copy(), {"copy"}),
    "copy_with_gaps": (lambda y, rng: with_gaps(y, rng), {"copy"}),
    "copy_in_a_third_of_the_rows": (lambda y, rng: with_gaps(y, rng, 0.67), {"copy"}),
    "copy_with_typing_errors": (lambda y, rng: np.where(rng.random(len(y)) < 0.03, 10 * y, y), {"copy"}),
    "copy_as_text": (lambda y, rng: texts(y), {"copy"}),
    "copy_as_currency": (lambda y, rng: np.array([f"$ {v:,.2f}" for v in y], dtype=object), {"copy"}),
    "thousands": (lambda y, rng: np.round(y / 1000, 2), {"rescaled", "monotone"}),
    "with_tax": (lambda y, rng: y * 1.19 + 4.9, {"rescaled"}),
    "negated": (lambda y, rng: -y, {"rescaled"}),
    "logarithm": (lambda y, rng: np.log(y), {"monotone"}),
    "root_with_gaps": (lambda y, rng: with_gaps(np.sqrt(y), rng), {"monotone"}),
    "reciprocal": (lambda y, rng: 1 / y, {"monotone"}),
    "decaying_exponential": (lambda y, rng: np.exp(-y / y.std()), {"monotone"}),
    "rank": (lambda y, rng: ranks(y), {"monotone"}),
    "percent_rank": (lambda y, rng: np.round(1 - ranks(y) / len(y), 3), {"monotone"}),
    "id_sorted_by_target": (lambda y, rng: ranks(y) + 10_000, {"monotone"}),
    "text_id_sorted_by_target": (lambda y, rng: id_of(ranks(y)), {"monotone"}),
    "capped_copy": (lambda y, rng: np.minimum(y, np.quantile(y, 0.85)), {"copy", "monotone"}),
    "deciles": (lambda y, rng: bins(y, 10).astype(float), {"binned"}),
    "decile_labels": (lambda y, rng: np.array(list("qwertyuiop"), dtype=object)[bins(y, 10)], {"binned"}),
    "uneven_bins_in_any_order": (
        lambda y, rng: np.array([3.0, 1.0, 2.0])[np.searchsorted(np.quantile(y, [0.5, 0.9]), y)],
        {"binned"},
    ),
    "quartiles_with_gaps": (lambda y, rng: with_gaps(bins(y, 4).astype(float), rng), {"binned"}),
    "quartiles_with_typing_errors": (lambda y, rng: np.where(rng.random(len(y)) < 0.02, 0, bins(y, 4)).astype(float), {"binned"}),
    "above_the_median": (lambda y, rng: texts(y > np.median(y)), {"binned"}),
    "filled_when_high": (lambda y, rng: np.where(y > np.quantile(y, 0.7), rng.normal(size=len(y)), np.nan), {"binned"}),
    "text_only_when_high": (lambda y, rng: np.where(y > np.quantile(y, 0.7), "big", "").astype(object), {"binned"}),
    "share_of_target_else_zero": (lambda y, rng: np.where(y > np.quantile(y, 0.6), 0.1 * y, 0), {"rescaled"}),
    "little_noise": (lambda y, rng: y + rng.normal(0, 0.01 * y.std(), len(y)), LEAK_KINDS),
    "some_noise": (lambda y, rng: y * rng.normal(1, 0.05, len(y)), {"predicts_alone"}),
    "distance_from_a_middle": (lambda y, rng: np.abs(y - np.quantile(y, 0.4)), {"predicts_alone"}),
    "names_of_narrow_ranges": (
        lambda y, rng: np.array([f"{i * 7919 % 9973}x{i}" for i in range(len(y))], dtype=object)[(ranks(y) // 3).astype(int)],
        {"predicts_alone"},
    ),
    "row_number": (lambda y, rng: rng.permutation(len(y)).astype(float), {"identifier"}),
    "numbers_with_gaps_between": (lambda y, rng: rng.permutation(4 * len(y))[: len(y)] * 10.0, {"identifier"}),
    "customer_id": (lambda y, rng: rng.permutation(10**7)[: len(y)].astype(float), {"identifier"}),
    "text_id": (lambda y, rng: id_of(rng.permutation(len(y)).astype(float)), {"identifier"}),
    "nearly_unique_text": (lambda y, rng: repeated(id_of(rng.permutation(len(y)).astype(float)), rng), {"nearly_unique"}),
}


@pytest.mark.parametrize("name", SYNTHETIC_LEAKS)
def test_a_planted_column_is_found_for_what_it_is_and_nothing_else_is(name: str) -> None:
    columns, y = synthetic_sales()
    plant, expected = SYNTHETIC_LEAKS[name]
    found = kinds(audited({**columns, name: plant(y, np.random.default_rng(1))}, y))
    assert found.keys() == {name}
    assert found[name] in expected


def few_values(rng: np.random.Generator, rows: int) -> tuple[Columns, Array]:
    quality = rng.normal(size=rows)
    noisy = quality + rng.normal(0, 0.4, rows)
    return {"quality": noisy, "good": (noisy > 0).astype(float)}, np.clip(np.round(3 + quality), 1, 5)


def zero_inflated(rng: np.random.Generator, rows: int) -> tuple[Columns, Array]:
    claims = rng.poisson(0.2, rows)
    return {"age": rng.integers(18, 90, rows) * 1.0, "rare": (rng.random(rows) < 0.02) * 1.0}, claims * rng.lognormal(7, 1, rows)


def honest_line(rng: np.random.Generator, rows: int) -> tuple[Columns, Array]:
    x = rng.normal(size=rows)
    return {"x": x, "noise": rng.normal(size=rows)}, 3 * x + rng.normal(0, 1, rows)


def two_heaps(rng: np.random.Generator, rows: int, apart: float) -> tuple[Columns, Array]:
    heap = rng.integers(0, 2, rows)
    return {"heap": texts(heap), "noise": rng.normal(size=rows)}, apart * heap + rng.normal(size=rows)


def ordinal(rng: np.random.Generator, rows: int) -> tuple[Columns, Array]:
    grade = rng.integers(0, 5, rows)
    return {"grade": np.array(list("edcba"), dtype=object)[grade]}, 3 * grade + rng.normal(size=rows)


def integers_of_people(rng: np.random.Generator, rows: int) -> tuple[Columns, Array]:
    income, square_feet = np.round(rng.lognormal(10.5, 0.5, rows)), rng.integers(500, 5000, rows).astype(float)
    columns = {"income": income, "square_feet": square_feet, "population": np.round(rng.lognormal(9, 2, rows))}
    return columns, income * 0.5 + square_feet * 20 + rng.normal(0, 15_000, rows)


def nothing_in_it(rng: np.random.Generator, rows: int) -> tuple[Columns, Array]:
    return {
        "constant": np.full(rows, 7.0),
        "empty": np.full(rows, np.nan),
        "infinite": np.full(rows, np.inf),
        "no_text": np.full(rows, "", dtype=object),
        "one_text": np.full(rows, "x", dtype=object),
    }, rng.normal(size=rows)


def many_categories(rng: np.random.Generator, rows: int) -> tuple[Columns, Array]:
    shop = rng.integers(0, max(2, rows // 6), rows)
    return {"shop": texts(shop), "x": rng.normal(size=rows)}, rng.normal(0, 2, rows)[shop] + rng.normal(size=rows)


def coarse_integers(rng: np.random.Generator, rows: int) -> tuple[Columns, Array]:
    table = rng.integers(0, 4, (rows, 3)).astype(float)
    return {name: table[:, index] for index, name in enumerate("abc")}, table @ np.array([1.0, 2.0, 3.0])


def price_list(rng: np.random.Generator, rows: int) -> tuple[Columns, Array]:
    """Quantity times price, at a discount: the product of the columns is the best feature, and honest."""
    quantity, price = rng.integers(1, 50, rows).astype(float), np.round(rng.uniform(5, 100, rows), 2)
    columns = {"quantity": quantity, "price": price, "product": quantity * price}
    return columns, quantity * price * rng.uniform(0.5, 1, rows)


def gaps_that_depend_on_the_target(rng: np.random.Generator, rows: int) -> tuple[Columns, Array]:
    y = rng.normal(size=rows)
    return {"asked": np.where(rng.random(rows) < 1 / (1 + np.exp(-2 * y)), rng.normal(size=rows), np.nan)}, y


def drifting(rng: np.random.Generator, rows: int) -> tuple[Columns, Array]:
    day = np.arange(rows) // 3
    return {"weekday": (day % 7) * 1.0, "month": (day // 30 % 12) * 1.0}, 0.01 * day + rng.normal(0, 2, rows)


SYNTHETIC_CLEAN: dict[str, Callable[[np.random.Generator, int], tuple[Columns, Array]]] = {
    "sales": lambda rng, rows: synthetic_sales(rows, int(rng.integers(1000))),
    "honest_line": honest_line,
    "few_values": few_values,
    "zero_inflated": zero_inflated,
    "two_heaps_overlapping": lambda rng, rows: two_heaps(rng, rows, 3),
    "two_heaps_far_apart": lambda rng, rows: two_heaps(rng, rows, 6),
    "ordinal": ordinal,
    "integers_of_people": integers_of_people,
    "nothing_in_it": nothing_in_it,
    "many_categories": many_categories,
    "coarse_integers": coarse_integers,
    "price_list": price_list,
    "gaps_that_depend_on_the_target": gaps_that_depend_on_the_target,
    "drifting": drifting,
}


@pytest.mark.parametrize("rows", [10, 50, 800])
@pytest.mark.parametrize("name", SYNTHETIC_CLEAN)
def test_an_honest_table_raises_no_alarm_at_any_size(name: str, rows: int) -> None:
    assert audited(*SYNTHETIC_CLEAN[name](np.random.default_rng(5), rows)) == ()


def real_sales(path: Path, categorical: list[str]) -> tuple[dict[str, NDArray[np.generic]], Array, NDArray[np.generic]]:
    data = pl.read_csv(path, encoding="cp850")
    columns = {name: data.get_column(name).cast(pl.Float64).to_numpy() for name in NUMERIC}
    words = {name: data.get_column(name).to_numpy().astype(object) for name in categorical}
    return columns | words, data.get_column("SALES").cast(pl.Float64).to_numpy(), data.get_column("ORDERNUMBER").to_numpy()


def california() -> tuple[Columns, Array]:
    if not CALIFORNIA_CSV.is_file():
        pytest.skip(f"{CALIFORNIA_CSV} is missing: nothing is said about the California housing data")
    data = pl.read_csv(CALIFORNIA_CSV)
    y = data.drop_in_place("median_house_value").to_numpy().copy()
    places = data.drop_in_place("ocean_proximity").to_numpy().astype(object)
    return {"ocean_proximity": places, **{each.name: each.cast(pl.Float64).to_numpy() for each in data}}, y


def test_at_least_nine_in_ten_planted_leaks_are_found() -> None:
    assert len(SYNTHETIC_LEAKS) >= 12
    columns, y = synthetic_sales(400, seed=11)
    rng = np.random.default_rng(11)
    missed = [
        name for name, (plant, _) in SYNTHETIC_LEAKS.items() if name not in kinds(audited({**columns, name: plant(y, rng)}, y))
    ]
    assert len(missed) <= 0.1 * len(SYNTHETIC_LEAKS), missed


def test_clean_tables_raise_at_most_one_false_alarm(real_csv: Path) -> None:
    columns, y, orders = real_sales(real_csv, ["PRODUCTLINE", "COUNTRY"])
    alarms = {
        "real sales without DEALSIZE": audited(columns, y, orders, groups=orders.astype(str).tolist()),
        "California housing": audited(*california()),
    }
    alarms |= {name: audited(*make(np.random.default_rng(21), 1500)) for name, make in SYNTHETIC_CLEAN.items()}
    assert len(alarms) >= 12
    assert sum(map(len, alarms.values())) <= 1, alarms


def test_dealsize_is_found_in_the_real_file_as_a_binning_and_its_worth_is_stated(real_csv: Path) -> None:
    columns, y, orders = real_sales(real_csv, ["PRODUCTLINE", "COUNTRY", "DEALSIZE"])
    (finding,) = audited(columns, y, orders, groups=orders.astype(str).tolist())
    assert (finding.column, finding.kind) == ("DEALSIZE", "binned")
    assert finding.evidence.startswith("its 3 values cut the target into ranges: 0 of ")
    assert finding.cv_rmse_with is not None
    assert finding.cv_rmse_without is not None
    assert finding.cv_rmse_with < 0.9 * finding.cv_rmse_without


def test_products_customers_and_derived_columns_of_the_real_file_are_honest(real_csv: Path) -> None:
    columns, y, orders = real_sales(real_csv, ["PRODUCTLINE", "COUNTRY", "PRODUCTCODE", "CUSTOMERNAME"])
    quantity, price, msrp = (columns[name].astype(float) for name in ("QUANTITYORDERED", "PRICEEACH", "MSRP"))
    derived = {"line_value": quantity * price, "list_value": quantity * msrp, "discount": price / msrp}
    assert audited({**columns, **derived}, y, orders, groups=orders.astype(str).tolist()) == ()


def test_the_group_key_as_a_feature_is_an_identifier(real_csv: Path) -> None:
    columns, y, orders = real_sales(real_csv, ["COUNTRY"])
    found = audited({**columns, "ORDERNUMBER": orders.astype(float)}, y, orders, groups=orders.astype(str).tolist())
    assert kinds(found) == {"ORDERNUMBER": "identifier"}


def test_the_test_part_decides_nothing_about_a_column() -> None:
    columns, y = synthetic_sales()
    place = np.arange(len(y)) % 5
    columns["late"] = np.where(place == 4, y, np.random.default_rng(0).normal(size=len(y)))
    folds = [((place < 4) & (place != fold), place == fold) for fold in range(4)]
    split = {"train": place != 4, "test": place == 4, "folds": folds}
    numeric = ["area", "age", "late"]
    assert audit(pd.DataFrame(columns), y, numeric=numeric, categorical=["town"], **split) == ()  # type: ignore[arg-type]


def test_worth_is_the_error_with_and_without_the_column_and_the_same_every_time() -> None:
    columns, y = synthetic_sales()
    columns["leak"] = np.log(y)
    (finding,) = audited(columns, y)
    assert finding.cv_rmse_with is not None
    assert finding.cv_rmse_without is not None
    assert finding.cv_rmse_with < 0.8 * finding.cv_rmse_without
    assert audited(columns, y) == (finding,)


def test_the_only_column_is_worth_what_the_mean_misses() -> None:
    y = np.random.default_rng(0).normal(size=500)
    (finding,) = audited({"leak": y * 2}, y)
    assert finding.cv_rmse_without == pytest.approx(y.std(), rel=0.1)


def test_small_tables_are_judged_by_what_cannot_be_chance() -> None:
    y = np.random.default_rng(3).normal(size=12)
    assert kinds(audited({"same": y.copy(), "number": np.arange(12.0), "name": id_of(np.arange(12.0))}, y)) == {"same": "copy"}


def test_a_target_without_any_variation_is_no_reason_to_stop() -> None:
    assert audited({"x": np.arange(50.0) % 7}, np.ones(50)) == ()


@pytest.mark.parametrize("coarse", [False, True])
def test_rows_that_stand_on_both_sides_are_found(coarse: bool) -> None:
    rng = np.random.default_rng(0)
    columns, y = coarse_target_table(rng, 600) if coarse else synthetic_sales(600)
    rows = rng.permutation(np.concatenate([np.arange(600), rng.choice(600, 120, replace=False)]))
    (finding,) = audited({name: values[rows] for name, values in columns.items()}, y[rows])
    assert (finding.column, finding.kind, finding.cv_rmse_with) == (None, "duplicates_across_split", None)


def coarse_target_table(rng: np.random.Generator, rows: int) -> tuple[Columns, Array]:
    """Coarse columns but a fine target: features repeat by chance, whole rows do not."""
    table = rng.integers(0, 4, (rows, 3)).astype(float)
    return {name: table[:, index] for index, name in enumerate("abc")}, table.sum(axis=1) + rng.normal(size=rows)


def test_an_id_does_not_hide_repeated_rows() -> None:
    columns, y = synthetic_sales(600)
    rows = np.concatenate([np.arange(600), np.arange(120)])
    found = audited({**{name: values[rows] for name, values in columns.items()}, "number": np.arange(720.0)}, y[rows])
    assert kinds(found) == {"number": "identifier", None: "duplicates_across_split"}


def test_groups_on_both_sides_are_counted() -> None:
    columns, y = synthetic_sales(500)
    groups = [str(row // 10) for row in range(500)]
    (finding,) = audited(columns, y, groups=groups)
    assert (finding.column, finding.kind) == (None, "groups_across_split")
    assert "of 50 groups have rows in both the training and the test part" in finding.evidence
    assert audited(columns, y, np.array(groups), groups=groups) == ()


def test_dates_on_both_sides_of_a_random_split_are_found() -> None:
    columns, y = synthetic_sales(500)
    dates = np.arange(500.0) // 2
    (finding,) = audited({**columns, "day": dates}, y, dates=dates, random_split=True)
    assert (finding.column, finding.kind) == (None, "dates_across_split")
    assert audited(columns, y, dates=dates, random_split=False) == ()
    assert audited(columns, y, dates=np.full(500, 12_000.0), random_split=True) == ()
