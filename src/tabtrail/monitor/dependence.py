"""Which columns move together: a column that is overwritten by another keeps its distribution, and only this changes.

Values are scored by their rank in the reference, so that correlations are those of ranks and do not hang on single values.
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
_DOMINATED = 0.9  # with more rows than that in one cell, a small window holds too few others for a correlation
_CLIP = 0.95  # Fisher's transformation of stronger correlations would say much about little
_MATRICES = ("correlation", "spread", "equal")


@dataclass(frozen=True)
class Moments:
    """Rank correlations over `rows` rows [columns × columns], how much more they vary than those of normal variables (`spread`,
    at least 1), and the share of rows in which two categories have the same text (0 for numbers).
    """

    names: tuple[str, ...]
    rows: int
    correlation: Array
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
    def correlation(self) -> Array:
        """Rank correlations [columns × columns], NaN with a column that does not vary."""
        return correlations(self.sums, self.products, self.rows)

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


def moments_of(sketches: Sequence[Sketch], codes: Mapping[str, Codes]) -> Moments | None:
    """Measure how the columns of the reference move together; None for fewer than two whose rows are not nearly all alike."""
    own = [each for each in sketches if each.counts.max() <= _DOMINATED * each.rows][:MOST_COLUMNS]
    if len(own) < 2:
        return None
    names = tuple(each.name for each in own)
    scores = np.column_stack([scores_of(each)[codes[each.name]] for each in own])
    correlation = np.nan_to_num(correlations(scores.sum(axis=0), scores.T @ scores, len(scores)))
    same = same_texts(text_ids(own), names, codes) / len(scores)
    return Moments(names, len(scores), correlation, _spread(scores, correlation), same)


def correlations(sums: Array, products: Array, rows: int) -> Array:
    """Return correlations from sums of scores [columns] and of their products [columns × columns]; NaN without variance."""
    means = sums / rows
    cross = products / rows - np.outer(means, means)
    spread = np.sqrt(np.maximum(np.diag(cross), 0.0))
    spread = np.where(spread > 1e-6, spread, np.nan)
    found: Array = cross / np.outer(spread, spread)
    return found


def _spread(scores: Array, correlation: Array) -> Array:
    """The variance of a correlation by its influence function, over that of normal variables, (1 − r²)²; at least 1."""
    spread = scores.std(axis=0)
    own = (scores - scores.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    rows, squares, r = len(own), own**2, correlation
    fourth = (squares**2).mean(axis=0)
    mixed = (own**3).T @ own / rows
    both = squares.T @ squares / rows
    variance = both - r * (mixed + mixed.T) + r**2 / 4 * (fourth[:, None] + fourth + 2 * both)
    found: Array = np.maximum(variance / (1 - np.clip(r, -_CLIP, _CLIP) ** 2) ** 2, 1.0)
    return found


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
    now, rows = window.correlation, window.rows
    comparisons = max(len(reference.names) - 1, 1) * (2 if reference.equal.any() or window.equal.any() else 1)
    for place, name in enumerate(reference.names):
        worth = inflation.get(name, 1.0)
        z = tie_scores(reference, place, now[place], (rows / worth, reference.rows / worth))
        partner = int(np.argmax(z))
        p_value = min(1.0, 2 * normal_tail(float(z[partner])) * comparisons)
        before, after = (float(np.nan_to_num(each[place, partner])) for each in (reference.correlation, now))
        tie = Tie(reference.names[partner], before, after, p_value)
        found[name] = min((tie, *_copies(reference, window, place, comparisons, worth)), key=_likeliest)
    return found


def _likeliest(tie: Tie) -> tuple[float, bool]:
    """The smaller p-value; of two that are as good as 0 the copy, which says more than a correlation of 1."""
    return max(tie.p_value, 1e-12), not tie.same


def _copies(reference: Moments, window: "TiedRows", place: int, comparisons: int, worth: float) -> list[Tie]:
    """The columns with which a column shares its text more often than before: a copy need not keep the order of the ranks."""
    found = []
    for partner in np.flatnonzero(window.equal[place] > reference.equal[place]):
        before, now = float(reference.equal[place, partner]), float(window.equal[place, partner])
        sizes = (window.rows / worth, reference.rows / worth)
        p_value = share_tail(now * sizes[0], sizes[0], before * sizes[1], sizes[1])
        found.append(Tie(reference.names[int(partner)], before, now, min(1.0, p_value * comparisons), same=True))
    return found


def tie_scores(reference: Moments, place: int, now: Array, sizes: tuple[float, float]) -> Array:
    """Return how many standard errors the correlations [columns] of the column at `place` differ from before.

    By Fisher's transformation; `sizes` are those of the window and the reference. What has no correlation differs by none.
    """
    error = np.sqrt(reference.spread[place] * sum(1 / max(size - 3, 1.0) for size in sizes))
    apart = np.abs(fisher(now) - fisher(reference.correlation[place]))
    z = np.divide(apart, error, out=np.zeros_like(apart), where=error > 0)
    z[place] = 0.0
    known: Array = np.nan_to_num(z)
    return known


def fisher(correlation: Array) -> Array:
    """Fisher's transformation of correlations, the strongest ones taken as 0.95; NaN stays."""
    transformed: Array = np.arctanh(np.clip(correlation, -_CLIP, _CLIP))
    return transformed


def _whole(half: Sequence[float], size: int) -> Array:
    full = np.zeros((size, size))
    full[np.tril_indices(size, -1)] = half
    return full + full.T
