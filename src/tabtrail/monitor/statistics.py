"""How far the cells of a window lie from those of the reference, and how likely that is by chance.

Alarms come from p-values of four questions a column: its distribution (Kolmogorov–Smirnov on ordered cells, χ² on others), its
missing share, texts never or rarely seen, values outside the contract. PSI and Wasserstein's distance describe: PSI exceeds any
fixed threshold by chance in small windows, so it is shown beside what chance gives at these sizes.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tabtrail.monitor.distributions import chi2_quantile, chi2_tail, ks_tail, share_tail
from tabtrail.monitor.sketch import MISSING, Array, Counts, Sketch

TESTS = ("distribution", "missing", "unseen", "out of contract")
PSI_GROUPS = 10
_SMOOTHING = 0.5  # a count added to every group: the null (1/n + 1/m)·χ² then holds from 50 rows on
_EXPECTED = 5.0  # Cochran's rule for χ²: rows that a cell must expect in the window
_SMALL = 50  # below this many rows PSI's null is drawn, not approximated
_DRAWS = 2000
_LEVEL = 0.95


def groups_of(sketch: Sketch, most: int = PSI_GROUPS) -> NDArray[np.int64]:
    """Return the group (0 …) of each cell but the missing one [cells − 1]: tenths of numbers, the most frequent of categories."""
    counts = sketch.counts[1:]
    if not sketch.is_ordered:
        return np.minimum(np.arange(len(counts)), most - 1)
    share = (np.cumsum(counts) - counts / 2) / max(counts.sum(), 1)
    # The two cells outside the range that was seen go with their neighbours.
    return np.unique(np.minimum((share * most).astype(np.int64), most - 1), return_inverse=True)[1]


def grouped(counts: Counts, groups: NDArray[np.int64]) -> Counts:
    """Sum the counts of cells by group, without the missing ones."""
    return np.bincount(groups, weights=counts[1:], minlength=int(groups.max()) + 1).astype(np.int64)


def psi(reference: Counts, window: Counts) -> float:
    """Population stability index of grouped counts: Σ (p − q) ln(p / q), with half a row added to every group."""
    p, q = (
        (each + _SMOOTHING) / (each.sum() + _SMOOTHING * len(each)) for each in (window.astype(float), reference.astype(float))
    )
    return float(((p - q) * np.log(p / q)).sum())


def psi_threshold(reference: Counts, window_rows: int) -> float:
    """PSI that windows of so many rows without drift exceed in 5 %.

    By 2,000 draws below 50 rows, else (1/n + 1/m)·χ² with as many degrees of freedom as there are groups less one (Yurdakul,
    Statistical Properties of the Population Stability Index, 2018).
    """
    rows, freedom = int(reference.sum()), len(reference) - 1
    if freedom < 1 or not rows or not window_rows:
        return 0.0
    if min(window_rows, rows) < _SMALL:
        return _drawn_threshold(tuple(reference.tolist()), window_rows)
    return (1 / window_rows + 1 / rows) * _chi2_level(freedom)


@lru_cache(maxsize=256)
def _chi2_level(freedom: int) -> float:
    return chi2_quantile(_LEVEL, freedom)


@lru_cache(maxsize=256)
def _drawn_threshold(reference: tuple[int, ...], window_rows: int) -> float:
    counts = np.array(reference)
    rng = np.random.default_rng(0)
    shares = (counts + _SMOOTHING) / (counts.sum() + _SMOOTHING * len(counts))
    first, second = rng.multinomial(counts.sum(), shares, _DRAWS), rng.multinomial(window_rows, shares, _DRAWS)
    return float(np.quantile([psi(m, n) for m, n in zip(first, second, strict=True)], _LEVEL))


def distribution_statistic(sketch: Sketch, reference: Counts, window: Counts) -> float:
    """Kolmogorov's distance between the shares of ordered cells; for categories χ² over its degrees of freedom."""
    if sketch.is_ordered:
        return ks_distance(reference, window)
    statistic, freedom = chi2(reference, window)
    return statistic / freedom if freedom else 0.0


