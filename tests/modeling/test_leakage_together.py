"""Columns that give the target away together: formulas and price lists of two columns or more."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tabtrail.modeling.leakage.columns import Column, read_numbers, read_texts, with_numbers
from tabtrail.modeling.leakage.findings import Finding, columns_to_drop
from tabtrail.modeling.leakage.together import Joint, find_together

Values = NDArray[np.generic]
Table = tuple[dict[str, Values], NDArray[np.float64]]
Make = Callable[[np.random.Generator, int], Table]


def read(values: Values) -> Column:
    return with_numbers(read_texts(values), values) if values.dtype == object else read_numbers(values.astype(np.float64))


def found_in(table: Table) -> list[Joint]:
    columns, y = table
    return find_together({name: read(values) for name, values in columns.items()}, y, seed=42)


def texts(values: Values) -> NDArray[np.object_]:
    return np.array([f"k{value}" for value in values.tolist()], dtype=object)


def with_noise(table: Table, rng: np.random.Generator) -> Table:
    """Add columns that have nothing to do with the target."""
    columns, y = table
    rows = len(y)
    noise = {f"n{place}": rng.lognormal(0, 1, rows) if place % 2 else rng.integers(0, 20, rows) for place in range(10)}
    return {**noise, **columns}, y


def amounts(rng: np.random.Generator, rows: int, *names: str) -> dict[str, NDArray[np.float64]]:
    return {name: rng.lognormal(3, 0.6, rows) for name in names}


def lines(rng: np.random.Generator, rows: int) -> dict[str, NDArray[np.float64]]:
    """Order lines: quantity, price, share of discount, cost."""
    price = np.round(rng.uniform(5, 100, rows), 2)
    quantity = rng.integers(1, 50, rows).astype(np.float64)
    return {
        "q": quantity,
        "p": price,
        "less": np.round(rng.uniform(0, 0.4, rows), 2),
        "cost": price * rng.uniform(0.4, 0.9, rows),
    }


def pick(columns: dict[str, NDArray[np.float64]], *names: str) -> dict[str, Values]:
    return {name: columns[name] for name in names}


def of(make: Callable[..., NDArray[np.float64]], *names: str) -> Make:
    def table(rng: np.random.Generator, rows: int) -> Table:
        columns = lines(rng, rows) | amounts(rng, rows, "a", "b", "c")
        return pick(columns, *names), make(*(columns[name] for name in names))

    return table


def durations(rng: np.random.Generator, rows: int) -> Table:
    start = rng.integers(15_000, 17_000, rows)
    end = start + rng.integers(1, 60, rows)
    return {"start": start, "end": end}, (end - start) * 24.0


def first_filled(rng: np.random.Generator, rows: int) -> Table:
    columns = amounts(rng, rows, "a", "b")
    gap = rng.random(rows) < 0.4
    return {"a": np.where(gap, np.nan, columns["a"]), "b": columns["b"]}, np.where(gap, columns["b"], columns["a"])


def price_list(rng: np.random.Generator, rows: int) -> Table:
    item, size = rng.integers(0, 8, rows), rng.integers(0, 5, rows)
    return {"item": texts(item), "size": size}, np.round(rng.lognormal(3, 0.7, (8, 5)), 2)[item, size]


def parts_of_a_total(rng: np.random.Generator, rows: int) -> Table:
    parts = amounts(rng, rows, *(f"month{place}" for place in range(12)))
    return dict(parts), np.sum(list(parts.values()), axis=0)


LEAKS: dict[str, tuple[Make, str]] = {
    "sum": (of(lambda a, b: a + b, "a", "b"), "target = a + b"),
    "sum_in_thousands": (of(lambda a, b: (a + b) / 1000, "a", "b"), "0.001 × a"),
    "difference": (of(lambda a, b: a - b, "a", "b"), "target = a - b"),
    "sum_of_three": (of(lambda a, b, c: a + b - c, "a", "b", "c"), "target = a + b - c"),
    "weighted": (of(lambda a, b, c: 1.19 * a + 0.5 * b - 2 * c + 4.9, "a", "b", "c"), "+ 4.9"),
    "parts_of_a_total": (parts_of_a_total, "month11"),
    "product": (of(lambda q, p: q * p, "q", "p"), "target = q × p"),
    "rounded_product": (of(lambda q, p: np.round(q * p), "q", "p"), "target = q × p"),
    "discounted": (of(lambda q, p, less: q * p * (1 - less), "q", "p", "less"), "(1 - less)"),
    "profit": (of(lambda q, p, cost: q * (p - cost), "q", "p", "cost"), "q × p - q × cost"),
    "margin": (of(lambda p, cost: (p - cost) / p, "p", "cost"), "cost / p"),
    "ratio": (of(lambda a, b: a / b, "a", "b"), "target = a / b"),
    "ratio_of_powers": (of(lambda a, b: a / b**2, "a", "b"), "target = a / b^2"),
    "share_of_both": (of(lambda a, b: a / (a + b), "a", "b"), "1 / target"),
    "product_and_more": (of(lambda q, p, a: q * p + 20 * a, "q", "p", "a"), "20 × a"),
    "log_linear": (of(lambda a, b: np.exp(0.02 * a - 0.03 * b), "a", "b"), "log target"),
    "distance": (of(lambda a, b: np.hypot(a - 15, b - 30), "a", "b"), "target²"),
    "larger": (of(np.maximum, "a", "b"), "the larger of"),
    "smaller": (of(np.minimum, "a", "b"), "the smaller of"),
    "first_filled": (first_filled, "the first filled of"),
    "durations": (durations, "24 × end - 24 × start"),
    "price_list": (price_list, "have the same target"),
}


@pytest.mark.parametrize("wrong", [0, 0.06])
@pytest.mark.parametrize("name", LEAKS)
def test_columns_that_make_up_the_target_are_named_with_the_formula_also_among_noise_and_wrong_rows(
    name: str, wrong: float
) -> None:
    make, text = LEAKS[name]
    rng = np.random.default_rng(3)
    columns, y = make(rng, 500)
    y = np.where(rng.random(len(y)) < wrong, y * rng.choice([0.1, 1.5, 10], len(y)), y)
    found = found_in(with_noise((columns, y), rng))
    assert [set(each.columns) for each in found] == [set(columns)]
    assert text in found[0].evidence


def strong(make: Callable[..., NDArray[np.float64]], *names: str, r2: float) -> Make:
    def table(rng: np.random.Generator, rows: int) -> Table:
        columns, y = of(make, *names)(rng, rows)
        return with_noise((columns, y + rng.normal(0, np.std(y) * np.sqrt(1 / r2 - 1), rows)), rng)

    return table


def measured_power(rng: np.random.Generator, rows: int) -> Table:
    """Volts times amperes, from instruments that are right to 3 %."""
    volts, amperes = rng.uniform(1, 24, rows), rng.uniform(0.1, 5, rows)
    return {"volts": volts, "amperes": amperes}, volts * amperes * (1 + rng.normal(0, 0.03, rows))


def counts(rng: np.random.Generator, rows: int) -> Table:
    rate = rng.lognormal(3, 1, rows)
    return {"rate": rate, "kind": rng.integers(0, 4, rows)}, rng.poisson(rate).astype(np.float64)


def half_capped(rng: np.random.Generator, rows: int) -> Table:
    """The amount is quantity × price in half of the rows, as in the sales data, where prices are capped."""
    columns = lines(rng, rows)
    return {"q": columns["q"], "p": np.minimum(columns["p"], 50)}, columns["q"] * columns["p"]


def bargained_list(rng: np.random.Generator, rows: int) -> Table:
    columns, y = price_list(rng, rows)
    return columns, np.round(y * (1 + rng.normal(0, 0.02, rows)), 2)


def slow_price(rng: np.random.Generator, rows: int) -> Table:
    price = np.round(np.repeat(rng.lognormal(3, 0.3, rows // 5 + 2), 5)[: rows + 2], 2)
    return {"yesterday": price[1:-1], "the_day_before": price[:-2]}, price[2:]


def keys(rng: np.random.Generator, rows: int) -> Table:
    return {"id": np.arange(rows), "code": texts(rng.integers(0, rows, rows))}, np.round(rng.lognormal(3, 1, rows), 2)


def repeated_rows(rng: np.random.Generator, rows: int) -> Table:
    """Rows that occur two or three times: learned by heart, and no table that anybody made."""
    row = rng.integers(0, rows // 2, rows)
    columns = {"a": rng.integers(0, 200, rows)[row], "b": texts(rng.integers(0, 200, rows)[row])}
    return columns, np.round(rng.lognormal(3, 1, rows), 2)[row]


def classes(rng: np.random.Generator, rows: int) -> Table:
    a, b = rng.integers(0, 3, rows), rng.integers(0, 3, rows)
    return {"a": texts(a), "b": texts(b)}, ((a + b) % 3).astype(np.float64)


HONEST: dict[str, Make] = {
    **{f"sum_{r2}": strong(lambda a, b: a + b, "a", "b", r2=r2) for r2 in (0.9, 0.95, 0.99, 0.995)},
    **{f"product_{r2}": strong(lambda q, p: q * p, "q", "p", r2=r2) for r2 in (0.9, 0.95, 0.99, 0.995)},
    **{f"ratio_{r2}": strong(lambda a, b: a / b, "a", "b", r2=r2) for r2 in (0.95, 0.99)},
    "measured_power": measured_power,
    "counts": counts,
    "half_capped": half_capped,
    "bargained_list": bargained_list,
    "slow_price": slow_price,
    "keys": keys,
    "repeated_rows": repeated_rows,
    "classes": classes,
}


@pytest.mark.parametrize("rows", [20, 600])
@pytest.mark.parametrize("name", HONEST)
def test_a_strong_model_of_few_columns_is_no_leak(name: str, rows: int) -> None:
    assert found_in(HONEST[name](np.random.default_rng(rows), rows)) == []


def test_columns_without_the_target_in_them_are_silent_in_every_one_of_many_tables() -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        assert found_in(with_noise(({}, rng.lognormal(2, 1, 120)), rng)) == []


def test_what_a_column_that_nearly_predicts_the_target_lacks_is_named_only_where_it_is_exact() -> None:
    rng = np.random.default_rng(0)
    columns = {name: read_numbers(values) for name, values in amounts(rng, 400, "sales", "fees").items()}
    sales, fees = (columns[name].numbers for name in ("sales", "fees"))
    assert sales is not None
    assert fees is not None
    exact, near = sales + 0.1 * fees, sales + 0.1 * fees + rng.normal(0, 0.05, 400)
    alone = frozenset(("sales",))
    assert [each.columns for each in find_together(columns, exact, alone=alone, seed=1)] == [("sales", "fees")]
    assert find_together(columns, near, alone=alone, seed=1) == []


def test_the_rentals_of_bicycles_are_the_sum_of_two_kinds_of_riders(real_csv: Path) -> None:
    bikes = real_csv.with_name("bike_sharing_hourly.csv")
    if not bikes.is_file():
        pytest.skip(f"{bikes} is missing")
    with bikes.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = ["hr", "temp", "hum", "windspeed", "casual", "registered"]
    columns = {name: np.array([float(row[name]) for row in rows]) for name in names}
    found = found_in((dict(columns), columns["casual"] + columns["registered"]))
    assert [set(each.columns) for each in found] == [{"casual", "registered"}]


def test_a_finding_with_partners_survives_its_json_form_and_all_its_columns_are_dropped() -> None:
    findings = [
        Finding("casual", "computed", "target = casual + registered", 2.0, 60.0, ("registered",)),
        Finding("registered", "computed", "target = casual + registered", 2.0, 60.0, ("casual",)),
    ]
    assert [Finding.from_dict(each.to_dict()) for each in findings] == findings
    assert columns_to_drop((each.column, each.kind) for each in findings) == {"casual", "registered"}
    assert str(findings[0]) == ("casual: computed with registered: target = casual + registered (RMSE 2 with them, 60 without)")
    assert "partners" not in Finding("a", "copy", "equals", None, None).to_dict()
