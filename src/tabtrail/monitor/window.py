"""A window of rows to check, counted block by block: its memory does not grow with its rows."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tabtrail.monitor.dependence import TiedRows
from tabtrail.monitor.reference import Reference
from tabtrail.monitor.sketch import MISSING, Array, Codes, Counts, Sketch, Values, count_out


class Window:
    """Counts of the cells of the reference in the rows that were added.

    `counts` [cells] and `out` (rows outside the contract) are by column, `below` and `above` the sums by which numbers lie
    outside the reference's range. `beyond` counts rows with any input that the reference has nothing like. `labelled` are the
    rows with a known error. Columns of the reference that a block lacks are `absent`.
    """

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self.rows = self.beyond = 0
        self.first_day: float | None = None
        self.last_day: float | None = None
        self.absent: set[str] = set()
        self.counts: dict[str, Counts] = {name: np.zeros(len(each.counts), np.int64) for name, each in reference.sketches.items()}
        self.out = dict.fromkeys(reference.sketches, 0)
        self.below = dict.fromkeys(reference.sketches, 0.0)
        self.above = dict.fromkeys(reference.sketches, 0.0)
        self.ties = TiedRows.begin(reference.moments, reference.sketches) if reference.moments else None

    def add(self, block: Mapping[str, Values], *, days: Array | None = None) -> dict[str, Codes]:
        """Count a block of columns [rows]: floats with NaN, objects with None; return the cells of its values [rows].

        `PREDICTION` and `ERROR` may be among the columns. `days` since 1970-01-01 only say which time the window covers.
        """
        codes = self.reference.encode(block)
        rows = len(next(iter(block.values()))) if block else 0
        self.rows += rows
        inputs = set(self.reference.inputs)
        self.absent |= inputs - set(block)
        beyond = np.zeros(rows, np.bool_)
        for name, own in codes.items():
            sketch = self.reference.sketches[name]
            self.counts[name] += np.bincount(own, minlength=len(sketch.counts))
            self.out[name] += count_out(sketch.rule, block[name])
            self._add_tails(sketch, block[name])
            if name in inputs and name not in self.reference.apart:
                beyond |= sketch.is_beyond(block[name], own)
        self.beyond += int(beyond.sum())
        if self.ties is not None:
            self.ties.add(codes)
        self._add_days(days)
        return codes

    def known(self, name: str) -> int:
        """Rows with a value in a column."""
        counts = self.counts[name]
        return int(counts.sum() - counts[MISSING])

    def _add_tails(self, sketch: Sketch, values: Values) -> None:
        if sketch.is_ordered and sketch.low is not None and sketch.high is not None:
            finite = np.asarray(values, np.float64)
            finite = finite[np.isfinite(finite)]
            self.below[sketch.name] += float(np.maximum(sketch.low - finite, 0).sum())
            self.above[sketch.name] += float(np.maximum(finite - sketch.high, 0).sum())

    def _add_days(self, days: NDArray[np.float64] | None) -> None:
        if days is None or np.isnan(days).all():
            return
        first, last = float(np.nanmin(days)), float(np.nanmax(days))
        self.first_day = first if self.first_day is None else min(self.first_day, first)
        self.last_day = last if self.last_day is None else max(self.last_day, last)
