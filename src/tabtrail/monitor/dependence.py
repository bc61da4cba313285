"""Which columns move together: a column that is overwritten by another keeps its distribution, and only this changes.

Values are scored by their rank in the reference, so that a product of two scores is bounded and its mean nearly normal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from tabtrail.monitor.distributions import normal_tail, share_tail
from tabtrail.monitor.sketch import MISSING, Array, Codes, Sketch

MOST_COLUMNS = 40  # 780 pairs: more would fill the reference, and every pair weakens each
_DIGITS = 4
_MATRICES = ("cross", "spread", "equal")


@dataclass(frozen=True)
class Moments:
    """Means of products of scores over `rows` rows [columns × columns], the spread (variance) of each product, and the share of
    rows in which two categories have the same text (0 for numbers).
    """

    names: tuple[str, ...]
    rows: int
    cross: Array
    spread: Array
    equal: Array

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: the halves below the diagonals, rounded to four digits."""
        half = np.tril_indices(len(self.names), -1)
        told: dict[str, Any] = {"names": list(self.names), "rows": self.rows}
        return told | {name: np.round(getattr(self, name)[half], _DIGITS).tolist() for name in _MATRICES}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Moments":
        """Rebuild the moments from their JSON form."""
        names = tuple(value["names"])
        return cls(names, value["rows"], *(_whole(value[name], len(names)) for name in _MATRICES))


@dataclass
class TiedRows:
    """Sums over the rows of a window: of scores [columns], of their products and of equal texts [columns × columns]."""

    reference: Moments
    scores: Mapping[str, Array]
    ids: Mapping[str, Codes]
    sums: Array
    products: Array
    same: Array
    rows: int = 0

    @classmethod
    def begin(cls, reference: Moments, sketches: Mapping[str, Sketch]) -> "TiedRows":
        """Begin to count the columns of the reference's moments."""
        own, size = [sketches[name] for name in reference.names], len(reference.names)
        scores = {each.name: scores_of(each) for each in own}
        return cls(reference, scores, text_ids(own), np.zeros(size), np.zeros((size, size)), np.zeros((size, size)))

    def add(self, codes: Mapping[str, Codes]) -> None:
        """Count rows that have all the columns; others are left out."""
        if not self.scores.keys() <= codes.keys():
            return
        scores = np.column_stack([of[codes[name]] for name, of in self.scores.items()])
        self.sums += scores.sum(axis=0)
        self.products += scores.T @ scores
        self.same += same_texts(self.ids, self.reference.names, codes)
        self.rows += len(scores)

    @property
    def cross(self) -> Array:
        """Means of products of scores, centred [columns × columns]."""
        means = self.sums / self.rows
        cross: Array = self.products / self.rows - np.outer(means, means)
        return cross

    @property
    def equal(self) -> Array:
        """Shares of rows with equal texts [columns × columns]."""
        equal: Array = self.same / self.rows
        return equal


@dataclass(frozen=True)
class Tie:
    """How a column moves with another one: the correlation of ranks `before` and `now`, or, if `same`, the shares of rows with
    equal texts, and the p-value of their difference.

    The partner is the one with the smallest p-value, which is multiplied by the number of comparisons.
    """

    partner: str
    before: float
    now: float
    p_value: float
    same: bool = False


def scores_of(sketch: Sketch) -> Array:
    """Return the score of each cell [cells]: its middle rank, with mean 0 and variance 1 over the reference; 0 for missing."""
    counts = sketch.counts[1:].astype(np.float64)
    total = counts.sum()
    scores = np.zeros(len(sketch.counts))
    if total:
        middle = (np.cumsum(counts) - counts / 2) / total - 0.5
        spread = np.sqrt((counts * middle**2).sum() / total)
        scores[1:] = middle / spread if spread > 0 else 0.0
    scores[MISSING] = 0.0
    return scores


def moments_of(sketches: Sequence[Sketch], codes: Mapping[str, Codes]) -> Moments:
    """Measure how the columns of the reference move together."""
    names = tuple(each.name for each in sketches[:MOST_COLUMNS])
    scores = np.column_stack([scores_of(each)[codes[each.name]] for each in sketches[:MOST_COLUMNS]])
    rows = len(scores)
    cross = scores.T @ scores / rows
    squares = scores**2
    spread = np.maximum(squares.T @ squares / rows - cross**2, 0.0)
    return Moments(names, rows, cross, spread, same_texts(text_ids(sketches[:MOST_COLUMNS]), names, codes) / rows)


def text_ids(sketches: Sequence[Sketch]) -> dict[str, Codes]:
    """Return for each category column the number of the text of each cell, the same in all; others are equal to none."""
    numbers: dict[str, int] = {}
    found = {}
    for place, sketch in enumerate(sketches):
        if not sketch.is_ordered:
            own = [numbers.setdefault(text, len(numbers)) for text in sketch.values]
            found[sketch.name] = np.array([-1 - place, *own, -1 - place], np.int64)
    return found


def same_texts(ids: Mapping[str, Codes], names: Sequence[str], codes: Mapping[str, Codes]) -> Array:
    """Count the rows in which two columns have the same text [columns × columns]."""
    found = np.zeros((len(names), len(names)))
    texts = [(names.index(name), of[codes[name]]) for name, of in ids.items()]
    for (first, own), (second, other) in combinations(texts, 2):
        found[first, second] = found[second, first] = np.count_nonzero(own == other)
    return found


def ties(reference: Moments, window: "TiedRows", inflation: Mapping[str, float]) -> dict[str, Tie]:
    """Return for each column the partner with which it moves most differently; `inflation` is how many rows are worth one."""
    found: dict[str, Tie] = {}
    cross, rows = window.cross, window.rows
    comparisons = max(len(reference.names) - 1, 1) * (2 if reference.equal.any() or window.equal.any() else 1)
    for place, name in enumerate(reference.names):
        worth = inflation.get(name, 1.0)
        z = tie_scores(reference.cross[place], reference.spread[place], cross[place], (rows / worth, reference.rows / worth))
        z[place] = 0.0
        partner = int(np.argmax(z))
        p_value = min(1.0, 2 * normal_tail(float(z[partner])) * comparisons)
        before, now = float(reference.cross[place, partner]), float(cross[place, partner])
        tie = Tie(reference.names[partner], before, now, p_value)
        found[name] = min((tie, *_copies(reference, window, place, comparisons, worth)), key=lambda each: each.p_value)
    return found


def _copies(reference: Moments, window: "TiedRows", place: int, comparisons: int, worth: float) -> list[Tie]:
    """The columns with which a column shares its text more often than before: a copy need not keep the order of the ranks."""
    found = []
    for partner in np.flatnonzero(window.equal[place] > reference.equal[place]):
        before, now = float(reference.equal[place, partner]), float(window.equal[place, partner])
        sizes = (window.rows / worth, reference.rows / worth)
        p_value = share_tail(now * sizes[0], sizes[0], before * sizes[1], sizes[1])
        found.append(Tie(reference.names[int(partner)], before, now, min(1.0, p_value * comparisons), same=True))
    return found


def tie_scores(cross: Array, spread: Array, window: Array, sizes: tuple[float, float]) -> Array:
    """Return how many standard errors the means of products differ; products that never vary differ by none."""
    variance = spread * (1 / max(sizes[0], 1.0) + 1 / max(sizes[1], 1.0))
    return np.divide(np.abs(window - cross), np.sqrt(variance), out=np.zeros_like(cross), where=variance > 1e-12)


def _whole(half: Sequence[float], size: int) -> Array:
    full = np.zeros((size, size))
    full[np.tril_indices(size, -1)] = half
    return full + full.T
