"""Where the unit of a number column changes: its values jump to another scale or level and stay there, in file order or in time.

A jump counts when all of this holds, each for a reason:

- it is large against the scatter of the values on either side, so that noise does not make one;
- the nearest rows on both sides show it already, so that a trend, a season or a sorted column does not make one;
- both sides have the same shape but for scale and level, as the same thing in another unit has;
- there are few of them, where a season has many;
- no other column tells the two sides apart, as one does by which the file is sorted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tabtrail.data.manifest import NEAR_POWER, Shift

Array = NDArray[np.float64]
_MIN_ROWS = 60  # fewer rows have no two sides of `_MIN_SIDE` with something to compare
_MIN_SIDE = 20  # rows of a side whose shape can be told
_LEVEL_SHARE = 0.05  # of the rows on each side of a change of level, the weaker evidence: a walk may end in a leap
_MIN_VALUES = 5  # different values of a side: fewer are codes, flags, years or a price list, which step by nature
_BLOCKS = 64  # stretches whose medians are compared: a change that lasts a thirtieth of the rows is seen
_MIN_BLOCK = 8  # rows of a stretch, for its median to be steady
_MOST_STEPS = 4  # a unit changes once, and perhaps back; a season or a file sorted by something steps more often
_FACTOR = np.log10(3)  # natural levels of business figures double within days; they do not triple
_SCATTER = {"scale": 0.5, "level": 0.25}  # of the jump, one standard deviation at most: logarithms scatter evenly, values do not
_NEAR = 0.6  # share of the whole jump that the nearest rows show: a season's or a trend's show a quarter or less
_SLOPE = 0.5  # of the jump: what the values rise by, up to the nearest rows and on from them, where a steep trend makes the step
_SORTED = 0.97  # |Spearman's ρ| of values and order on both sides: a sorted column, whose jumps are its gaps
_QUANTILES = np.arange(0.05, 0.96, 0.05)
_SHAPE = 0.4  # of the jump: how far that of any quantile is from the median's; another mix of rows moves some quantiles alone
_RIVAL = 0.5  # of the jump: another as large within a side shows a column that steps by nature
_RIVAL_BLOCKS, _RIVAL_BLOCK = 32, 20  # longer stretches than `_BLOCKS`, whose medians noise moves less
_AND_BACK = np.log10(8)  # the least jump that goes back again; campaigns and Decembers multiply by two to five
_NEAR_SHARE = 0.01  # of the rows are near at least, so that one turn of a short cycle (a day of hours) is within
_LOCAL_SHARE = 0.05  # of the rows on each side say how large the jump is: enough for a median, too few for a trend to add to it
_OVERLAP = 0.1  # of the values of another column on both sides: less, and it tells the sides apart
_MOST_LEVELS = 50  # of such a column; more are names of rows, which differ between any two sides


def find_shifts(rows: pl.DataFrame, numbers: Sequence[str], date: str | None) -> list[Shift]:
    """Return the jumps of number columns of rows in file order (with `_file` and `_row`), columns in their order.

    `date` orders the rows too. A jump that both orders show is reported once.
    """
    found = list(_in_order(rows, numbers, date, by_time=False))
    if date is not None:
        dated = rows.filter(pl.col(date).is_not_null())
        if not dated.get_column(date).is_sorted():
            known = {shift.column for shift in found}
            rest = [name for name in numbers if name not in known]
            found += _in_order(dated.sort(date, maintain_order=True), rest, date, by_time=True)
    return sorted(found, key=lambda shift: numbers.index(shift.column))


def _in_order(rows: pl.DataFrame, numbers: Sequence[str], date: str | None, *, by_time: bool) -> Iterator[Shift]:
    for name in numbers:
        values = rows.get_column(name).cast(pl.Float64).to_numpy()
        known = np.flatnonzero(np.isfinite(values))
        for step in _steps(values[known]):
            low, start, high = (int(known[index]) for index in (step.low, step.start, step.high - 1))
            if _is_told_by_another(rows, low, start, high + 1, name, date):
                continue
            first = rows.row(start, named=True)
            day = None if date is None or first[date] is None else str(first[date])[:10]
            yield Shift(name, step.factor, step.before, step.after, first["_file"], first["_row"], day, by_time)


@dataclass(frozen=True)
class _Step:
    """A jump at row `start` of the rows from `low` up to `high`: medians of the rows on both sides, and the factor if any."""

    low: int
    start: int
    high: int
    before: float
    after: float
    factor: float | None


def _steps(values: Array) -> list[_Step]:
    """Return the jumps of values [rows] in their order: of scale, else of level."""
    if len(values) < _MIN_ROWS or np.ptp(values) == 0:
        return []
    filled = np.flatnonzero(values)
    with np.errstate(over="ignore"):
        scale = _jumps(np.log10(np.abs(values[filled])), "scale") if len(filled) >= _MIN_ROWS else []
    places = [int(filled[place]) for place in scale] or _jumps(values, "level")
    return [_step(values, *place) for place in _between(places, len(values))]


def _step(values: Array, low: int, start: int, high: int) -> _Step:
    """Measure a jump: near to it a trend adds little, but the rows are few; a factor in doubt is taken for a power of ten."""
    before, after = (each[each != 0] if each.any() else each for each in (values[low:start], values[start:high]))
    local = max(_MIN_SIDE, int(_LOCAL_SHARE * len(values)))
    middles = float(np.median(before[-local:])), float(np.median(after[:local]))
    if middles[0] * middles[1] <= 0 or (np.sign(before) != np.sign(middles[0])).any():
        return _Step(low, start, high, *middles, middles[1] / middles[0] if middles[0] * middles[1] > 0 else None)
    near, whole = (float(np.log10(np.median(b) / np.median(a))) for a, b in ((before[-local:], after[:local]), (before, after)))
    count = 1 / min(local, len(before)) + 1 / min(local, len(after))
    error = 1.25 * _spread(np.log10(np.abs(before))) * float(np.sqrt(count))  # of the difference of two medians
    power, doubt = (near + whole) / 2, abs(near - whole) / 2 + 2 * error
    nearest = round(power)
    factor = 10.0**nearest if nearest and abs(power - nearest) <= min(doubt, NEAR_POWER) else float(f"{10**power:.3g}")
    return _Step(low, start, high, *middles, factor)


def _jumps(z: Array, kind: str) -> list[int]:
    """Return the places of the jumps: candidates, less the weakest that does not hold, until all hold."""
    places = _candidates(z, _FACTOR if kind == "scale" else 0.0)
    while places:
        sides = [(z[low:start], z[start:high]) for low, start, high in _between(places, len(z))]
        strengths = [_strength(before, after, kind) for before, after in sides]
        weakest = int(np.argmin(strengths))
        if strengths[weakest] > 0:
            jumps = [float(np.median(after) - np.median(before)) for before, after in sides]
            return [] if _has_rival(z, places, min(map(abs, jumps))) or not _goes_together(jumps, kind) else places
        places.pop(weakest)
    return []


def _between(places: Sequence[int], end: int) -> list[tuple[int, int, int]]:
    """Return each place between the one before it and the one after it."""
    edges = [0, *places, end]
    return list(zip(edges, places, edges[2:], strict=False))


def _has_rival(z: Array, places: Sequence[int], jump: float) -> bool:
    """Whether the medians of neighbouring stretches without a place in them differ by half of the jump."""
    size = max(_RIVAL_BLOCK, len(z) // _RIVAL_BLOCKS)
    gaps = []
    for low, high in pairwise([0, *places, len(z)]):
        count = (high - low) // size
        if count > 1:
            gaps += np.abs(np.diff(np.median(z[low : low + count * size].reshape(count, size), axis=1))).tolist()
    return max(gaps, default=0.0) > _RIVAL * jump


def _goes_together(jumps: Sequence[float], kind: str) -> bool:
    """Whether several jumps can be one unit after the other: large ones that go back, or powers of ten."""
    if len(jumps) == 1:
        return True
    if kind == "level" or len(jumps) > _MOST_STEPS or min(map(abs, jumps)) < _AND_BACK:
        return False
    back = all(abs(one + other) <= NEAR_POWER * abs(one) for one, other in pairwise(jumps))
    return back or all(abs(jump - round(jump)) <= NEAR_POWER for jump in jumps)


def _candidates(z: Array, least: float) -> list[int]:
    """Return where the medians of stretches two apart differ most, each place refined to the row; none where there are many."""
    size = max(_MIN_BLOCK, len(z) // _BLOCKS)
    blocks = len(z) // size
    medians = np.median(z[: blocks * size].reshape(blocks, size), axis=1)
    gaps = np.abs(medians[2:] - medians[:-2])
    # A candidate stands out: half of the largest gap at least, since those of a unit that changes back are as large.
    enough = max(0.8 * least, 0.5 * float(gaps.max()))
    if enough == 0:
        return []
    chosen: list[int] = []
    for place in np.argsort(-gaps, kind="stable").tolist():
        if gaps[place] < enough:
            break
        if all(abs(place - other) > 2 for other in chosen):
            chosen.append(place)
    if len(chosen) > 2 * _MOST_STEPS:
        return []
    return sorted({place * size + _best_cut(z[place * size : (place + 3) * size]) for place in chosen})


def _best_cut(z: Array) -> int:
    """Return after how many values two means describe them best; extremes are clipped."""
    z = np.clip(z, *np.quantile(z, [0.05, 0.95]))
    count = np.arange(1, len(z))
    sums = np.cumsum(z)[:-1]
    rest = z.sum() - sums
    return int(np.argmax(sums**2 / count + rest**2 / (len(z) - count))) + 1


def _strength(before: Array, after: Array, kind: str) -> float:
    """Return how many standard deviations a jump is, 0 where it is none."""
    least = max(_MIN_SIDE, int(_LEVEL_SHARE * (len(before) + len(after)))) if kind == "level" else _MIN_SIDE
    if min(len(before), len(after)) < least or not _is_measured(before, after):
        return 0.0
    middles, spreads = [float(np.median(each)) for each in (before, after)], [_spread(each) for each in (before, after)]
    jump, scatter = middles[1] - middles[0], max(spreads)
    if scatter == 0 or scatter > _SCATTER[kind] * abs(jump) or (kind == "scale" and abs(jump) < _FACTOR):
        return 0.0
    # So many nearest rows that the error of the difference of two medians (1.25 σ √(2/n)) is a fifth of the jump.
    near = max(3, int(np.ceil(2 * (6.25 * scatter / jump) ** 2)), int(_NEAR_SHARE * (len(before) + len(after))))
    near = min(near, len(before) // 3, len(after) // 3)
    step = float(np.median(after[:near]) - np.median(before[-near:]))
    shown = min(step / jump, jump / step) if step else 0.0
    slope = sum(float(np.median(each[-near:]) - np.median(each[-3 * near : -near])) for each in (before, -after[::-1]))
    if shown < _NEAR or slope / jump > _SLOPE or min(abs(_rank_correlation(each)) for each in (before, after)) > _SORTED:
        return 0.0
    moved = np.quantile(after, _QUANTILES) - np.quantile(before, _QUANTILES)
    if float(np.abs(moved - jump).max()) > _SHAPE * abs(jump):
        return 0.0
    return abs(jump) / scatter


def _spread(values: Array) -> float:
    """Return a standard deviation that extremes do not move."""
    low, high = np.quantile(values, [0.25, 0.75])
    return float(high - low) / 1.349 or float(np.std(np.clip(values, *np.quantile(values, [0.01, 0.99]))))


def _rank_correlation(values: Array) -> float:
    ranks = np.asarray(pl.Series(values).rank().to_numpy())
    return float(np.corrcoef(ranks, np.arange(len(values)))[0, 1])


def _is_measured(before: Array, after: Array) -> bool:
    """Whether both sides have many values, or a few that differ by the very same amount (1 to 4, then 100 to 400)."""
    lists = [np.unique(each) for each in (before, after)]
    if min(map(len, lists)) >= _MIN_VALUES:
        return True
    same = len(lists[0]) == len(lists[1]) > 1
    return same and bool(np.allclose(np.diff(lists[0]), np.diff(lists[1]), rtol=1e-9, atol=1e-12))


def _is_told_by_another(rows: pl.DataFrame, low: int, start: int, high: int, own: str, date: str | None) -> bool:
    """Whether another column has other values on the two sides, so that it says itself what the rows are."""
    for name in rows.columns:
        if name in (own, date, "_file", "_row") or rows.schema[name] in (pl.Float64, pl.Date, pl.Datetime):
            continue
        column = rows.get_column(name)
        part = column.slice(low, high - low)
        if not 2 <= part.n_unique() <= _MOST_LEVELS or _is_calendar(column, rows, name, date):
            continue
        counts = [
            pl.DataFrame({"value": each}).group_by("value").agg(pl.len() / each.len())
            for each in (column.slice(low, start - low), column.slice(start, high - start))
        ]
        both = counts[0].join(counts[1], on="value", nulls_equal=True)
        if float(both.select(pl.min_horizontal("len", "len_right").sum()).item()) <= _OVERLAP:
            return True
    return False


def _is_calendar(column: pl.Series, rows: pl.DataFrame, name: str, date: str | None) -> bool:
    """Whether a column is computed from the date, or numbers years: it differs between any two times and tells nothing."""
    if date is not None and (days := rows.get_column(date).n_unique()) < rows.height:
        return rows.select(date, name).n_unique() == days
    return column.dtype.is_integer() and (bool(column.drop_nulls().is_between(1900, 2100).all()) or date is not None)
