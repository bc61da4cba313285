"""What one column gives away: relations to the target that no honest column has."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.special import bdtr

from tabtrail.modeling.leakage.columns import Codes, Column, count_distinct
from tabtrail.modeling.leakage.findings import Evidence, Kind
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.split import Mask

_RELATIONS: tuple[Kind, ...] = ("copy", "rescaled", "monotone")
EXACT = 0.9  # share of rows on an exact relation: a leak survives a few typing errors
EXACT_FEW = 0.99  # the same where the target has few values, which also agree by chance
FEW_VALUES = 20  # fewer different targets are a scale of grades, which honest columns also match by chance
_SUSPICIOUS = 0.98  # R² of one column alone; an honest strong one reaches 0.9 to 0.95
_SUSPICIOUS_RANKS = 0.995  # the same on ranks, where noise counts for less
_IN_ORDER = 0.9995  # |Spearman's ρ|: noise of 3 % of the target's spread
_DETERMINED = 0.999  # R² of the target over a column that is a function of it: what float rounding leaves
_MIN_EXACT = 6  # rows on an exact relation that do not agree by chance
_MIN_PART = 10  # the same where a part of the rows was picked out first
_MIN_ROWS = 20  # degrees of freedom below which a share of variance is noise
_MIN_MODEL = 30  # rows below which neither a noise level nor a cut can be told from chance
_COMMON = 0.05  # a value in this share of the rows may stand for "nothing here"
_MAX_BINS = 200  # ranges of a binned target that people make; more are values of their own
_OVERLAP = 0.2  # the least share on the wrong side near the cut between two honest groups
_CHANCE = 0.05  # level of the binomial test that the overlap near the cuts is below that of honest groups


def find_target_leak(column: Column, y: Array, seed: int) -> Evidence | None:
    """Return the strongest relation to the target that no honest column has."""
    if len(y) == 0 or np.ptp(y) == 0 or np.ptp(column.codes) == 0:
        return None
    parts = [] if column.numbers is None else list(_parts(column.numbers))
    checks: tuple[Callable[[Array, Array], str | None], ...] = (_copy, _rescaled, _monotone)
    for kind, check in zip(_RELATIONS, checks, strict=True):
        for rows, where in parts:
            text = check(column.numbers[rows], y[rows]) if column.numbers is not None else None
            if text is not None:
                return kind, text + where
    text = _binned(column, y)
    if text is not None:
        return "binned", text
    text = _alone(column, parts, y, seed)
    return None if text is None else ("predicts_alone", text)


def _parts(numbers: Array) -> Iterator[tuple[Mask, str]]:
    """Yield the rows with a value, and those without the most common one, which may stand for a missing value."""
    present = np.isfinite(numbers)
    count = int(present.sum())
    if count >= (_MIN_EXACT if present.mean() >= 0.9 else _MIN_PART):
        yield present, "" if present.all() else f", in the {count:,} rows that have a value"
    if count >= _MIN_PART:
        common, rows = _mode(numbers[present])
        rest = present & (numbers != common)
        if rows >= _COMMON * count and rest.sum() >= _MIN_PART:
            yield rest, f", in the {int(rest.sum()):,} rows that have another value than the most common one"


def _copy(v: Array, y: Array) -> str | None:
    share = _share_on_line(v, y, 1.0, 0.0)
    return None if share is None else f"equals the target in {share:.1%} of the rows (to within 1 % of its spread)"


def _rescaled(v: Array, y: Array) -> str | None:
    """Fit a line through pairs half the rows apart (Theil's incomplete method: Sprent, Data Driven Statistical Methods, 1998)."""
    order, half = np.argsort(y, kind="stable"), len(y) // 2
    low, high = order[:half], order[len(y) - half :]
    apart = y[high] > y[low]
    if not apart.any():
        return None
    slope = float(np.median((v[high] - v[low])[apart] / (y[high] - y[low])[apart]))
    intercept = float(np.median(v - slope * y))
    share = _share_on_line(v, y, slope, intercept)
    if share is None:
        return None
    return f"equals {slope:.4g} × the target {'-' if intercept < 0 else '+'} {abs(intercept):.4g} in {share:.1%} of the rows"


def _share_on_line(v: Array, y: Array, slope: float, intercept: float) -> float | None:
    """Return the share of rows on a line, None where it is too small.

    Rows at the most common value of both agree trivially and do not count; rows at another than the target's most common
    value must agree by themselves.
    """
    if slope == 0 or not np.isfinite(slope):
        return None
    few = _has_few_values(y)
    # Rounding: a hundredth of the target's spread, or half a percent of a value far from its middle, whichever is more.
    tolerance = abs(slope) * np.maximum(0.01 * spread_of(y), 0.005 * np.abs(y - np.median(y)))
    on_line = np.abs(v - intercept - slope * y) <= tolerance
    off_mode = y != _mode(y)[0]
    counted = off_mode | (v != _mode(v)[0])
    # Fewer rows than this off the target's most common value agree with a line by chance.
    if off_mode.sum() < (10 if few else 5) or count_distinct(v[counted]) < 2:
        return None
    share = min(float(on_line[counted].mean()), float(on_line[off_mode].mean()))
    return share if share >= (EXACT_FEW if few else EXACT) else None


def _monotone(v: Array, y: Array) -> str | None:
    counted = (y != _mode(y)[0]) | (v != _mode(v)[0])
    v, y = v[counted], y[counted]
    if len(y) < _MIN_ROWS or min(count_distinct(v), count_distinct(y)) < FEW_VALUES:
        return None
    rho = _correlation(_ranks(v), _ranks(y))
    if abs(rho) < 0.85:  # so far from any order that the search for one, which is slower, could find none
        return None
    ordered = _longest_ordered(np.sign(rho) * v, y) / len(y)
    if abs(rho) < _IN_ORDER and ordered < EXACT:
        return None
    direction = "rises" if rho > 0 else "falls"
    return f"{direction} with the target (rank correlation {rho:.5f}; {ordered:.1%} of the rows in exact order)"


def _longest_ordered(v: Array, y: Array) -> int:
    """Return the length of the longest subsequence that never falls, by patience sorting; ties in y count against it."""
    ends: list[float] = []
    for value in v[np.lexsort((-v, y))].tolist():
        place = bisect_right(ends, value)
        ends[place : place + 1] = [value]
    return len(ends)


def _binned(column: Column, y: Array) -> str | None:
    """Find levels that follow one another along the target with sharp edges.

    Two honest groups overlap: within half a standard deviation of the best cut between two normal ones, about a fifth of the
    rows are on the wrong side, and where they lie so far apart that hardly any are, there are no rows near the cut. A binning
    has rows there, all on their own side.
    """
    filled = column.filled
    text = _sharp_edges(column.codes, y)
    if text is not None or filled.all():
        return text
    if filled.sum() >= _MIN_MODEL:
        text = _sharp_edges(column.codes[filled], y[filled])
        if text is not None:
            return f"{text}, in the {int(filled.sum()):,} rows that have a value"
    text = _sharp_edges(filled.astype(np.int64), y)
    return None if text is None else f"is filled or empty by the target: {text}"


def _sharp_edges(codes: Codes, y: Array) -> str | None:
    levels, counts = np.unique(codes, return_counts=True)
    # A level has five rows on average; those of fewer than three have no range, and must be few for the others to judge by.
    if len(y) < _MIN_MODEL or not 2 <= len(levels) <= len(y) // 5:
        return None
    kept = levels[counts >= 3]
    if not 2 <= len(kept) <= _MAX_BINS or counts[counts >= 3].sum() < 0.95 * len(y):
        return None
    parts = sorted((np.sort(y[codes == level]) for level in kept), key=lambda part: (float(np.median(part)), float(part.mean())))
    cuts = [_cut(low, high) for low, high in pairwise(parts)]
    wrong, of = sum(cut.wrong for cut in cuts), sum(cut.rows for cut in cuts)
    near_wrong, near = sum(cut.near_wrong for cut in cuts), sum(cut.near_rows for cut in cuts)
    # Rows on the wrong side: typing errors of a real binning. Few values of the target leave next to no room for them.
    worst, worst_near = (0.01, 0.01) if _has_few_values(y) else (0.05, 0.12)
    if wrong > worst * of or near_wrong > worst_near * near or bdtr(near_wrong, near, _OVERLAP) > _CHANCE:
        return None
    return (
        f"its {len(kept)} values cut the target into ranges: {wrong:,} of {len(y):,} rows overlap, "
        f"{near_wrong:,} of {near:,} near the cuts"
    )


@dataclass(frozen=True)
class _Cut:
    """Rows on the wrong side of a cut, of twice the smaller class; and the same close to the cut."""

    wrong: int
    rows: int
    near_wrong: int
    near_rows: int


def _cut(low: Array, high: Array) -> _Cut:
    """Cut two sorted samples where the fewest rows are on the wrong side."""
    edges = np.unique(np.concatenate([low, high]))
    if len(edges) < 2:
        return _Cut(min(len(low), len(high)), 2 * min(len(low), len(high)), 0, 0)
    below = np.searchsorted(low, edges[:-1], side="right")
    wrong = len(low) - below + np.searchsorted(high, edges[:-1], side="right")
    best = int(np.argmin(wrong))
    cut, gap = (edges[best] + edges[best + 1]) / 2, edges[best + 1] - edges[best]
    spreads = [_iqr(part) for part in (low, high)]
    # Near is half a standard deviation (an interquartile range is 1.349 of them), and at least the neighbours on a grid.
    grid = gap * 0.5001 if _is_grid_step(edges, best) else 0.0
    width, width_high = (max(0.5 * (spread or max(spreads)) / 1.349, grid) for spread in spreads)
    low_near = low[(low >= cut - width) & (low <= cut + width_high)]
    high_near = high[(high >= cut - width) & (high <= cut + width_high)]
    return _Cut(
        wrong=int(wrong[best]),
        rows=2 * min(len(low), len(high)),
        near_wrong=int((low_near > cut).sum() + (high_near < cut).sum()),
        near_rows=2 * min(len(low_near), len(high_near)),
    )


def _is_grid_step(edges: Array, place: int) -> bool:
    """Whether the gap after `place` is like its neighbours' (or there are none): the target has steps, not two heaps."""
    steps = np.diff(edges)
    beside = [steps[index] for index in (place - 1, place + 1) if 0 <= index < len(steps)]
    return not beside or bool(steps[place] <= 3 * min(beside))  # two heaps lie further apart than a missing step or two


def determines(column: Column, y: Array, seed: int) -> bool:
    """Whether the target is a function of the column, rounding and a few errors aside, or the column one of the target."""
    parts = [] if column.numbers is None else list(_parts(column.numbers))
    shares = [share for share, _, _ in _shares_alone(column, parts, y, seed)]
    return max(shares) >= _DETERMINED or _share_of_function(column, y, seed) >= _DETERMINED


def _alone(column: Column, parts: list[tuple[Mask, str]], y: Array, seed: int) -> str | None:
    for share, where, suspicious in _shares_alone(column, parts, y, seed):
        if share >= suspicious:
            return f"explains {share:.2%} of the target's variance by itself{where}"
    shape = _share_of_function(column, y, seed)
    return f"is a function of the target, which explains {shape:.2%} of its variance" if shape >= _DETERMINED else None


def _shares_alone(column: Column, parts: list[tuple[Mask, str]], y: Array, seed: int) -> Iterator[tuple[float, str, float]]:
    """Yield the share of variance that the column explains, in which rows, and which one is suspicious, on each scale."""
    every = (np.ones(len(y), dtype=bool), "")
    for z, suspicious in _scales(y):
        explained = [(_explained_by_levels(column.codes, z), "")]
        if column.numbers is not None:
            values = _missing_below(column.numbers)
            explained += [(_explained_in_order(z[rows], values[rows], seed), where) for rows, where in (every, *parts)]
        yield *max(explained, key=lambda each: each[0]), suspicious


def _share_of_function(column: Column, y: Array, seed: int) -> float:
    """Return what the target explains of the column's ranks: only numbers that hardly repeat can show a curve."""
    if column.numbers is None or len(y) < 100 or min(count_distinct(column.numbers), count_distinct(y)) < 0.5 * len(y):
        return 0.0
    return _explained_in_order(_ranks(_missing_below(column.numbers)), y, seed)


def _missing_below(numbers: Array) -> Array:
    known = numbers[np.isfinite(numbers)]
    return np.where(np.isfinite(numbers), numbers, known.min() - np.ptp(known) - 1 if len(known) else 0.0)


def _scales(y: Array) -> Iterator[tuple[Array, float]]:
    """Yield the target without its extremes and its ranks, with the share of variance that is suspicious."""
    yield np.clip(y, *np.quantile(y, [0.01, 0.99])), _SUSPICIOUS
    yield _ranks(y), _SUSPICIOUS_RANKS


def _explained_in_order(z: Array, v: Array, seed: int) -> float:
    """Return 1 - σ²/Var(z), σ² being the noise of z about any smooth curve over v, without fitting one, and two standard errors.

    Each value less the line through its two neighbours, scaled to the variance of one value (Gasser, Sroka & Jennen-Steinmetz,
    Residual variance and residual pattern in nonlinear regression, Biometrika 73, 1986, section 2). Ties are in random order.
    """
    variance = float(np.var(z))
    if len(z) < _MIN_MODEL or variance == 0:
        return 0.0
    order = np.lexsort((np.random.default_rng(seed).random(len(z)), v))
    v, z = v[order], z[order]
    span = v[2:] - v[:-2]
    weight = np.where(span > 0, (v[2:] - v[1:-1]) / np.where(span > 0, span, 1), 0.5)
    residual = z[1:-1] - weight * z[:-2] - (1 - weight) * z[2:]
    noise = residual**2 / (1 + weight**2 + (1 - weight) ** 2)
    return 1 - float(noise.mean() + 2 * noise.std() / np.sqrt(len(noise))) / variance


def _explained_by_levels(codes: Codes, z: Array) -> float:
    """Return 1 - within-level variance / variance, by the rows whose level has another row."""
    codes = np.unique(codes, return_inverse=True)[1]
    counts = np.bincount(codes)
    shared, variance = counts[codes] > 1, float(np.var(z))
    freedom = int(shared.sum() - (counts > 1).sum())
    # Levels of a single row explain themselves: half of the rows must have company for the share to mean anything.
    if freedom < _MIN_ROWS or shared.mean() < 0.5 or variance == 0:
        return 0.0
    within = z - (np.bincount(codes, z) / np.maximum(counts, 1))[codes]
    return 1 - float(np.sum(within[shared] ** 2)) / freedom / variance


def _mode(values: Array) -> tuple[float, int]:
    distinct, counts = np.unique(values, return_counts=True)
    most = int(np.argmax(counts))
    return float(distinct[most]), int(counts[most])


def _has_few_values(values: Array) -> bool:
    return count_distinct(values) < min(FEW_VALUES, len(values) / 2)


def _iqr(values: Array) -> float:
    low, high = np.quantile(values, [0.25, 0.75])
    return float(high - low)


def spread_of(values: Array) -> float:
    """Return a standard deviation that extremes do not move."""
    return _iqr(values) / 1.349 or float(np.std(values))


def _ranks(values: Array) -> Array:
    return np.asarray(pd.Series(values).rank(), dtype=np.float64)


def _correlation(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt(np.sum(a**2) * np.sum(b**2)))
    return float(np.sum(a * b)) / norm if norm > 0 else 0.0
