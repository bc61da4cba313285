"""Fewer rows that look like all of them."""

import hashlib
from collections.abc import Sequence

import numpy as np

from tabtrail.modeling.metrics import Array
from tabtrail.modeling.split import Mask

_STRATA = 10  # tenths of the target: the shape of its distribution is kept, and a tenth of a small sample still holds whole keys


def sample_rows(keys: Sequence[str], y: Array, among: Mask, most: int, seed: int) -> Mask:
    """Return at most `most` of the rows `among`: whole keys, from every tenth of the target alike.

    Keys are put in ten strata of about as many rows by their mean target, and taken from each, in the order of the sha256 of
    seed and key, as long as they fit into its share. The order of the rows changes nothing.
    """
    if among.sum() <= most:
        return among.copy()
    rows = np.flatnonzero(among)
    number: dict[str, int] = {}
    codes = np.array([number.setdefault(keys[row], len(number)) for row in rows.tolist()], dtype=np.int64)
    sizes = np.bincount(codes)
    means = np.bincount(codes, weights=y[rows]) / sizes
    digests = [hashlib.sha256(f"{seed}/sample:{key}".encode()).digest() for key in number]
    shuffled = sorted(range(len(number)), key=digests.__getitem__)
    by_target = sorted(shuffled, key=means.__getitem__)
    before = np.cumsum(sizes[by_target]) - sizes[by_target]
    stratum = np.empty(len(number), dtype=np.int64)
    stratum[by_target] = before * _STRATA // len(rows)
    room = (np.bincount(stratum, weights=sizes, minlength=_STRATA) * most / len(rows)).astype(np.int64)
    taken = np.zeros(len(number), dtype=bool)
    for key in shuffled:
        if sizes[key] <= room[stratum[key]]:
            room[stratum[key]] -= sizes[key]
            taken[key] = True
    chosen = np.zeros(len(among), dtype=bool)
    chosen[rows[taken[codes]]] = True
    return chosen
