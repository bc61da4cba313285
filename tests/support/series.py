"""Series for tests: of known shape, and of a kind that nobody would wish for."""

import json
import warnings
from datetime import date

import numpy as np
from numpy.typing import NDArray

from tabtrail.config.forecast import Risk
from tabtrail.forecast.result import SegmentResult
from tabtrail.forecast.segment import Facts, analyse
from tabtrail.forecast.series import Segment, Series

Array = NDArray[np.float64]
FACTS = Facts(unit="USD", columns={"shop": "SHOP"}, synthetic=True, data_sha256="0" * 64, config_sha256="0" * 64)


def monthly(values: list[float] | Array) -> Series:
    return Series(Segment(), date(2003, 1, 1), "MS", np.asarray(values, dtype=np.float64))


def seasonal(n: int, noise: float = 0.05, seed: int = 1) -> Array:
    profile = np.array([1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 6, 2], dtype=np.float64)
    return 100 * profile[np.arange(n) % 12] * np.exp(noise * np.random.default_rng(seed).standard_normal(n))


def shops(kind: str, seed: int, days: int = 300, count: int = 20) -> list[Series]:
    """Synthetic daily sales of shops: `level` noise around a level, `week` a weekly season, `wander` a level that wanders,
    `sparse` days mostly without a sale.
    """
    random, day = np.random.default_rng(seed), np.arange(days)
    week = random.normal(0, 0.2, 7)
    found = []
    for shop in range(count):
        level = np.full(days, np.exp(random.normal(4.5, 0.7)))
        if kind == "week":
            level = level * (1 + week[day % 7])
        if kind == "wander":
            level = level * np.exp(np.cumsum(random.normal(0, 0.03, days)))
        sales = random.poisson(random.uniform(0.1, 0.6), days) if kind == "sparse" else level * random.gamma(6, 1 / 6, days)
        found.append(Series(Segment((("shop", f"S{shop}"),)), date(2023, 1, 2), "D", np.asarray(sales, dtype=np.float64)))
    return found


def hostile(seed: int) -> Array:
    """A series of 0 to 60 values: zeros, spikes, constants, gaps, trends, negative, tiny, huge."""
    random = np.random.default_rng(seed)
    n = int(random.integers(0, 61))
    kinds = [
        lambda: np.zeros(n),
        lambda: np.full(n, random.choice([-5.0, 1e-12, 7.0, 1e15])),
        lambda: np.where(np.arange(n) == random.integers(0, max(n, 1)), 1e6, 0.0),
        lambda: random.gamma(1, 100, n) * (random.random(n) < 0.2),
        lambda: 10.0 * np.arange(n) ** float(random.choice([1, 2, 5])),
        lambda: 1000.0 - 50.0 * np.arange(n),
        lambda: random.standard_cauchy(n) * 1000,
        lambda: np.exp(np.cumsum(random.normal(0, 1, n))),
        lambda: random.normal(0, 1, n) * 1e-9,
        lambda: np.concatenate([random.gamma(2, 50, n // 2), np.zeros(n - n // 2)]),
        lambda: np.tile([1.0, 0.0], 31)[:n],
        lambda: random.choice([0.0, 1e12, -1e12, 1e-3], n),
    ]
    return np.asarray(kinds[seed % len(kinds)](), dtype=np.float64)


def analyse_and_check(series: Series, risk: Risk) -> SegmentResult:
    """Analyse, and hold the result against what is promised of every one."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = analyse(series, risk, FACTS)
    text = json.dumps(result.model_dump(mode="json"), allow_nan=False)
    assert SegmentResult.model_validate_json(text) == result
    if result.forecast is not None:
        y = series.values
        slack = 1e-6 * max(1e-300, float(np.abs(y).max()))
        spread = float(y.max() - y.min())
        for mean in result.forecast.mean:
            assert float(y.min()) - spread - slack <= mean <= float(y.max()) + spread + slack
    return result
