"""Whether a dataset is the same rows several times over, as where a file was given twice."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

_TIMES = (2, 3)
_LANES = 8
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)


class RepeatWatch:
    """Sums of hashes of the target's values, a byte of the hash in each: of rows that all occur k times each is a multiple of k.

    The converse is checked on the rows themselves (`times_repeated`), by chance for one dataset in 256.
    """

    def __init__(self, sums: Sequence[int] = ()) -> None:
        self.sums = [*sums] or [0] * _LANES

    def see(self, target: pl.Series) -> None:
        """Take further values, in any order."""
        values = target.cast(pl.Float64).fill_null(0.0).to_numpy()
        self.join(_lanes(values.view(np.uint64)))

    def join(self, sums: Sequence[int]) -> None:
        """Take the sums of values that were seen elsewhere."""
        self.sums = [old + new for old, new in zip(self.sums, sums, strict=True)]

    def suspected(self, rows: int) -> list[int]:
        """Return how many times each row may occur, of so many rows; nothing where they do not repeat."""
        return [times for times in _TIMES if rows and rows % times == 0 and all(each % times == 0 for each in self.sums)]


def times_repeated(folder: Path, suspected: Sequence[int]) -> int | None:
    """Return how many times (or a multiple of it) every row of a dataset occurs; None where rows differ.

    It reads the Parquet files once, a file at a time. Two hashes of 64 bits stand for a row: all rows of different ones
    are taken for repeated with a probability of about 2^-16 for a folder of the dataset, on top of what suspected them.
    """
    left = set(suspected)
    for part in sorted({path.parent for path in folder.rglob("*.parquet")}):
        sums, rows = [0] * (2 * _LANES), 0
        for file in sorted(part.glob("*.parquet")):
            frame = pl.read_parquet(file, hive_partitioning=False)
            hashes = [_lanes(frame.hash_rows(seed).to_numpy()) for seed in (1, 2)]
            sums = [old + new for old, new in zip(sums, hashes[0] + hashes[1], strict=True)]
            rows += frame.height
        left = {times for times in left if rows % times == 0 and all(each % times == 0 for each in sums)}
        if not left:
            return None
    return max(left, default=None)


_REPEATED = "every row occurs"


def repeated(rows: int, times: int, left_out: str = "") -> str:
    """Return the finding that all rows occur so many times; `left_out` is what of the file is not looked at."""
    aside = f", {left_out} aside" if left_out else ""
    often = {2: "twice", 3: "three times"}[times]
    return (
        f"{_REPEATED} {often}{aside} (or a multiple of that): the {rows:,} rows may be {rows // times:,} given {often};"
        " copies on both sides of a split make errors look too small, so remove them"
    )


def is_repeated(finding: str) -> bool:
    """Whether this is the finding that all rows occur several times, which further rows may end."""
    return finding.startswith(_REPEATED)


def _lanes(bits: NDArray[np.uint64]) -> list[int]:
    """Return the sums of the bytes of 64-bit words, mixed as by Steele et al., "Fast splittable pseudorandom numbers" (2014)."""
    mixed = bits * _GOLDEN
    mixed ^= mixed >> np.uint64(30)
    mixed *= _MIX
    mixed ^= mixed >> np.uint64(27)
    return [int(each) for each in mixed.view(np.uint8).reshape(-1, _LANES).sum(axis=0, dtype=np.uint64)]
