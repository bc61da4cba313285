"""A thousand series that nobody would wish for: none stops the job, none gives a number that JSON has not."""

import numpy as np
import pytest
from tests.support.series import FACTS, analyse_and_check, hostile, monthly

from tabtrail.config.forecast import Risk
from tabtrail.forecast import segment

# Fitted models are nearly all of the time: every fifth series has GARCH, every fortieth all of them. All on every one is
# `python benchmarks/risk_simulations.py hostile`.
FAST = Risk(models=(), sarima=(), min_returns=100)
GARCH = Risk(models=(), sarima=())
FULL = Risk()
SERIES = 1_000


@pytest.mark.parametrize("part", range(10))
def test_a_hundred_hostile_series_are_all_answered(part: int) -> None:
    for seed in range(part * SERIES // 10, (part + 1) * SERIES // 10):
        series = monthly(hostile(seed))
        result = analyse_and_check(series, FULL if seed % 40 == 0 else GARCH if seed % 5 == 0 else FAST)
        assert result.status != "failed"
        assert (result.forecast is None) == (len(series.values) < 6)


def test_a_sweep_tells_a_series_that_breaks_as_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("it broke")

    monkeypatch.setattr(segment, "forecast_series", broken)
    result = segment.analyse_safely(monthly(np.arange(1.0, 30.0)), FAST, FACTS)
    assert (result.status, result.reason) == ("failed", "RuntimeError: it broke")
