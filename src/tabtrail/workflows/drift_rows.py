"""Rows of a file or a table to check, read and predicted as scoring does it, block by block."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tabtrail.bundle.arrow_columns import ColumnReader, UnreadCells
from tabtrail.bundle.cell_columns import CellReader
from tabtrail.bundle.columnar import Array, CodedTexts, Columns, ColumnScorer, respell_columns
from tabtrail.bundle.file_dates import FileDates
from tabtrail.bundle.logged import LoggedRows, input_values
from tabtrail.bundle.metadata import date_column_of
from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.wide_blocks import Block
from tabtrail.contract.schema import Feature

MALFORMED = "malformed lines"


@dataclass(frozen=True)
class Rows:
    """Rows of a window: inputs by column as `input_values` has them, days since 1970-01-01 (None without dates), and for each row
    the prediction, the bounds of its interval and the actual value, NaN where there is none.
    """

    values: Mapping[str, Array]
    days: Array | None
    predicted: Array
    low: Array
    high: Array
    actual: Array

    @classmethod
    def logged(cls, found: LoggedRows, labels: tuple[Array, Array] | None) -> "Rows":
        """Return rows of the log with the labels (places and actual values) that they have by now."""
        actual = np.full(len(found.predicted), np.nan)
        if labels is not None:
            actual[labels[0]] = labels[1]
        return cls(found.values, found.days, found.predicted, found.low, found.high, actual)

    def taken(self, mask: Array) -> "Rows":
        """Return some of the rows."""
        own = {name: getattr(self, name)[mask] for name in ("predicted", "low", "high", "actual")}
        days = None if self.days is None else self.days[mask]
        return Rows({name: values[mask] for name, values in self.values.items()}, days, **own)


@dataclass
class RowReader:
    """Reads blocks of a model's rows, of a file or table called `name`. A value that cannot be read, or that the contract
    refuses, still counts: as outside the contract. Such a row has no prediction. `left_out` counts what is no row at all.
    """

    predictor: Predictor
    target: Feature
    name: str
    left_out: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._own = self.predictor.schema.features
        dated = date_column_of(self.predictor.metadata)
        self._dated = dated if dated is None else replace(dated, optional=True)
        self._more = [self.target, *([self._dated] if self._dated and self._dated.name not in self._names else [])]
        self._scorer, self._respelled = ColumnScorer(self.predictor), Counter[str]()
        self._file_dates = FileDates(self.name, self.predictor.metadata.get("last_dates", {}))

    @property
    def features(self) -> tuple[Feature, ...]:
        """The columns to read: those of the model, and where they are there the target and the date."""
        return (*self._own, *self._more)

    @property
    def _names(self) -> set[str]:
        return {each.name for each in self._own}

    def read(self, blocks: Iterable[Block]) -> Iterator[Rows]:
        """Yield the rows of blocks."""
        for block in blocks:
            self.left_out[MALFORMED] += len(block.broken)
            columns, unread = _read(block, self._own)
            more, wrong = _read(block, self._more)
            self._respelled.update(respell_columns(columns, self.predictor.schema.aliases))
            self._file_dates.see(block, [each for each in self._own if each.kind == "date"], columns, unread)
            self._file_dates.see(block, [each for each in self._more if each.kind == "date"], more, wrong)
            yield self._rows(columns, unread, more)

    def notes(self) -> tuple[str, ...]:
        """Say how dates were read, and how many texts were read as the ones that they are another spelling of."""
        spelled = (f"{name}: {count:,} texts are another spelling" for name, count in self._respelled.items())
        return (*self._file_dates.notes, *spelled)

    def _rows(self, columns: dict[str, Any], unread: UnreadCells, more: Columns) -> Rows:
        refused = self._scorer.refused(columns, unread)
        columns = dict(self._scorer.filled(columns))
        size = len(self._scorer_rows(columns))
        predicted, low, high = np.full(size, np.nan), np.full(size, np.nan), np.full(size, np.nan)
        good = np.ones(size, dtype=bool)
        good[list(refused)] = False
        if good.any():
            scores = self._scorer.score(_taken(columns, np.flatnonzero(good)), intervals=True)
            predicted[good] = np.where(np.isfinite(scores.values), scores.values, np.nan)
            if scores.low is not None and scores.high is not None:
                low[good], high[good] = scores.low, scores.high
        values = {each.name: input_values(each, columns[each.name]) for each in self._own}
        for each in self._own:
            values[each.name] = _marked(values[each.name], [row for row, wrong in unread.items() if each.name in wrong])
        everything = {**columns, **more}
        days = None if self._dated is None else input_values(self._dated, everything[self._dated.name])
        return Rows(values, days, predicted, low, high, _numbers(everything[self.target.name]))

    @staticmethod
    def _scorer_rows(columns: Columns) -> Array:
        first = next(iter(columns.values()))
        return first.codes if isinstance(first, CodedTexts) else first


def _read(block: Block, features: "Iterable[Feature]") -> tuple[dict[str, Any], UnreadCells]:
    own = list(features)
    return ColumnReader(own)(block.batch) if block.cells is None else CellReader(own)(block.cells)


def _taken(columns: Columns, rows: Array) -> Columns:
    return {name: each.take(rows) if isinstance(each, CodedTexts) else each[rows] for name, each in columns.items()}


def _marked(values: Array, rows: list[int]) -> Array:
    """Note values that cannot be read: infinite numbers count as missing and outside the contract, texts are only missing."""
    if not rows or values.dtype == object:
        return values
    marked: Array = values.copy()
    marked[rows] = np.inf
    return marked


def _numbers(column: Any) -> Array:
    """Return the target; an optional column that is not there is one of missing texts."""
    return np.full(len(column.codes), np.nan) if isinstance(column, CodedTexts) else column
