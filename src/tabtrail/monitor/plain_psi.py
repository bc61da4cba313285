"""PSI as it is often computed: ten bins of one width over the range of the reference, later values outside that range left out.

It is kept beside the watch's own, which has quantile bins, counts every row and is held against what chance gives: figures that
people know from elsewhere can be found again, and be seen for what they are.
"""

from dataclasses import dataclass

import numpy as np

from tabtrail.monitor.sketch import Array, Counts
from tabtrail.monitor.statistics import psi_threshold

BINS = 10
_EMPTY = 1e-6  # share that stands for an empty bin, as in the usual scripts: the logarithm of 0 is none


@dataclass(frozen=True)
class PlainPsi:
    """`edges` [11] in units of the column, rows of each bin [10], rows of the window left out, PSI, and the PSI that two samples
    of these sizes without any drift exceed in 5 %. `open_ends` is the PSI with the rows outside put into the outer bins.
    """

    edges: tuple[float, ...]
    reference: tuple[int, ...]
    window: tuple[int, ...]
    left_out: int
    value: float
    by_chance: float
    open_ends: float


def plain_psi(reference: Array, window: Array) -> PlainPsi | None:
    """Return the PSI of the known values of a number column, None where the reference is constant or either side has no rows."""
    before, after = reference[np.isfinite(reference)], window[np.isfinite(window)]
    if not len(before) or not len(after) or before.min() == before.max():
        return None
    edges = np.linspace(before.min(), before.max(), BINS + 1)
    old, new = np.histogram(before, edges)[0], np.histogram(after, edges)[0]
    held = np.histogram(np.clip(after, edges[0], edges[-1]), edges)[0]
    if not new.sum():
        return None
    return PlainPsi(
        edges=tuple(edges.tolist()),
        reference=tuple(old.tolist()),
        window=tuple(new.tolist()),
        left_out=int(len(after) - new.sum()),
        value=_psi(old, new),
        by_chance=psi_threshold(old, int(new.sum())),
        open_ends=_psi(old, held),
    )


def _psi(reference: Counts, window: Counts) -> float:
    """Σ (p − q) ln(p / q) over the bins, without smoothing."""
    p, q = (np.maximum(each / each.sum(), _EMPTY) for each in (window, reference))
    return float(((p - q) * np.log(p / q)).sum())
