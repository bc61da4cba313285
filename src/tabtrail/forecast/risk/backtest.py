"""Whether value at risk is broken as often as it says, and not in a row: Kupiec 1995, Christoffersen 1998.

The asymptotic χ² critical values fail for the few violations that business series have. The p values here are exact: of the
binomial distribution for the unconditional test, of simulated sequences for the others. The statistics have few possible
values; ties are broken at random (Dufour 2006, as Christoffersen and Pelletier 2004 do for these tests), by a number that the
returns themselves determine, so that a correct model is rejected in 5 % of cases at 5 %, and the same data always
has the same p value.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import xlog1py, xlogy

Hits = NDArray[np.bool_]
Array = NDArray[np.float64]
# With so many, a p value of 5 % has a standard error of 0.2 %; one less than 10,000 makes p values of whole ten-thousandths.
_SIMULATIONS = 9_999
# With 2.5 expected, none at all comes in 8 of 100 cases: fewer forecasts cannot show that a value at risk is too high.
MIN_EXPECTED = 2.5


@dataclass(frozen=True)
class Test:
    """A likelihood-ratio statistic and its exact p value."""

    statistic: float
    p: float


@dataclass(frozen=True)
class Backtest:
    """The three tests of a sequence of violations."""

    unconditional: Test
    independence: Test
    conditional: Test


def backtest(hits: Hits, rate: float, returns: Array) -> Backtest | None:
    """Return the tests of violations [n] that should come at `rate`; None where fewer than 2.5 are expected.

    `returns` [n] are those that broke the value at risk or did not; they break ties.
    """
    if len(hits) * rate < MIN_EXPECTED:
        return None
    counts = transitions(hits[None, :])
    independence = float(_independence(counts)[0])
    unconditional = float(kupiec(np.array([hits.sum()]), len(hits), rate)[0])
    conditional = unconditional + independence
    draws = _uniforms(returns)
    null_independence, null_conditional = _simulated(len(hits), rate)
    return Backtest(
        Test(unconditional, kupiec_p(int(hits.sum()), len(hits), rate, draws[0])),
        Test(independence, _monte_carlo_p(independence, null_independence, draws[1])),
        Test(conditional, _monte_carlo_p(conditional, null_conditional, draws[2])),
    )


def kupiec(violations: NDArray[np.int64], n: int, rate: float) -> Array:
    """Return the likelihood ratio of the violation rate (Kupiec 1995): -2 log of L(rate) / L(x / n), 0 log 0 = 0."""
    x = violations.astype(np.float64)
    share = x / n
    free = xlogy(x, share) + xlog1py(n - x, -share)
    held = xlogy(x, rate) + xlog1py(n - x, -rate)
    ratio: Array = np.maximum(2 * (free - held), 0.0)
    return ratio


def kupiec_p(violations: int, n: int, rate: float, draw: float) -> float:
    """Return the binomial probability of a larger statistic, and of an equal one times `draw` (between 0 and 1)."""
    numbers = np.arange(n + 1)
    statistics, masses = kupiec(numbers, n, rate), stats.binom.pmf(numbers, n, rate)
    own = statistics[violations]
    # Equal up to rounding: the statistic of too few violations can be that of too many.
    equal = np.isclose(statistics, own, rtol=1e-9, atol=1e-12)
    return float(min(1.0, masses[(statistics > own) & ~equal].sum() + draw * masses[equal].sum()))


def transitions(hits: NDArray[np.bool_]) -> Array:
    """Return n00, n01, n10, n11 of each sequence [sequences, 4]: how often what followed what."""
    before, after = hits[:, :-1], hits[:, 1:]
    pairs = [(~before & ~after), (~before & after), (before & ~after), (before & after)]
    return np.stack([pair.sum(axis=1) for pair in pairs], axis=1).astype(np.float64)


def _independence(counts: Array) -> Array:
    """Return the likelihood ratio of a first-order Markov chain against independence (Christoffersen 1998, section 3.2)."""
    n00, n01, n10, n11 = counts.T
    total = n01 + n11
    share = total / np.maximum(counts.sum(axis=1), 1)
    after_none = n01 / np.maximum(n00 + n01, 1)
    after_hit = n11 / np.maximum(n10 + n11, 1)
    held = xlogy(total, share) + xlog1py(n00 + n10, -share)
    free = xlogy(n01, after_none) + xlog1py(n00, -after_none) + xlogy(n11, after_hit) + xlog1py(n10, -after_hit)
    ratio: Array = np.maximum(2 * (free - held), 0.0)
    return ratio


@lru_cache(maxsize=32)
def _simulated(n: int, rate: float) -> tuple[Array, Array]:
    """Return the sorted statistics of independence and conditional coverage of sequences for which all is true."""
    # The same numbers for the same question, so that a p value can be computed again.
    random = np.random.default_rng([n, int(rate * 1e9)])
    parts = [random.random((min(1000, _SIMULATIONS - start), n)) < rate for start in range(0, _SIMULATIONS, 1000)]
    independence = np.concatenate([_independence(transitions(part)) for part in parts])
    unconditional = np.concatenate([kupiec(part.sum(axis=1), n, rate) for part in parts])
    return np.sort(independence), np.sort(independence + unconditional)


def _monte_carlo_p(statistic: float, null: Array, draw: float) -> float:
    """Return (1 + number simulated that are larger, of equal ones a share `draw`) / (1 + number simulated)."""
    slack = 1e-9 * max(1.0, abs(statistic))
    larger = len(null) - int(np.searchsorted(null, statistic + slack, side="right"))
    equal = len(null) - larger - int(np.searchsorted(null, statistic - slack, side="left"))
    return (larger + draw * (equal + 1)) / (len(null) + 1)


def _uniforms(returns: Array) -> Array:
    """Return three numbers between 0 and 1 that look random and depend on the returns alone."""
    digest = hashlib.sha256(np.ascontiguousarray(returns, dtype="<f8").tobytes()).digest()
    return np.frombuffer(digest[:24], dtype="<u8").astype(np.float64) / 2.0**64