def distribution_p(sketch: Sketch, reference: Counts, window: Counts, inflation: float = 1.0) -> float:
    """p-value of the distribution; `inflation` says how many correlated rows are worth one independent row."""
    n, m = int(window[1:].sum()), int(reference[1:].sum())
    if not n or not m:
        return 1.0
    if sketch.is_ordered:
        return ks_tail(ks_distance(reference, window), n * m / (n + m) / inflation)
    statistic, freedom = chi2(reference, window, inflation)
    return chi2_tail(statistic, freedom)


def ks_distance(reference: Counts, window: Counts) -> float:
    """Largest difference of the two distribution functions at the edges of the cells, without missing values."""
    m, n = reference[1:].sum(), window[1:].sum()
    if not n or not m:
        return 0.0
    return float(np.abs(np.cumsum(window[1:]) / n - np.cumsum(reference[1:]) / m).max())


def chi2(reference: Counts, window: Counts, inflation: float = 1.0) -> tuple[float, int]:
    """Pearson's χ² of homogeneity and its degrees of freedom, without missing values.

    Cells that expect fewer than five rows, after division by `inflation`, are pooled; so are the rare texts.
    """
    first, second = reference[1:] / inflation, window[1:] / inflation
    total = first + second
    smaller = min(first.sum(), second.sum())
    expected = total * smaller / max(total.sum(), 1e-300)
    kept = expected >= _EXPECTED
    kept[-1] = False  # the cell of rare texts
    table = np.array([[*each[kept], each[~kept].sum()] for each in (first, second)])
    if table[:, -1].sum() * smaller / max(total.sum(), 1e-300) < _EXPECTED and kept.any():
        least = int(np.argmin(table[:, :-1].sum(axis=0)))
        table[:, least] += table[:, -1]
        table = table[:, :-1]
    if table.shape[1] < 2:
        return 0.0, 0
    means = table.sum(axis=0) * table.sum(axis=1, keepdims=True) / table.sum()
    return float(((table - means) ** 2 / means).sum()), table.shape[1] - 1


def missing_p(reference: Counts, window: Counts, inflation: float = 1.0) -> float:
    """p-value of the missing share, two-sided."""
    hits, rows = window[MISSING] / inflation, window.sum() / inflation
    before, of = reference[MISSING] / inflation, reference.sum() / inflation
    above = share_tail(hits, rows, before, of)
    below = share_tail(rows - hits, rows, of - before, of)
    return min(1.0, 2 * min(above, below))


def unseen_p(sketch: Sketch, reference_rows: int, window: Counts, inflation: float = 1.0) -> float:
    """p-value of more texts outside the frequent ones than a fresh sample like the reference has; 1 for ordered columns.

    The reference's share is that of the rows whose text would be outside had they been left out (Good, Biometrika 40, 1953).
    Rows of one rare text come together: `clump` of them count as one.
    """
    if sketch.is_ordered or not reference_rows:
        return 1.0
    clump = inflation * (sketch.clump if sketch.novel else 1)
    return share_tail(window[-1] / clump, window[1:].sum() / clump, sketch.novel / clump, reference_rows / clump)


def out_p(sketch: Sketch, window_out: int, window_rows: int, inflation: float = 1.0) -> float:
    """p-value of a larger share of values outside the contract."""
    return share_tail(window_out / inflation, window_rows / inflation, sketch.out / inflation, sketch.rows / inflation)


def wasserstein(sketch: Sketch, window: Counts, below: float, above: float) -> float | None:
    """First Wasserstein distance in standard deviations of the reference; None for categories, constants and empty windows.

    The area between the two distribution functions, straight between the edges. `below` and `above` are the sums by which
    values of the window lie outside the reference's range.
    """
    n, m = int(window[1:].sum()), sketch.known
    if not sketch.is_ordered or not sketch.sd or not n or not m:
        return None
    difference = np.abs(np.cumsum(window[1:]) / n - np.cumsum(sketch.counts[1:]) / m)[:-1]
    inside: Array = np.diff(sketch.edges) * (difference[:-1] + difference[1:]) / 2
    return float((inside.sum() + (below + above) / n) / sketch.sd)
