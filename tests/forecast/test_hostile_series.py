"""A thousand series that nobody would wish for: none stops the job, none gives a number that JSON has not."""

import json
import warnings
from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray

from tabtrail.config.forecast import Risk
from tabtrail.forecast.local.series import Segment, Series
from tabtrail.forecast.result import SegmentResult
from tabtrail.forecast.segments import Facts, analyse

Array = NDArray[np.float64]
FACTS = Facts(unit="USD", columns={}, synthetic=True, data_sha256="0" * 64, config_sha256="0" * 64)
# Fitted models are nearly all of the time: every fifth series has GARCH, every fortieth all of them. All on every one is
# `python benchmarks/risk_simulations.py hostile`.
FAST = Risk(models=(), sarima=(), min_returns=100)
GARCH = Risk(models=(), sarima=())
FULL = Risk()
SERIES = 1_000


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


def check(series: Series, risk: Risk) -> SegmentResult:
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


@pytest.mark.parametrize("part", range(10))
def test_a_hundred_hostile_series_are_all_answered(part: int) -> None:
    for seed in range(part * SERIES // 10, (part + 1) * SERIES // 10):
        series = Series(Segment(), date(2003, 1, 1), "MS", hostile(seed))
        result = check(series, FULL if seed % 40 == 0 else GARCH if seed % 5 == 0 else FAST)
        assert result.status != "failed"
        assert (result.forecast is None) == (len(series.values) < 6)


def test_a_sweep_tells_a_series_that_breaks_as_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    from tabtrail.forecast import segments

    def broken(*arguments: object) -> None:
        raise RuntimeError("it broke")

    monkeypatch.setattr(segments, "forecast_series", broken)
    series = Series(Segment(), date(2003, 1, 1), "MS", np.arange(1.0, 30.0))
    result = segments.analyse_safely(series, FAST, FACTS)
    assert (result.status, result.reason) == ("failed", "RuntimeError: it broke")
