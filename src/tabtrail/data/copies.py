"""Rows that are copies of an earlier one of the same ingest, in every column."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

_MOST = 1 << 24  # hashes that are held: 128 MB
_SHOWN = 3
_SIGN = "copies of earlier rows"
_IN_ROWS = (
    "copies on both sides of a split make errors look too small: set cleaning.deduplicate: {key: [COLUMN, …]} with the columns"
    " that tell rows apart, or leave it where equal rows are different things"
)
_IN_SERIES = (
    "the demand counts each of them: remove those that were given twice, or leave it where equal rows are different sales"
)


@dataclass(frozen=True)
class _Part:
    """Hashes of some rows of a file, with their lines."""

    file: str
    hashes: NDArray[np.uint64]
    lines: range | NDArray[np.int64]

    def thinned(self, share: int) -> "_Part":
        chosen = np.flatnonzero(self.hashes % share == 0)
        return _Part(self.file, self.hashes[chosen], np.asarray(self.lines, dtype=np.int64)[chosen])


class CopyWatch:
    """Hashes of 64 bits of the rows, as they come. Of very many rows it holds those of every n-th hash, whatever row has it, so
    that copies are held together with what they are copies of.
    """

    def __init__(self) -> None:
        self._parts = list[_Part]()
        self._held, self._share, self._rows = 0, 1, 0

    def see(self, kept: pl.DataFrame, file: str, lines: pl.Series) -> None:
        """Take further rows, which stand on these lines of a file."""
        if not kept.height:
            return
        at = lines.to_numpy()
        contiguous = int(at[-1]) - int(at[0]) == kept.height - 1 and bool((np.diff(at) == 1).all())
        part = _Part(file, kept.hash_rows(1).to_numpy(), range(int(at[0]), int(at[-1]) + 1) if contiguous else at)
        part = part if self._share == 1 else part.thinned(self._share)
        self._parts.append(part)
        self._held, self._rows = self._held + len(part.hashes), self._rows + kept.height
        while self._held > _MOST:
            self._thin(2 * self._share)

    def join(self, other: "CopyWatch") -> None:
        """Take what was seen of further rows elsewhere."""
        self._parts += other._parts
        self._held, self._rows = self._held + other._held, self._rows + other._rows
        if other._share != self._share:
            self._thin(max(self._share, other._share))
        while self._held > _MOST:
            self._thin(2 * self._share)

    def _thin(self, share: int) -> None:
        self._share = share
        self._parts = [each.thinned(share) for each in self._parts]
        self._held = sum(len(each.hashes) for each in self._parts)

    def finding(self, left_out: str = "", *, added_up: bool = False) -> str | None:
        """Return how many rows are copies, with the first of them; `left_out` is what of the file is not looked at, `added_up`
        says that the rows are those of series.
        """
        hashes = np.concatenate([each.hashes for each in self._parts]) if self._parts else np.zeros(0, dtype=np.uint64)
        ordered = np.sort(hashes)
        again = ordered[1:][ordered[1:] == ordered[:-1]]
        if not len(again):
            return None
        count = len(again) * self._share
        shown = ", ".join(f"{self._place(copy)} (as {self._place(first)})" for copy, first in _first_pairs(hashes, again))
        more = " …" if len(again) > _SHOWN else ""
        aside = f", {left_out} aside" if left_out else ""
        many = f"{'about ' if self._share > 1 else ''}{count:,} of {self._rows:,} rows are {_SIGN}"
        return f"{many}, equal in every column{aside}: {shown}{more}; {_IN_SERIES if added_up else _IN_ROWS}"

    def _place(self, at: int) -> str:
        for part in self._parts:
            if at < len(part.hashes):
                return f"{part.file} line {int(part.lines[at]):,}"
            at -= len(part.hashes)
        raise IndexError(at)


def _first_pairs(hashes: NDArray[np.uint64], again: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    """Yield the places of the first copies and of what they are copies of."""
    first: dict[int, int] = {}
    found = 0
    for place in map(int, np.flatnonzero(np.isin(hashes, again))):
        known = first.setdefault(int(hashes[place]), place)
        if known != place:
            yield place, known
            found += 1
            if found == _SHOWN:
                return
