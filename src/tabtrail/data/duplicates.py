"""Rows whose key another row has: which of them are kept, in the order of files and lines, in bounded memory.

Two hashes of 64 bits stand for a key (16 bytes, however long its texts are): that any two keys of 100 million share both by
chance has a probability of about 10^-23.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tabtrail.config.cleaning import Deduplicate
from tabtrail.config.dataset import TableRules

Hashes = NDArray[np.uint64]
Marks = NDArray[np.bool_]
_SEEDS = (1, 2)
_CHUNK = 1 << 20
# So that a key of another file, or of the dataset that is added to, has the same hashes.
_DTYPES: Mapping[str, pl.DataType] = {
    "int": pl.Int64(),
    "float": pl.Float64(),
    "string": pl.String(),
    "date": pl.Date(),
    "datetime": pl.Datetime("us"),
}


class KeyHashes:
    """Turns the key columns of rows into hashes. A row without a value in one of them, filled gaps too, has no key."""

    def __init__(self, key: Iterable[str], rules: TableRules) -> None:
        self.key = tuple(key)
        self._columns = [pl.col(name).cast(_DTYPES[rules.columns.kind(name)]) for name in self.key]
        fills = ((name, rules.reading(name).fill) for name in self.key)
        empty = [pl.col(name) == fill for name, fill in fills if fill is not None]
        self._empty = pl.any_horizontal([pl.col(name).is_null() for name in self.key] + empty)

    def of(self, rows: pl.DataFrame) -> tuple[Hashes, Marks]:
        """Return the hashes [2, rows], and which rows have a key [rows]."""
        key = rows.select(self._columns)
        empty = rows.select(self._empty.fill_null(True).alias("empty")).to_series().to_numpy()
        return np.stack([key.hash_rows(seed).to_numpy() for seed in _SEEDS]), ~empty


class KnownKeys:
    """A set of keys that is asked in bulk: runs of sorted hashes, each longer than the next, so that few are searched (as in
    log-structured merge trees, O'Neil et al. 1996).
    """

    def __init__(self) -> None:
        self._runs = list[Hashes]()

    def add_new(self, hashes: Hashes) -> Marks:
        """Remember keys [2, rows] and tell which rows [rows] have a new one, of equal ones the first."""
        order = np.argsort(hashes[0], kind="stable")
        ordered = hashes[:, order]
        is_new = ~self.holds(ordered)
        is_new[1:] &= _differs(ordered)
        self._add(ordered[:, is_new])
        marks = np.empty(len(order), dtype=bool)
        marks[order] = is_new
        return marks

    def holds(self, hashes: Hashes) -> Marks:
        """Tell which keys [2, rows] are known."""
        found = np.zeros(hashes.shape[1], dtype=bool)
        for run in self._runs:
            at = np.minimum(np.searchsorted(run[0], hashes[0]), run.shape[1] - 1)
            found |= (run[0][at] == hashes[0]) & (run[1][at] == hashes[1])
        return found

    def _add(self, run: Hashes) -> None:
        if not run.shape[1]:
            return
        while self._runs and self._runs[-1].shape[1] <= 2 * run.shape[1]:
            both = np.concatenate([self._runs.pop(), run], axis=1)
            run = both[:, np.argsort(both[0], kind="stable")]
        self._runs.append(run)


@dataclass
class Duplicates:
    """Tells of rows, as they come, which are set aside for their key.

    Of `keep: first` the keys are remembered (`known`, those of the dataset that rows are added to among them); of `last` and
    `none` all rows were seen before and `judged`, in their order (`KeyLook`).
    """

    hashes: KeyHashes
    rule: str
    known: KnownKeys = field(default_factory=KnownKeys)
    judged: Marks | None = None
    without_key: int = 0
    _seen: int = 0

    def repeated(self, kept: pl.DataFrame) -> list[int]:
        """Return the places of the rows that are set aside."""
        hashes, has_key = self.hashes.of(kept)
        self.without_key += int((~has_key).sum())
        if self.judged is None:
            places = np.flatnonzero(has_key)
            return list(map(int, places[~self.known.add_new(hashes[:, places])]))
        self._seen += kept.height
        return list(map(int, np.flatnonzero(self.judged[self._seen - kept.height : self._seen])))

    def notes(self) -> list[str]:
        """Say how many rows could not be told apart by the key."""
        if not self.without_key:
            return []
        rows = f"{self.without_key:,} {'row has' if self.without_key == 1 else 'rows have'}"
        return [f"{rows} no value in one of {', '.join(self.hashes.key)}, the key of cleaning.deduplicate, and stayed"]


class KeyLook:
    """The keys of all rows: whether one stays by `keep: last` or `none` is known once all were seen."""

    def __init__(self, hashes: KeyHashes) -> None:
        self._hashes = hashes
        self._seen = list[tuple[Hashes, Marks]]()

    def see(self, kept: pl.DataFrame) -> None:
        """Take further rows."""
        self._seen.append(self._hashes.of(kept))

    def repeats_of(self, known: KnownKeys) -> int:
        """Count the rows whose key is known already."""
        return sum(int(known.holds(hashes[:, has_key]).sum()) for hashes, has_key in self._seen)

    def judge(self, deduplicate: Deduplicate) -> Marks:
        """Tell which rows are set aside, in the order in which they came."""
        if not self._seen:
            return np.zeros(0, dtype=bool)
        hashes = np.concatenate([each for each, _ in self._seen], axis=1)
        has_key = np.concatenate([each for _, each in self._seen])
        order = np.lexsort((hashes[1], hashes[0]))  # stable: equal keys stay in the order of their rows
        order = order[has_key[order]]
        followed = np.append(~_differs(hashes[:, order]), np.zeros(min(1, len(order)), dtype=bool))
        aside = followed.copy()
        if deduplicate.keep == "none":
            aside[1:] |= followed[:-1]
        marks = np.zeros(len(has_key), dtype=bool)
        marks[order] = aside
        return marks


def known_keys(hashes: KeyHashes, rows: pl.LazyFrame) -> KnownKeys:
    """Return the keys of the rows of a dataset."""
    known = KnownKeys()
    for frame in rows.select(hashes.key).collect_batches(chunk_size=_CHUNK, maintain_order=False):
        found, has_key = hashes.of(frame)
        known.add_new(found[:, has_key])
    return known


def _differs(ordered: Hashes) -> Marks:
    """Tell of sorted keys [2, rows], but the first, which differ from the one before [rows - 1]."""
    return np.asarray((ordered[:, 1:] != ordered[:, :-1]).any(axis=0))
