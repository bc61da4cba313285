"""Which columns move together: a column that is overwritten by another keeps its distribution, and only this changes.

Values are scored by their rank in the reference, so that a product of two scores is bounded and its mean nearly normal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabtrail.monitor.distributions import normal_tail
from tabtrail.monitor.sketch import MISSING, Array, Codes, Sketch

MOST_COLUMNS = 40  # 780 pairs: more would fill the reference, and every pair weakens each
_DIGITS = 4


@dataclass(frozen=True)
class Moments:
    """Means of products of scores over `rows` rows [columns × columns], and the spread (variance) of each product."""

    names: tuple[str, ...]
    rows: int
    cross: Array
    spread: Array

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: the halves below the diagonals, rounded to four digits."""
        half = np.tril_indices(len(self.names), -1)
        told: dict[str, Any] = {"names": list(self.names), "rows": self.rows}
        return told | {name: np.round(getattr(self, name)[half], _DIGITS).tolist() for name in ("cross", "spread")}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Moments":
        """Rebuild the moments from their JSON form."""
        names = tuple(value["names"])
        return cls(names, value["rows"], *(_whole(value[name], len(names)) for name in ("cross", "spread")))


@dataclass(frozen=True)
class Tie:
    """How a column moves with another one: the correlation of ranks `before` and `now`, and the p-value of their difference.

    The partner is the one with the smallest p-value, which is multiplied by the number of partners.
    """

    partner: str
    before: float
    now: float
    p_value: float


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
    return Moments(names, rows, cross, np.maximum(squares.T @ squares / rows - cross**2, 0.0))


def ties(reference: Moments, window: Array, rows: int, inflation: Mapping[str, float]) -> dict[str, Tie]:
    """Return for each column the partner with which it moves most differently.

    `window` holds the means of products of scores in the window [columns × columns], centred, `inflation` how many correlated
    rows are worth one.
    """
    found: dict[str, Tie] = {}
    for place, name in enumerate(reference.names):
        worth = inflation.get(name, 1.0)
        z = tie_scores(reference.cross[place], reference.spread[place], window[place], (rows / worth, reference.rows / worth))
        z[place] = 0.0
        partner = int(np.argmax(z))
        p_value = min(1.0, 2 * normal_tail(float(z[partner])) * max(len(z) - 1, 1))
        before, now = float(reference.cross[place, partner]), float(window[place, partner])
        found[name] = Tie(reference.names[partner], before, now, p_value)
    return found


def tie_scores(cross: Array, spread: Array, window: Array, sizes: tuple[float, float]) -> Array:
    """Return how many standard errors the means of products differ; products that never vary differ by none."""
    variance = spread * (1 / max(sizes[0], 1.0) + 1 / max(sizes[1], 1.0))
    return np.divide(np.abs(window - cross), np.sqrt(variance), out=np.zeros_like(cross), where=variance > 1e-12)


def _whole(half: Sequence[float], size: int) -> Array:
    full = np.zeros((size, size))
    full[np.tril_indices(size, -1)] = half
    return full + full.T
