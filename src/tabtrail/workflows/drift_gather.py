"""Rows of any source gathered into the counts and errors that a check looks at, in memory that grows by three numbers a row."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from tabtrail.monitor.performance import Estimate, Performance, Places, estimate, measure, slice_places
from tabtrail.monitor.reference import Reference
from tabtrail.monitor.sketch import ERROR, PREDICTION, Array
from tabtrail.monitor.window import Window
from tabtrail.workflows.drift_rows import Rows

_NO_INTERVAL = -1


@dataclass
class Gathered:
    """A window, and of its rows what performance is measured by: `slices` has the places of labelled rows by `slice_places`."""

    window: Window
    predicted: list[Array] = field(default_factory=list)
    labelled: list[Array] = field(default_factory=list)
    inside: list[Places] = field(default_factory=list)
    slices: dict[str, list[Places]] = field(default_factory=dict)

    def add(self, rows: Rows) -> None:
        """Count rows."""
        error = rows.actual - rows.predicted
        known = np.isfinite(error)
        block = {**rows.values, PREDICTION: rows.predicted, **({ERROR: error} if known.any() else {})}
        self.window.add(block, days=rows.days)
        self.predicted.append(rows.predicted)
        if known.any():
            self.labelled.append(np.stack([rows.actual, rows.predicted])[:, known])
            self.inside.append(_inside(rows)[known])
            if (sample := self.window.reference.errors) is not None:
                for name in sample.slices:
                    self.slices.setdefault(name, []).append(slice_places(sample, name, rows.values[name][known]))

    def performance(self, seed: int) -> Performance | Estimate | None:
        """Return the errors where there are labels, else an estimate; None where the reference has no errors."""
        sample = self.window.reference.errors
        if sample is None or not self.predicted:
            return None
        if self.labelled:
            whole = np.concatenate(self.labelled, axis=1)
            self.labelled = [whole]  # the parts would take as much again
            actual, predicted = whole
            held = np.concatenate(self.inside)
            places = {name: np.concatenate(each) for name, each in self.slices.items()}
            inside = None if (held == _NO_INTERVAL).any() else held == 1
            return measure(sample, actual, predicted, inside=inside, slices=places, seed=seed)
        beyond = self.window.beyond / max(self.window.rows, 1)
        return estimate(sample, np.concatenate(self.predicted), beyond=beyond)


def _inside(rows: Rows) -> Places:
    """Return 1 for rows within their interval, 0 for others, -1 for those without one (int8)."""
    held = ((rows.actual >= rows.low) & (rows.actual <= rows.high)).astype(np.int8)
    held[~np.isfinite(rows.low)] = _NO_INTERVAL
    return held


def gather(reference: Reference, blocks: Iterable[Rows]) -> Gathered:
    """Gather the rows of a window."""
    found = Gathered(Window(reference))
    for rows in blocks:
        found.add(rows)
    return found
