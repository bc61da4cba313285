"""A synthetic CSV of demand by day, store and product, seeded, of any size: all that makes such data hard, made up.

Weekly and yearly seasons, growth, prices that change now and then, promotions that cut them, closed days (Sundays of some
stores, 1 January, 25 December), stock-outs (sales end where the stock does), products that begin later, days without a row, and
returns (a few days below zero). The last days are a plan: prices and promotions without sales.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from tabtrail.data.sample import write_marked
from tabtrail.errors import UsageError

HEADER = ("date", "store_id", "product_id", "category", "units", "price", "promotion", "open", "stock")
_LAST = date(2024, 12, 31)
_CATEGORIES = ("Bakery", "Dairy", "Drinks", "Household")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PROMOTED, _CUT, _PULL = 0.12, 0.2, 1.6  # share of weeks on promotion, the cut of the price, how many times more is sold
_GAPS, _RETURNS, _NEW = 0.01, 0.002, 0.15  # shares of days without a row, of days below zero, of products that begin later
_DISPERSION = 6.0  # of the negative binomial: shop sales vary more than a Poisson does


@dataclass(frozen=True)
class DemandSize:
    """How many stores, products and days a sample has, and how many days of plan follow them."""

    stores: int = 4
    products: int = 8
    days: int = 730
    plan: int = 28

    @property
    def series(self) -> int:
        return self.stores * self.products


def write_demand_sample(path: Path, size: DemandSize, *, seed: int = 42, force: bool = False) -> int:
    """Write a synthetic CSV in UTF-8 and the mark that it is one, and return its rows. The same size and seed give the same
    bytes.

    Raises `UsageError` for an existing file (unless forced), the ending of another format, or a size without a row.
    """
    if min(size.stores, size.products, size.days) < 1 or size.plan < 0:
        raise UsageError("--stores, --products and --days: write at least one of each")
    rows = 0

    def write(temporary: Path) -> None:
        nonlocal rows
        with temporary.open("wb") as file:
            file.write((",".join(HEADER) + "\n").encode())
            for frame in _stores(size, seed):
                frame.write_csv(file, include_header=False)
                rows += frame.height

    write_marked(path, write, {"kind": "demand", **asdict(size), "seed": seed}, force=force)
    return rows


def product_name(number: int) -> str:
    """Name of a product: PROD_A to PROD_Z, then PROD_AA."""
    letters = ""
    while True:
        number, letter = divmod(number, len(_ALPHABET))
        letters = _ALPHABET[letter] + letters
        if not number:
            return f"PROD_{letters}"
        number -= 1


def _stores(size: DemandSize, seed: int) -> Iterator[pl.DataFrame]:
    """Yield the rows of each store."""
    days = np.datetime64(_LAST) - size.days + 1 + np.arange(size.days + size.plan)
    usual = np.round(np.random.default_rng([seed, 0]).uniform(1.5, 40, size.products), 2)
    for store in range(size.stores):
        generator = np.random.default_rng([seed, 1, store])
        closed = _closed(days, sundays=store % 2 == 1)
        busy = generator.uniform(0.6, 1.6)
        yield pl.concat(
            [_series(generator, days, size, (store, product, busy, usual[product], closed)) for product in range(size.products)]
        )


def _closed(days: np.ndarray, *, sundays: bool) -> np.ndarray:
    weekday = (days.astype(np.int64) + 3) % 7
    texts = np.datetime_as_string(days)
    holiday = np.char.endswith(texts, "-01-01") | np.char.endswith(texts, "-12-25")
    return np.asarray(holiday | (sundays & (weekday == 6)))


def _series(
    generator: np.random.Generator, days: np.ndarray, size: DemandSize, own: tuple[int, int, float, float, np.ndarray]
) -> pl.DataFrame:
    store, product, busy, usual, closed = own
    count, number = len(days), days.astype(np.int64)
    promotion = np.repeat(generator.random(count // 7 + 2) < _PROMOTED, 7)[number[0] % 7 :][:count]
    steps = np.cumsum(np.where(generator.random(count) < 0.01, generator.normal(0, 0.04, count), 0.0))
    price = np.round(usual * np.exp(steps) * np.where(promotion, 1 - _CUT, 1.0), 2)
    weekend = np.isin((number + 3) % 7, (4, 5))
    season = 1 + 0.25 * np.sin(2 * np.pi * (number % 365.25) / 365.25 + product)
    level = busy * (0.5 + 10 * ((product * 7 + store) % 5) / 4) * np.exp(-steps * 1.5)
    mean = level * season * np.where(weekend, 1.5, 1.0) * np.where(promotion, _PULL, 1.0) * (1 + np.arange(count) / count / 4)
    demand = generator.negative_binomial(_DISPERSION, _DISPERSION / (_DISPERSION + mean))
    supply = np.ceil(mean.mean() * generator.uniform(1.8, 4.0, count)).astype(np.int64)
    units, stock = np.minimum(demand, supply), np.maximum(supply - demand, 0)
    returned = generator.random(count) < _RETURNS
    units = np.where(closed, 0, np.where(returned, -generator.integers(1, 4, count), units))
    begins = int(generator.integers(count // 4, count * 3 // 4)) if generator.random() < _NEW and size.days > 60 else 0
    planned = np.arange(count) >= size.days
    there = (np.arange(count) >= begins) & (planned | (generator.random(count) >= _GAPS))
    return pl.DataFrame(
        {
            "date": days.astype("datetime64[D]"),
            "store_id": f"STORE_{store + 1:03d}",
            "product_id": product_name(product),
            "category": _CATEGORIES[product % len(_CATEGORIES)],
            "units": pl.Series(units).set(pl.Series(planned), None),
            "price": price,
            "promotion": promotion.astype(np.int64),
            "open": (~closed).astype(np.int64),
            "stock": pl.Series(np.where(closed, supply, stock)).set(pl.Series(planned), None),
        }
    ).filter(pl.Series(there))
