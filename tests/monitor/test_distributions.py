"""The null distributions against scipy's, which the service does not have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tabtrail.monitor.distributions import chi2_quantile, chi2_tail, holm, ks_tail, share_tail

SHARES = st.floats(1e-6, 1, allow_nan=False)


@given(st.floats(0, 500), st.integers(1, 120))
def test_chi_squared_has_the_tail_that_scipy_gives_it(x: float, freedom: int) -> None:
    assert chi2_tail(x, freedom) == pytest.approx(stats.chi2.sf(x, freedom), rel=1e-8, abs=1e-14)


@pytest.mark.parametrize("freedom", [1, 2, 9, 40, 300])
def test_a_quantile_of_chi_squared_is_exceeded_as_often_as_it_says(freedom: int) -> None:
    assert chi2_quantile(0.95, freedom) == pytest.approx(stats.chi2.ppf(0.95, freedom), rel=1e-9)


@given(st.floats(0.01, 0.9), st.integers(20, 5000))
def test_kolmogorovs_distance_has_nearly_its_exact_tail(distance: float, size: int) -> None:
    exact = stats.kstwo.sf(distance, size)
    assert ks_tail(distance, size) == pytest.approx(exact, rel=0.15, abs=2e-3)


@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 400), st.integers(1, 400))
def test_a_share_above_that_of_the_reference_is_as_likely_as_fishers_exact_test_says(y: int, n: int, x: int, m: int) -> None:
    y, x = min(y, n), min(x, m)
    exact = stats.hypergeom.sf(y - 1, n + m, y + x, n)
    if y * (n + m) > (y + x) * n:
        assert share_tail(y, n, x, m) == pytest.approx(exact, rel=1e-7)
    else:
        assert share_tail(y, n, x, m) == 1.0, "a share that is not larger never alarms"


def test_a_share_of_a_million_rows_is_tested_without_a_long_sum() -> None:
    assert share_tail(1_200, 1_000_000, 1_000, 1_000_000) == pytest.approx(
        stats.hypergeom.sf(1_199, 2_000_000, 2_200, 1_000_000), rel=1e-5
    )


@given(st.lists(SHARES, min_size=1, max_size=12))
def test_holms_adjustment_keeps_the_order_and_lies_between_the_plain_value_and_bonferronis(values: list[float]) -> None:
    adjusted = holm(values)
    for plain, after in zip(values, adjusted, strict=True):
        assert plain <= after <= min(1.0, plain * len(values)) + 1e-12
    order = np.argsort(values, kind="stable")
    assert list(np.array(adjusted)[order]) == sorted(adjusted)
