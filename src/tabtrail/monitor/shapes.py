"""Where the rows of a column lie, in the reference and in a window: shares by tenth of the numbers or by frequent value."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tabtrail.contract.expressions import date_text
from tabtrail.monitor.sketch import Sketch
from tabtrail.monitor.statistics import grouped
from tabtrail.monitor.window import Window

_DIGITS = 6


@dataclass(frozen=True)
class Shape:
    """Names of the groups, and the share (0 to 1) of the known values in each, in the reference and in the window."""

    names: tuple[str, ...]
    before: tuple[float, ...]
    now: tuple[float, ...]


def shapes_of(window: Window) -> dict[str, Shape]:
    """Return the shape of each column of a window that has values."""
    found = {}
    for name, sketch in window.reference.sketches.items():
        groups = window.reference.groups[name]
        before, now = grouped(sketch.counts, groups), grouped(window.counts[name], groups)
        if before.sum() and now.sum():
            shares = (tuple((each / each.sum()).round(_DIGITS).tolist()) for each in (before, now))
            found[name] = Shape(_names(sketch, groups), *shares)
    return found


def _names(sketch: Sketch, groups: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[str, ...]:
    if not sketch.is_ordered:
        own = [*sketch.values, "others"]
        return tuple(
            _together([own[place] for place in np.flatnonzero(groups == group)]) for group in range(int(groups.max()) + 1)
        )
    write = date_text if sketch.kind == "date" else _number
    lasts = [int(np.flatnonzero(groups == group).max()) for group in range(int(groups.max()) + 1)]
    ends = [write(float(sketch.edges[last])) for last in lasts[:-1]]
    if not ends:
        return ("all",)
    between = [f"{low} to {high}" for low, high in pairwise(ends)]
    return (f"up to {ends[0]}", *between, f"above {ends[-1]}")


def _together(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} others" if "others" not in names else "others"


def _number(value: float) -> str:
    return f"{value:,.5g}"
