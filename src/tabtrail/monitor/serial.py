"""What windows of consecutive rows do without drift: rows near in time are alike, so that tests for independent rows cry wolf.

At training windows of several lengths are slid over the reference in time order. Two things are kept for each length: by how
much the shares of a window vary more than those of independent rows (`inflation`; sizes are divided by it), and the largest
score of any column and test in each window (Westfall & Young, Resampling-Based Multiple Testing, 1993), which a window that
alarms must exceed too where the reference is long enough to tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabtrail.monitor.dependence import Moments, correlations, fisher, scores_of, tie_scores
from tabtrail.monitor.distributions import normal_tail
from tabtrail.monitor.sketch import MISSING, Array, Codes, Counts, Sketch
from tabtrail.monitor.statistics import distribution_p, missing_p, unseen_p

LENGTHS = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
KINDS = ("distribution", "missing", "unseen", "dependence")
_MOST_WINDOWS = 200
_OVERLAP = 4  # windows start a quarter of their length apart: nearer ones add nothing
_RESOLVING = 19  # windows side by side that a reference must hold for its largest score to stand for 5 %


@dataclass(frozen=True)
class Ladder:
    """The null of windows by their length.

    `inflation` is by column and kind of test, for each length; `largest` are the sorted largest scores (−ln p) of the windows
    of each length, none where the reference holds fewer than 19 such windows side by side.
    """

    lengths: tuple[int, ...]
    inflation: Mapping[str, Mapping[str, tuple[float, ...]]]
    largest: tuple[tuple[float, ...], ...]

    def worth(self, column: str, kind: str, rows: int) -> float:
        """How many rows of a window of this many are worth one independent row, at least 1."""
        known = self.inflation.get(column, {}).get(kind)
        if not known or rows < 1:
            return 1.0
        return float(np.interp(np.log(rows), np.log(self.lengths), known))

    def slid_p(self, score: float, rows: int) -> float:
        """Share of slid windows of about this length whose largest score is no smaller; 0 where they cannot tell."""
        if not self.lengths or rows < 1:
            return 0.0
        nearest = int(np.argmin(np.abs(np.log(self.lengths) - np.log(rows))))
        known = self.largest[nearest]
        return (1 + sum(each >= score for each in known)) / (1 + len(known)) if known else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        inflation = {name: {kind: list(each) for kind, each in kinds.items()} for name, kinds in self.inflation.items()}
        return {"lengths": list(self.lengths), "inflation": inflation, "largest": [list(each) for each in self.largest]}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Ladder":
        """Rebuild a ladder from its JSON form."""
        inflation = {name: {kind: tuple(each) for kind, each in kinds.items()} for name, kinds in value["inflation"].items()}
        return cls(tuple(value["lengths"]), inflation, tuple(tuple(each) for each in value["largest"]))


def score_of(p_value: float) -> float:
    """The score −ln p by which tests of different kinds are compared."""
    return float(-np.log(max(p_value, 1e-300)))


def ladder_of(sketches: Sequence[Sketch], codes: Mapping[str, Codes], moments: Moments | None) -> Ladder:
    """Slide windows over the reference, whose rows are in time order."""
    rows = len(next(iter(codes.values()))) if codes else 0
    lengths = tuple(length for length in LENGTHS if length * _OVERLAP <= rows)
    steps = [_Step.of(length, rows) for length in lengths]
    tables = [{each.name: _window_counts(each, codes[each.name], step) for each in sketches} for step in steps]
    products = [_window_ties(sketches, codes, moments, step) for step in steps]
    inflation: dict[str, dict[str, tuple[float, ...]]] = {}
    for sketch in sketches:
        found = [_inflations(sketch, table[sketch.name], rows) for table in tables]
        if moments is not None and sketch.name in moments.names:
            place = moments.names.index(sketch.name)
            for each, product, step in zip(found, products, steps, strict=True):
                each["dependence"] = _inflation_of_ties(moments, product, place, step)
        kinds = {kind: _growing([each.get(kind, 1.0) for each in found]) for kind in KINDS}
        inflation[sketch.name] = {kind: each for kind, each in kinds.items() if any(value > 1 for value in each)}
    plain = Ladder(lengths, inflation, ())
    largest = [_largest(sketches, table, step, plain) if step.resolves else () for table, step in zip(tables, steps, strict=True)]
    if moments is not None:
        largest = [
            tuple(np.maximum(each, _largest_ties(moments, product, step, plain)).tolist()) if each else each
            for each, product, step in zip(largest, products, steps, strict=True)
        ]
    return Ladder(lengths, inflation, tuple(tuple(sorted(round(value, 3) for value in each)) for each in largest))


def _growing(found: Sequence[float]) -> tuple[float, ...]:
    """At least 1, and no smaller for longer windows: of those the reference holds few, so that their own estimate is rough."""
    return tuple(np.round(np.maximum.accumulate([1.0, *found])[1:], 3).tolist())


@dataclass(frozen=True)
class _Step:
    """Windows of one length over `rows` rows, by their first rows."""

    length: int
    rows: int
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, length: int, rows: int) -> "_Step":
        windows = min(_MOST_WINDOWS, (rows - length) * _OVERLAP // length + 1)
        return cls(length, rows, np.linspace(0, rows - length, windows).astype(np.int64))

    @property
    def resolves(self) -> bool:
        return self.rows >= _RESOLVING * self.length

    @property
    def places(self) -> NDArray[np.int64]:
        return self.starts[:, None] + np.arange(self.length)


def _window_counts(sketch: Sketch, codes: Codes, step: _Step) -> Counts:
    """Counts of the cells in each window [windows × cells]."""
    cells = len(sketch.counts)
    own = codes[step.places] + cells * np.arange(len(step.starts))[:, None]
    return np.bincount(own.ravel(), minlength=cells * len(step.starts)).reshape(-1, cells)


def _window_ties(sketches: Sequence[Sketch], codes: Mapping[str, Codes], moments: Moments | None, step: _Step) -> Array:
    """Rank correlations in each window [windows × columns × columns], those of the reference where a column does not vary."""
    if moments is None:
        return np.empty((len(step.starts), 0, 0))
    named = {each.name: each for each in sketches}
    scores = np.column_stack([scores_of(named[name])[codes[name]] for name in moments.names])
    windows = (scores[start : start + step.length] for start in step.starts)
    found = np.array([correlations(own.sum(axis=0), own.T @ own, step.length) for own in windows])
    return np.where(np.isnan(found), moments.correlation, found)


def _inflations(sketch: Sketch, windows: Counts, rows: int) -> dict[str, float]:
    whole = sketch.counts.astype(np.float64)
    known, of = windows[:, 1:].sum(axis=1), whole[1:].sum()
    some = known > 0
    shares = windows[some, 1:] / known[some, None]
    target = whole[1:] / max(of, 1.0)
    if sketch.is_ordered:
        shares, target = np.cumsum(shares, axis=1)[:, :-1], np.cumsum(target)[:-1]
    found = {"distribution": _excess(shares, target, known[some], of)}
    found["missing"] = _excess(
        windows[:, [MISSING]] / windows.sum(axis=1, keepdims=True), whole[[MISSING]] / whole.sum(), windows.sum(axis=1), rows
    )
    if not sketch.is_ordered:
        found["unseen"] = _excess(shares[:, -1:], target[-1:], known[some], of)
    return found


def _excess(shares: Array, target: Array, sizes: NDArray[np.int64], of: float) -> float:
    """Mean square deviation of the shares of windows [windows × cells] over that of independent rows drawn from the whole."""
    if not len(sizes):
        return 1.0
    plain = (target * (1 - target)).sum() * np.mean(np.maximum(1 / sizes - 1 / max(of, 1.0), 0.0))
    return float(((shares - target) ** 2).sum(axis=1).mean() / plain) if plain > 0 else 1.0


def _inflation_of_ties(moments: Moments, found: Array, place: int, step: _Step) -> float:
    others = np.arange(len(moments.names)) != place
    plain = moments.spread[place][others].sum() * (1 / (step.length - 3) - 1 / step.rows)
    deviations = (fisher(found[:, place]) - fisher(moments.correlation[place]))[:, others] ** 2
    return float(deviations.sum(axis=1).mean() / plain) if plain > 0 else 1.0


def _largest(sketches: Sequence[Sketch], tables: Mapping[str, Counts], step: _Step, ladder: Ladder) -> tuple[float, ...]:
    """The largest score of the tests of single columns in each window, against the rest of the reference."""
    best = np.zeros(len(step.starts))
    for sketch in sketches:
        worth = {kind: ladder.worth(sketch.name, kind, step.length) for kind in KINDS}
        for place, window in enumerate(tables[sketch.name]):
            rest = sketch.counts - window
            p_values = [distribution_p(sketch, rest, window, worth["distribution"])]
            if sketch.counts[MISSING]:
                p_values.append(missing_p(rest, window, worth["missing"]))
            if sketch.novel:
                p_values.append(unseen_p(sketch, int(rest[1:].sum()), window, worth["unseen"]))
            best[place] = max(best[place], score_of(min(p_values)))
    return tuple(best.tolist())


def _largest_ties(moments: Moments, products: Array, step: _Step, ladder: Ladder) -> Array:
    """The largest score of the ties in each window; a p-value is multiplied by the number of partners, as in the check."""
    best = np.zeros(len(step.starts))
    grow = step.rows / (step.rows - step.length)  # from the difference to the whole to that to the rest
    partners = max(len(moments.names) - 1, 1)
    for place, name in enumerate(moments.names):
        worth = ladder.worth(name, "dependence", step.length)
        sizes = (step.length / worth, (step.rows - step.length) / worth)
        for window, product in enumerate(products):
            z = grow * tie_scores(moments, place, product[place], sizes)
            best[window] = max(best[window], score_of(min(1.0, 2 * normal_tail(float(z.max())) * partners)))
    return best
