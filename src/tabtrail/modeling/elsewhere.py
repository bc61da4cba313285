"""Rows and folds on a worker of a cluster, which reads the dataset itself: once in its process, for all jobs of a benchmark."""

import hashlib
import threading
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from tabtrail.config.operation import Engine
from tabtrail.data.rows_place import RowsPlace
from tabtrail.errors import EngineError
from tabtrail.jobs.job import Shared
from tabtrail.modeling.fit import Rows, rows_of
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.problem import Problem
from tabtrail.modeling.split import Split
from tabtrail.modeling.table import Examples, Table, cut_folds, load_table, needed_columns, split_table


@dataclass(frozen=True)
class Elsewhere:
    """What a worker makes table and folds from: where the rows lie, the problem, and the seed of its folds."""

    place: RowsPlace
    problem: Problem
    fold_seed: int

    def open(self) -> "_Opened":
        """Return table and split, which this process keeps until it is asked for others. Raises `EngineError`."""
        with _LOCK:
            if not _KEPT or _KEPT[0].source != self:
                _KEPT.clear()  # before the next is read: two tables may be more than a worker has room for
                table = load_table(self.problem, self.place.read(needed_columns(self.problem)))
                split = split_table(self.problem, table)
                if split.fold_seed != self.fold_seed:
                    split = cut_folds(self.problem, table, split.train, split.test, self.fold_seed)
                _KEPT.append(_Opened(self, table, split, {}))
            return _KEPT[0]


@dataclass(frozen=True)
class _Opened:
    source: Elsewhere
    table: Table
    split: Split
    rows: dict[tuple[int, bool], Rows]


_LOCK = threading.Lock()  # the threads of a worker take jobs of one benchmark at the same time
_KEPT: list[_Opened] = []


def shared_examples(problem: Problem, table: Table, split: Split) -> Shared:
    """Return what fits need of the rows of a table, which workers read themselves where they can."""
    source = _source(problem, table, split)
    return Shared(table.examples(), None if source is None else partial(_examples, source))


def shared_rows(problem: Problem, table: Table, split: Split, fold: int, *, early: bool) -> Shared:
    """Return the rows of a fold, which workers find themselves where they read the table themselves."""
    rows, source = rows_of(problem, table, split, fold, early=early), _source(problem, table, split)
    return Shared(rows, None if source is None else partial(_rows, source, fold, _digest(rows, table.y), early=early))


def _source(problem: Problem, table: Table, split: Split) -> Elsewhere | None:
    if table.place is None or split.fold_seed is None:
        return None
    # What does not change the rows is left out, so that every candidate and trial finds the table that was read for the first.
    same = replace(problem, candidates={}, engine=Engine(), final_workers=None)
    return Elsewhere(table.place, same, split.fold_seed)


def _examples(source: Elsewhere) -> Examples:
    return source.open().table.examples()


def _rows(source: Elsewhere, fold: int, digest: str, *, early: bool) -> Rows:
    """Find the rows of a fold. Raises `EngineError` where they are other ones than on the machine that asked."""
    opened = source.open()
    if (fold, early) not in opened.rows:
        opened.rows[fold, early] = rows_of(source.problem, opened.table, opened.split, fold, early=early)
    rows = opened.rows[fold, early]
    if _digest(rows, opened.table.y) != digest:
        raise EngineError("a Dask worker cuts other folds from the dataset than this machine does; look at its versions")
    return rows


def _digest(rows: Rows, y: Array) -> str:
    """Return a hash of which rows a fit takes, and of their targets, which differ where the rows stand in another order."""
    found = hashlib.sha256(y.tobytes())
    for mask in (rows.train, rows.valid, rows.watched):
        found.update(b"none" if mask is None else np.packbits(mask).tobytes())
    return found.hexdigest()
