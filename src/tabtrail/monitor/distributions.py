"""The few null distributions that drift needs, in plain Python and numpy: what serves has no scipy."""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_NORMAL = NormalDist()
_STEPS = 10_000  # a series or a fraction that has not settled after so many terms never will; both settle within hundreds


def normal_tail(z: float) -> float:
    """Probability that a standard normal variable exceeds `z`."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def normal_quantile(share: float) -> float:
    """Value below which a standard normal variable lies with probability `share` (0 to 1, both excluded)."""
    return _NORMAL.inv_cdf(share)


def chi2_tail(x: float, freedom: int) -> float:
    """Probability that χ² with so many degrees of freedom exceeds `x` (Numerical Recipes, 3rd edition, section 6.2)."""
    if x < 1e-300 or freedom <= 0:
        return 1.0
    a, half = freedom / 2, x / 2
    front = math.exp(-half + a * math.log(half) - math.lgamma(a))
    if half < a + 1:
        term = total = 1 / a
        for step in range(1, _STEPS):
            term *= half / (a + step)
            total += term
            if term < total * 1e-16:
                break
        return max(0.0, 1 - front * total)
    return front * _upper_fraction(a, half)


def _upper_fraction(a: float, x: float) -> float:
    """The continued fraction of the upper incomplete gamma function by Lentz's method."""
    tiny = 1e-300
    b = x + 1 - a
    c, d = 1 / tiny, 1 / b
    value = d
    for step in range(1, _STEPS):
        an = -step * (step - a)
        b += 2
        d = an * d + b
        d = 1 / (d if abs(d) > tiny else tiny)
        c = b + an / c
        c = c if abs(c) > tiny else tiny
        value *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return value


def chi2_quantile(share: float, freedom: int) -> float:
    """Value that χ² exceeds with probability 1 − `share`, by bisection."""
    low, high = 0.0, freedom + 10.0
    while chi2_tail(high, freedom) > 1 - share:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if chi2_tail(middle, freedom) > 1 - share else (low, middle)
    return (low + high) / 2


def ks_tail(distance: float, size: float) -> float:
    """Probability that Kolmogorov's distance exceeds `distance` for an effective size n·m/(n + m).

    The limit law with Stephens' correction for finite sizes (J. R. Stat. Soc. B 32, 1970), for continuous data; with ties it is
    an upper bound.
    """
    root = math.sqrt(max(size, 0.0))
    x = (root + 0.12 + 0.11 / root) * distance if root else 0.0
    if x < 0.2:  # the series alternates there, and the probability is 1 to 12 digits
        return 1.0
    total = sum((-1.0) ** (j - 1) * math.exp(-2 * (j * x) ** 2) for j in range(1, 25))
    return min(1.0, max(0.0, 2 * total))


def share_tail(hits: float, rows: float, reference_hits: float, reference_rows: float) -> float:
    """Probability of at least so many hits in the window by chance, given the hits of both: Fisher's exact test, one-sided.

    Sizes that were divided by an inflation are rounded, hits to the side that alarms less.
    """
    n, m = round(rows), round(reference_rows)
    y, x = min(math.floor(hits + 1e-9), n), min(math.ceil(reference_hits - 1e-9), m)
    if n <= 0 or m <= 0 or y <= 0:
        return 1.0
    total, most = y + x, min(y + x, n)
    steps = np.arange(y, min(most, y + 50_000), dtype=np.float64)  # beyond that the terms are far below the last digit
    ratios = (total - steps) * (n - steps) / ((steps + 1) * (m - total + steps + 1))
    terms = np.concatenate(([1.0], np.cumprod(ratios)))
    first = _log_choose(n, y) + _log_choose(m, x) - _log_choose(n + m, total)
    if y <= total * n / (n + m):  # below the mean the terms rise first; such a share never alarms
        return 1.0
    return float(min(1.0, math.exp(first) * terms.sum()))


def _log_choose(of: int, take: int) -> float:
    return math.lgamma(of + 1) - math.lgamma(take + 1) - math.lgamma(of - take + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: those at most α are rejected with a family-wise error of at most α (Holm, Scand. J. Stat. 6, 1979)."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, worst = [1.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        worst = max(worst, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = worst
    return adjusted
