"""Which row is tested and which fold it falls in: a matter of its key and the seed, never of the order of the rows."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tabtrail.errors import require_keys


@dataclass(frozen=True)
class Split:
    """`fold` holds for each row the fold that validates it (0 to folds - 1), or -1 where the row is in the test part."""

    fold: NDArray[np.int64]

    @property
    def test(self) -> NDArray[np.bool_]:
        return np.equal(self.fold, -1)

    @property
    def train(self) -> NDArray[np.bool_]:
        return np.not_equal(self.fold, -1)


def split_rows(keys: Sequence[str], *, test_size: float, folds: int, seed: int) -> Split:
    """Split rows so that those with the same key stay together.

    Keys are ordered by the sha256 of seed and key. The first ones make the test part, up to `test_size` of the rows; the
    others go, largest first, to the fold with the fewest rows so far.

    Raises `DataError` when there are too few keys for a test part and every fold.
    """
    sizes = Counter(keys)
    order = sorted(sizes, key=lambda key: hashlib.sha256(f"{seed}:{key}".encode()).digest())
    require_keys(len(keys), len(order), folds)
    test = _take_share(order, sizes, test_size, keep=folds)
    fold_of = dict.fromkeys(order[:test], -1)
    rows_in = [0] * folds
    for key in sorted(order[test:], key=lambda key: -sizes[key]):
        smallest = rows_in.index(min(rows_in))
        fold_of[key] = smallest
        rows_in[smallest] += sizes[key]
    return Split(np.array([fold_of[key] for key in keys], dtype=np.int64))


def _take_share(order: list[str], sizes: Counter[str], share: float, *, keep: int) -> int:
    """Return how many keys from the front come closest to `share` of the rows (at least one; `keep` are left)."""
    wanted, rows, taken = share * sizes.total(), 0, 0
    for key in order[: len(order) - keep]:
        if taken and abs(rows + sizes[key] - wanted) >= abs(rows - wanted):
            break
        rows += sizes[key]
        taken += 1
    return taken
