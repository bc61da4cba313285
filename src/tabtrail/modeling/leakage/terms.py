"""Which few columns may make up the target: all pairs, products and ratios are compared with it at once, the best are tried."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabtrail.modeling.metrics import Array

_FAR = 10.0  # spreads from the median beyond which a value is moved in: one typing error would decide a correlation
_MIDDLE = (0.1, 0.9)  # quantiles of the target between which rows are compared: wrong rows lie outside, or are few
WORTH_A_TRY = 0.6  # R² over those rows; an exact formula with a tenth of the rows wrong has more
_TOP = 15  # tries of each sort: the right formula is the best of its sort, or among the few that share its columns
_COLUMNS = 14  # columns of which all products and ratios are formed


@dataclass(frozen=True)
class Term:
    """A column, or a product, ratio or complement of columns: `columns` are their names."""

    columns: frozenset[str]
    label: str
    values: Array


def complements(terms: Sequence[Term]) -> Iterator[Term]:
    """Yield what a share or percentage leaves and adds (1 - discount, 100 + tax), for products."""
    for term in terms:
        low, high = np.nanmin(term.values, initial=np.inf), np.nanmax(term.values, initial=-np.inf)
        for whole in (1, 100):
            # Whole numbers up to 1 are flags, up to 100 often ages or quantities; percentages reach over one.
            if whole / 100 < high <= whole and low >= 0 and len(np.unique(term.values[np.isfinite(term.values)])) > 2:
                yield Term(term.columns, f"({whole} - {term.label})", whole - term.values)
                yield Term(term.columns, f"({whole} + {term.label})", whole + term.values)


def logs(terms: Sequence[Term]) -> list[Term]:
    """Return the logarithms of sizes; NaN at zero."""
    return [Term(term.columns, term.label, log_size(term.values)) for term in terms]


def log_size(values: Array) -> Array:
    """Return log|x|, NaN at zero."""
    return np.where(values == 0, np.nan, np.log(np.abs(values)))


def products(terms: Sequence[Term]) -> Iterator[Term]:
    """Yield the squares and products of columns."""
    for one in terms:
        yield Term(one.columns, f"{one.label}²", one.values**2)
    for one, other in combinations(terms, 2):
        yield Term(one.columns | other.columns, f"{one.label} × {other.label}", one.values * other.values)


def products_and_ratios(terms: Sequence[Term]) -> Iterator[Term]:
    """Yield the squares, products and ratios of columns."""
    yield from products(terms)
    for one, other in combinations(terms, 2):
        both = one.columns | other.columns
        yield Term(both, f"{one.label} / {other.label}", one.values / other.values)
        yield Term(both, f"{other.label} / {one.label}", other.values / one.values)


class Screen:
    """Terms [rows, terms] made comparable, and what pairs and triples of them explain of a target."""

    def __init__(self, terms: Sequence[Term], rows: NDArray[np.int64]) -> None:
        """`rows` are those to compare in."""
        self.terms = terms
        self.z = standardised(np.column_stack([term.values[rows] for term in terms]))
        self.gram = self.z.T @ self.z
        self.rows = rows
        self._place = {id(term): place for place, term in enumerate(terms)}

    def correlations(self, y: Array) -> Array:
        """Return the correlation of each term with the target."""
        return np.asarray(standardised(y[self.rows][:, None])[:, 0] @ self.z)

    def pairs(self, y: Array, top: int = _TOP) -> list[tuple[Term, ...]]:
        """Return the pairs of terms that explain most of the target, best first: R² of two from their correlations."""
        r = self.correlations(y)
        rest = 1 - self.gram**2
        explained = (r[:, None] ** 2 + r[None, :] ** 2 - 2 * np.outer(r, r) * self.gram) / np.where(rest > 1e-9, rest, np.inf)
        explained[np.tril_indices(len(r))] = 0
        return [(self.terms[i], self.terms[j]) for i, j in _best(explained, top)]

    def triples(self, y: Array) -> list[tuple[Term, ...]]:
        """Return the triples that explain most, best first: all of the best terms, and the best pairs with each term."""
        if len(self.terms) < 3:
            return []
        r = self.correlations(y)
        pairs = [tuple(self._place[id(term)] for term in pair) for pair in self.pairs(y)]
        known = list(dict.fromkeys([*(each for pair in pairs for each in pair), *np.argsort(-(r**2)).tolist()]))[:_COLUMNS]
        chosen = {tuple(sorted(each)) for each in combinations(known, 3)}
        chosen |= {tuple(sorted((i, j, k))) for i, j in pairs for k in range(len(r)) if k not in (i, j)}
        index = np.array(sorted(chosen))
        gram = self.gram[index[:, :, None], index[:, None, :]] + 1e-9 * np.eye(3)
        explained = np.sum(np.linalg.solve(gram, r[index][:, :, None])[:, :, 0] * r[index], axis=1)
        order = np.argsort(-explained, kind="stable")[:_TOP]
        return [tuple(self.terms[each] for each in index[row]) for row in order.tolist() if explained[row] >= WORTH_A_TRY]

    def relevant(self, ys: Sequence[Array], first: Sequence[int] = ()) -> list[int]:
        """Return the places of the terms of which products are worth forming: `first`, and those of the best pairs and alone."""
        found = list(first)
        for y in ys:
            r = np.nan_to_num(self.correlations(y))
            found += np.argsort(-(r**2))[: _COLUMNS // 2].tolist()
            found += [self._place[id(term)] for pair in self.pairs(y, 4) for term in pair]
        return list(dict.fromkeys(found))[:_COLUMNS]


def middle_rows(y: Array) -> NDArray[np.int64]:
    """Return the rows whose target is neither very small nor very large, all where it has no other."""
    low, high = np.nanquantile(y, _MIDDLE)
    rows = np.flatnonzero((y >= low) & (y <= high))
    return rows if len(rows) and np.ptp(y[rows]) > 0 else np.flatnonzero(np.isfinite(y))


def standardised(columns: Array) -> Array:
    """Return columns [rows, columns] of mean 0 and length 1; missing values are the mean, far ones are moved in."""
    frame = pd.DataFrame(np.where(np.isfinite(columns), columns, np.nan))
    low, middle, high = frame.quantile([0.25, 0.5, 0.75]).to_numpy()
    spread = (high - low) / 1.349
    values = frame.to_numpy() - middle
    spread = np.where(spread > 0, spread, np.inf)
    values = np.clip(np.nan_to_num(values), -_FAR * spread, _FAR * spread)
    values -= values.mean(axis=0)
    return np.asarray(values / np.maximum(np.sqrt((values**2).sum(axis=0)), 1e-300))


def _best(explained: Array, top: int) -> list[tuple[int, int]]:
    flat = np.nan_to_num(explained).ravel()
    order = np.argpartition(-flat, min(top, len(flat) - 1))[:top]
    order = order[np.argsort(-flat[order], kind="stable")]
    width = explained.shape[1]
    return [(int(place) // width, int(place) % width) for place in order if flat[place] >= WORTH_A_TRY]
