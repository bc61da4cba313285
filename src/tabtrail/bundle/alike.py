"""Rows that are alike in some columns of whole numbers, so that what they share is computed once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
_SPARE = 4  # counting is cheaper than sorting while it takes no more counters than some for each row


def alike_rows(columns: Sequence[NDArray[Any]], rows: int) -> tuple[Whole, Whole]:
    """Return one row of each distinct combination of whole numbers [distinct], and which of those each row has [rows]."""
    kinds, count = np.zeros(rows, dtype=np.int64), 1
    for values in columns if rows else ():
        low = int(values.min())
        span = int(values.max()) - low + 1
        if span > 1:
            kinds, count = _numbered(kinds * span + (values - low), count * span)
    one = np.zeros(count if rows else 0, dtype=np.int64)
    one[kinds] = np.arange(rows)
    return one, kinds


def _numbered(codes: Whole, span: int) -> tuple[Whole, int]:
    """Return codes, which are below `span`, as numbers without gaps in the same order, and how many there are."""
    if span > _SPARE * len(codes):
        there, numbers = np.unique(codes, return_inverse=True)
        return numbers, len(there)
    found = np.bincount(codes, minlength=span) > 0
    return (np.cumsum(found) - 1)[codes], int(found.sum())
