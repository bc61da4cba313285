"""Tables that give the target: the same few values of some columns go with the same target, in rows that were not looked at."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tabtrail.modeling.leakage.columns import Codes, count_distinct
from tabtrail.modeling.leakage.exact import Target, adds_to
from tabtrail.modeling.leakage.formulas import Formula
from tabtrail.modeling.metrics import Array

_LEVELS = 0.2  # most different values of a column of a price list, as a share of the rows: five rows each on average
_COLUMNS = 24  # columns that are looked up together: those that explain most by themselves
_PAIRS = 12  # best pairs that are tried, and extended to triples
_SEEN = 0.5  # least share of the rows held out whose key was seen: keys that hardly repeat are learned by heart
_FEWEST_TARGETS = 5  # different targets: two to four are classes, which honest columns give too


def find_lookups(
    columns: Mapping[str, Codes], target: Target, rng: np.random.Generator, *, known: Sequence[frozenset[str]] = ()
) -> list[Formula]:
    """Return the pairs and triples of columns, given as their numbered values [rows], whose values together give the target.

    Half of the rows make the table, and the other half is looked up. Triples are not tried for a target of few values, nor
    what contains the columns of one that is `known`.
    """
    if count_distinct(target.y) < _FEWEST_TARGETS:
        return []
    usable = {name: codes for name, codes in columns.items() if 1 < count_distinct(codes) <= _LEVELS * len(codes)}
    gain = {name: _explained(codes, target.y) for name, codes in usable.items()}
    chosen = {name: usable[name] for name in sorted(usable, key=lambda name: -gain[name])[:_COLUMNS]}
    made = rng.permutation(len(target.y)) % 2 == 0
    found: list[Formula] = []
    for names in _candidates(chosen, target):
        old = any(each <= set(names) for each in (*known, *(each.columns for each in found)))
        share = None if old else _share_found(_joined(chosen, names), target, made)
        if share is not None and share >= target.least and adds_to(share, _best_of_fewer(chosen, names, target, made)):
            text = f"rows with the same {' and '.join(names)} have the same target"
            found.append(Formula(frozenset(names), text, share))
    return found


def _best_of_fewer(columns: Mapping[str, Codes], names: tuple[str, ...], target: Target, made: NDArray[np.bool_]) -> float:
    """Return the share of the rows held out that a table without one of the columns has, the best of those."""
    fewer = combinations(names, len(names) - 1)
    return max(_share_found(_joined(columns, each), target, made) or 0.0 for each in fewer)


def _candidates(columns: Mapping[str, Codes], target: Target) -> Iterator[tuple[str, ...]]:
    """Yield the pairs that explain most of the target, then the best extended by a column."""
    pairs = _best(combinations(columns, 2), columns, target.y)
    yield from pairs
    if not target.few:
        triples = {tuple(sorted((*pair, name))) for pair in pairs[: _PAIRS // 2] for name in columns if name not in pair}
        yield from _best(sorted(triples), columns, target.y)


def _best(tuples: Iterable[tuple[str, ...]], columns: Mapping[str, Codes], y: Array) -> list[tuple[str, ...]]:
    scored = [(_explained(_joined(columns, names), y), names) for names in tuples]
    return [names for score, names in sorted(scored, key=lambda each: -each[0])[:_PAIRS] if score > 0]


def _joined(columns: Mapping[str, Codes], names: tuple[str, ...]) -> Codes:
    """Return the numbered combinations of the values of some columns."""
    joined = columns[names[0]]
    for name in names[1:]:
        joined = joined * (int(columns[name].max()) + 1) + columns[name]
    return np.unique(joined, return_inverse=True)[1].astype(np.int64)


def _explained(codes: Codes, y: Array) -> float:
    """Return the share of the variance of the target's ranks between the levels, less what levels get for being many."""
    ranks = np.argsort(np.argsort(y, kind="stable")).astype(np.float64)
    counts = np.bincount(codes)
    freedom = len(y) - np.count_nonzero(counts)
    if freedom < len(y) / 4:
        return 0.0
    within = float(np.sum((ranks - (np.bincount(codes, ranks) / np.maximum(counts, 1))[codes]) ** 2))
    return 1 - within / freedom / float(np.var(ranks))


def _share_found(codes: Codes, target: Target, made: NDArray[np.bool_]) -> float | None:
    """Return the share of the rows held out whose target the table has, None where too few keys repeat."""
    order = np.lexsort((target.y, codes))
    order = order[made[order]]
    keys, first, counts = np.unique(codes[order], return_index=True, return_counts=True)
    table = np.full(int(codes.max()) + 1, np.nan)
    table[keys] = target.y[order[first + counts // 2]]  # the middle target of a key: a wrong row does not move it
    held = target.take(~made)
    looked_up = table[codes[~made]]
    return held.share(looked_up) if np.isfinite(looked_up).mean() >= _SEEN else None
