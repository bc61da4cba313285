"""Rows of any source gathered into the counts and errors that a check looks at, in memory that grows by five numbers a row."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from tabtrail.monitor.performance import Estimate, Performance, estimate, measure
from tabtrail.monitor.reference import Reference
from tabtrail.monitor.sketch import ERROR, PREDICTION, Array, Values
from tabtrail.monitor.window import Window
from tabtrail.workflows.drift_rows import Rows


@dataclass
class Gathered:
    """A window, and of its rows what performance is measured by: `slices` holds the texts of labelled rows alone."""

    window: Window
    predicted: list[Array] = field(default_factory=list)
    labelled: list[Array] = field(default_factory=list)
    slices: dict[str, list[Values]] = field(default_factory=dict)

    def add(self, rows: Rows) -> None:
        """Count rows."""
        error = rows.actual - rows.predicted
        known = np.isfinite(error)
        block = {**rows.values, PREDICTION: rows.predicted, **({ERROR: error} if known.any() else {})}
        self.window.add(block, days=rows.days)
        self.predicted.append(rows.predicted)
        if known.any():
            self.labelled.append(np.stack([rows.actual, rows.predicted, rows.low, rows.high])[:, known])
            for name in self._sliced:
                self.slices.setdefault(name, []).append(rows.values[name][known])

    @property
    def _sliced(self) -> list[str]:
        errors = self.window.reference.errors
        return [] if errors is None else list(errors.slices)

    def performance(self, seed: int) -> Performance | Estimate | None:
        """Return the errors where there are labels, else an estimate; None where the reference has no errors."""
        sample = self.window.reference.errors
        if sample is None or not self.predicted:
            return None
        if self.labelled:
            actual, predicted, low, high = np.concatenate(self.labelled, axis=1)
            bounds = (low, high) if np.isfinite(low).all() else None
            texts = {name: np.concatenate(each) for name, each in self.slices.items()}
            return measure(sample, actual, predicted, bounds=bounds, slices=texts, seed=seed)
        beyond = self.window.beyond / max(self.window.rows, 1)
        return estimate(sample, np.concatenate(self.predicted), beyond=beyond)


def gather(reference: Reference, blocks: Iterable[Rows]) -> Gathered:
    """Gather the rows of a window."""
    found = Gathered(Window(reference))
    for rows in blocks:
        found.add(rows)
    return found
