"""Which row is tested and which folds it falls in: a matter of its key or date and the seed, never of the order of the rows."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tabtrail.config.model import Split as SplitConfig
from tabtrail.errors import DataError, require_keys
from tabtrail.modeling.metrics import Array

Mask = NDArray[np.bool_]
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Fold:
    """The rows that one fit of the cross-validation learns from, and the rows that it is scored on."""

    train: Mask
    valid: Mask
    repeat: int = 0


@dataclass(frozen=True)
class Split:
    """The rows of the training part and of the test part (rows within the gap are in neither), and the folds of the former.

    `fold_seed` is that of folds which `split_training_part` cut, and would cut again elsewhere. `held_out` are the rows after the
    test part of a split by days: the champion alone is scored on them, once (None: there are none).
    """

    train: Mask
    test: Mask
    folds: tuple[Fold, ...]
    fold_seed: int | None = None
    held_out: Mask | None = None

    @property
    def choosing(self) -> Mask:
        """The training rows that the folds are made of."""
        return np.asarray(np.any([fold.train | fold.valid for fold in self.folds], axis=0))

    @property
    def valid_share(self) -> float:
        """Validated rows for each training row, the mean over the folds (Nadeau and Bengio's n2/n1)."""
        return float(np.mean([fold.valid.sum() / fold.train.sum() for fold in self.folds]))


@dataclass(frozen=True)
class Keys:
    """What places a row: `key`, by which rows stay together, and `date` (days since 1970-01-01), which a time split needs."""

    key: Sequence[str]
    date: Array | None = None

    def take(self, rows: Mask) -> "Keys":
        """Return the keys of the chosen rows."""
        kept = [key for key, chosen in zip(self.key, rows, strict=True) if chosen]
        return Keys(kept, None if self.date is None else self.date[rows])


def split_training_part(
    keys: Keys, config: SplitConfig, seed: int, train: Mask, test: Mask, *, among: Mask | None = None
) -> Split:
    """Return the split with a given test part: its folds are made of the training part alone, or of some of its rows.

    Raises `DataError` when there are too few keys or dates for every fold.
    """
    chosen = train if among is None else train & among
    folds = _time_folds(keys, config, chosen) if config.by_time else _key_folds(keys, config, seed, chosen)
    return Split(train, test, tuple(folds), seed)


def hold_out(keys: Keys, config: SplitConfig, seed: int, *, share: float, keep: int = 1) -> tuple[Mask, Mask]:
    """Return the rows to learn from and those held out: about `share` of them, whole keys; the latest where time splits.

    Keys are taken in the order of the sha256 of seed and key; at least `keep` of them are left to learn from.
    """
    if config.by_time:
        return _latest(keys, config, share, keep)
    sizes = Counter(keys.key)
    require_keys(len(keys.key), len(sizes), keep)
    order = _shuffled(sizes, str(seed))
    held = frozenset(order[: _take_share(order, sizes, share, keep=keep)])
    test = np.array([key in held for key in keys.key], dtype=bool)
    return ~test, test


def parts_by_day(keys: Keys, config: SplitConfig) -> tuple[Mask, Mask, Mask | None]:
    """Return the rows before `split.train_before`, those from then on, and those from `split.evaluate_before` on, which are in
    neither (None where no such day is named). A key goes, whole, by the last of its dates.

    Raises `DataError` for a day outside the dates of the rows, and where a part has no rows.
    """
    first, last, dates = config.train_before, config.evaluate_before, _last_dates(keys, config)
    assert first is not None  # noqa: S101 - asked by who calls
    start, end = _day(first), np.inf if last is None else _day(last)
    spans = f"the rows are of {_text(dates.min())} to {_text(dates.max())}"
    if not (dates < start).any():
        raise DataError(f"split.train_before: no row is before {first}, {spans}; name a later day")
    train, test = dates < start - config.gap_days, (dates >= start) & (dates < end)
    if not train.any():
        raise DataError(f"split.gap_days {config.gap_days} leaves no rows to learn from before {first}")
    if not test.any():
        until = "" if last is None else f" and before {last}"
        raise DataError(f"split.train_before: no row is from {first} on{until}, {spans}; nothing could be tested on")
    held_out = dates >= end
    if last is not None and not held_out.any():
        raise DataError(f"split.evaluate_before: no row is from {last} on, {spans}; name an earlier day, or leave it out")
    return train, test, None if last is None else held_out


def straddling(keys: Keys, day: date) -> tuple[int, int]:
    """Return how many keys have rows both before a day and from it on, and how many rows these have before it."""
    dates, (_, code) = np.asarray(keys.date, dtype=np.float64), np.unique(np.asarray(keys.key, dtype=str), return_inverse=True)
    before, after = np.zeros(code.max() + 1, dtype=np.int64), np.zeros(code.max() + 1, dtype=bool)
    np.add.at(before, code, dates < _day(day))
    np.logical_or.at(after, code, dates >= _day(day))
    return int(((before > 0) & after).sum()), int(before[after].sum())


def _day(day: date) -> float:
    return float((day - _EPOCH).days)


def _text(days: float) -> str:
    return (_EPOCH + timedelta(days=int(days))).isoformat()


def _shuffled(sizes: Counter[str], salt: str) -> list[str]:
    return sorted(sizes, key=lambda key: hashlib.sha256(f"{salt}:{key}".encode()).digest())


def _take_share(order: list[str], sizes: Counter[str], share: float, *, keep: int) -> int:
    """Return how many keys from the front come closest to `share` of the rows (at least one; `keep` are left)."""
    wanted, rows, taken = share * sizes.total(), 0, 0
    for key in order[: len(order) - keep]:
        if taken and abs(rows + sizes[key] - wanted) >= abs(rows - wanted):
            break
        rows += sizes[key]
        taken += 1
    return taken


def _key_folds(keys: Keys, config: SplitConfig, seed: int, train: Mask) -> Iterator[Fold]:
    """Give each key, largest first, to the fold with the fewest rows so far; every repeat shuffles the keys again."""
    sizes = Counter(key for key, kept in zip(keys.key, train, strict=True) if kept)
    for repeat in range(config.repeats):
        order = _shuffled(sizes, f"{seed}/{repeat}" if repeat else str(seed))
        fold_of: dict[str, int] = {}
        rows_in = [0] * config.folds
        for key in sorted(order, key=lambda key: -sizes[key]):
            smallest = rows_in.index(min(rows_in))
            fold_of[key] = smallest
            rows_in[smallest] += sizes[key]
        fold = np.array([fold_of.get(key, -1) for key in keys.key], dtype=np.int64)
        for index in range(config.folds):
            yield Fold(train & np.not_equal(fold, index), train & np.equal(fold, index), repeat)


def _latest(keys: Keys, config: SplitConfig, share: float, keep: int) -> tuple[Mask, Mask]:
    """Hold out the latest dates; what is learned from ends `gap_days` before them. A key goes by the last of its dates."""
    last = _last_dates(keys, config)
    days, rows = np.unique(last, return_counts=True)
    if len(days) < keep + 2:
        raise DataError(
            f"{len(last):,} rows have {len(days):,} dates; a time split into a test part and {keep} folds needs {keep + 2};"
            " lower split.folds, or use another split.kind"
        )
    later = np.cumsum(rows[::-1])[::-1][1:]
    start = days[1:][int(np.argmin(np.abs(later - share * len(last))))]
    start = max(start, days[keep + 1])
    train, test = last < start - config.gap_days, last >= start
    if not train.any():
        raise DataError(f"split.gap_days {config.gap_days} leaves no rows to learn from before the test part")
    return train, test


def _time_folds(keys: Keys, config: SplitConfig, train: Mask) -> Iterator[Fold]:
    """Cut the training part into folds + 1 blocks of dates; each block but the first is predicted from those before it."""
    last = _last_dates(keys, config)
    days, rows = np.unique(last[train], return_counts=True)
    before = np.cumsum(rows) - rows
    wanted = before[-1:] + rows[-1:]
    starts = [int(np.searchsorted(before, wanted[0] * (block + 1) / (config.folds + 1))) for block in range(config.folds)]
    cuts = [*(days[min(start, len(days) - 1)] for start in starts), np.inf]
    for index, (start, end) in enumerate(pairwise(cuts)):
        fold = Fold(train & (last < start - config.gap_days), train & (last >= start) & (last < end))
        if not fold.train.any() or not fold.valid.any():
            raise DataError(
                f"the {len(days):,} dates of the training part cannot be cut into {config.folds} folds (fold {index + 1} has no"
                " rows to learn from or to score); lower split.folds or split.gap_days"
            )
        yield fold


def _last_dates(keys: Keys, config: SplitConfig) -> Array:
    dates = np.asarray(keys.date, dtype=np.float64)
    if np.isnan(dates).any():
        raise DataError(f"{int(np.isnan(dates).sum()):,} rows have no date, and split.kind {config.kind} needs one in every row")
    if config.kind == "time":
        return dates
    _, code = np.unique(np.asarray(keys.key, dtype=str), return_inverse=True)
    last = np.full(code.max() + 1, -np.inf)
    np.maximum.at(last, code, dates)
    return last[code]
