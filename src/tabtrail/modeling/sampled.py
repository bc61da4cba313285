"""Where a dataset is larger than this machine: the rows that candidates are chosen on, and those that the chosen one learns from.

A row belongs to a part by a hash of its key alone, which every machine computes for itself.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tabtrail.data.manifest import Manifest
from tabtrail.modeling.problem import Problem
from tabtrail.modeling.split import Split
from tabtrail.modeling.table import Table, needed_columns

_HASHES = 2**64


@dataclass(frozen=True)
class Sample:
    """A share (0 to 1) of the keys of a dataset: whole groups where a split keeps them together, else whole rows.

    `columns` make the key. Polars' hash is the same for all machines of one version of it, and may be another with the next.
    """

    columns: tuple[str, ...]
    seed: int
    share: float

    @classmethod
    def of(cls, problem: Problem, manifest: Manifest) -> Self | None:
        """Return the sample whose training part has about `split.max_rows` rows; None where the final fit needs none."""
        split = problem.split
        if problem.engine.final is None or split.max_rows is None:
            return None
        grouped = split.kind in ("group", "group_time") and split.group_key is not None
        rows = manifest.rows_kept - manifest.nulls_after_filling.get(problem.model.target, 0)
        columns = [str(split.group_key)] if grouped else needed_columns(problem)
        # Of a split by days nobody knows the share of the training part before the rows are read: at most all of them.
        trained = 1.0 if split.train_before is not None else 1 - split.test_size
        return cls(tuple(columns), problem.seed, min(1.0, split.max_rows / trained / max(rows, 1)))

    @property
    def key(self) -> pl.Expr:
        """The hash of each row's key."""
        return pl.struct(self.columns).hash(self.seed)

    @property
    def has(self) -> pl.Expr:
        """Whether a row is in the sample."""
        return pl.lit(True) if self.share >= 1 else self.key < int(self.share * _HASHES)


def sampled(dataset: pl.LazyFrame, sample: Sample | None) -> pl.LazyFrame:
    """Return the rows of a sample, or all of them."""
    return dataset if sample is None or sample.share >= 1 else dataset.filter(sample.has)


@dataclass(frozen=True)
class FinalRows:
    """The rows of the whole dataset that the final fit learns from: those with a target, without the keys that are `held` out as
    the test part of the sample, up to the day `until` where the latest are held out (with `split.refit: all` nothing is); without
    the `sample` where the targets of its rows are in the encoding of their categories.
    """

    sample: Sample
    target: str
    date_column: str | None
    held: NDArray[np.uint64]
    until: int | None
    beside_sample: bool

    @classmethod
    def of(cls, problem: Problem, sample: Sample, data: pl.DataFrame, table: Table, split: Split) -> Self:
        """Return the rows to learn from, given the sample as it was read and cut."""
        everything, until = problem.split.refit == "all", None
        apart = split.test if split.held_out is None else split.test | split.held_out
        tested = data[table.row[apart]] if not everything else data.clear()
        held = tested.select(sample.key.unique()).to_series().to_numpy()
        if problem.split.by_time and not everything:
            dates = table.keys.take(split.train).date
            until = None if dates is None else int(dates.max())
        return cls(sample, problem.model.target, problem.date_column, held, until, bool(problem.model.target_encoded))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that place a row."""
        return (*self.sample.columns, self.target, *(() if self.until is None else (str(self.date_column),)))

    def keep(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return those of the rows that are learned from."""
        kept = pl.col(self.target).is_not_null() & ~self.sample.key.is_in(pl.Series(self.held).implode())
        if self.until is not None:
            kept &= pl.col(str(self.date_column)).cast(pl.Date).to_physical() <= self.until
        if self.beside_sample:
            kept &= ~self.sample.has
        return rows.filter(kept)
