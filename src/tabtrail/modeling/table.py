"""The rows of a benchmark: read once, kept small, handed to models as they take them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray

from tabtrail.contract.expressions import columns_of, parse_expression
from tabtrail.data.dates import to_doubles
from tabtrail.data.polars_expressions import to_polars
from tabtrail.data.rows_place import RowsPlace
from tabtrail.errors import ConfigError, DataError
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.problem import Problem
from tabtrail.modeling.sampling import sample_rows
from tabtrail.modeling.split import Keys, Mask, Split, hold_out, parts_by_day, split_training_part
from tabtrail.modeling.target import require_regression_target


@dataclass(frozen=True)
class CodedTexts:
    """A column of text [rows] as codes into its different texts, sorted."""

    codes: NDArray[np.unsignedinteger[Any]]
    values: NDArray[np.object_]

    @classmethod
    def of(cls, column: pl.Series) -> "CodedTexts":
        """Return the codes of a column without nulls, in the smallest integers that hold them."""
        values = column.unique().sort()
        codes = column.rank("dense").to_numpy() - 1
        return cls(codes.astype(np.min_scalar_type(max(len(values) - 1, 0))), values.to_numpy().astype(object))

    def take(self, rows: Mask) -> "CodedTexts":
        return CodedTexts(self.codes[rows], self.values)

    def plain(self) -> NDArray[np.object_]:
        """Return the texts [rows]."""
        return np.asarray(self.values[self.codes])


@dataclass(frozen=True)
class Examples:
    """Rows to learn from or to score: the raw columns that the model takes, the target `y`, the rows of each named condition.

    `numbers` are float32 where that loses not a bit of any value, else float64; models get doubles either way.
    """

    numbers: dict[str, NDArray[np.floating[Any]]]
    texts: dict[str, CodedTexts]
    y: Array
    strata: dict[str, Mask]

    @property
    def x(self) -> pd.DataFrame:
        """The raw columns as a model takes them: numbers as float64 (missing is NaN), texts (missing is "")."""
        columns: dict[str, Any] = {name: _doubles(values) for name, values in self.numbers.items()}
        return pd.DataFrame(columns | {name: texts.plain() for name, texts in self.texts.items()})

    @property
    def nbytes(self) -> int:
        """The bytes of all columns; different texts are not counted."""
        parts = (*self.numbers.values(), *(texts.codes for texts in self.texts.values()), self.y, *self.strata.values())
        return sum(part.nbytes for part in parts)

    def take(self, rows: Mask) -> "Examples":
        """Return the chosen rows."""
        return Examples(**self._taken(rows))

    @property
    def all(self) -> "Examples":
        """What `take` returns of all rows, without a copy of their columns."""
        return Examples(self.numbers, self.texts, _own(self.y), self.strata)

    def _taken(self, rows: Mask) -> dict[str, Any]:
        return {
            "numbers": {name: values[rows] for name, values in self.numbers.items()},
            "texts": {name: texts.take(rows) for name, texts in self.texts.items()},
            "y": _own(self.y[rows]),
            "strata": {name: mask[rows] for name, mask in self.strata.items()},
        }


@dataclass(frozen=True)
class Table(Examples):
    """The rows of a benchmark in canonical order (sorted by their values, so that the file's order is of no account).

    `keys` has what places a row in a split, `groups` the text of the group key (None where the config names none), `row` the
    position of each row in the dataset as it was read. `place` is where workers on other machines find the same rows, None where
    they do not.
    """

    keys: Keys
    groups: NDArray[np.object_] | None
    row: NDArray[np.int64]
    place: RowsPlace | None = None

    def take(self, rows: Mask) -> "Table":
        """Return the chosen rows."""
        groups = None if self.groups is None else self.groups[rows]
        return Table(**self._taken(rows), keys=self.keys.take(rows), groups=groups, row=self.row[rows])

    @property
    def distinct(self) -> dict[str, int]:
        """The number of different texts of each column of text."""
        return {name: len(texts.values) for name, texts in self.texts.items()}

    def examples(self) -> Examples:
        """Return what a fit needs of the rows."""
        return Examples(self.numbers, self.texts, self.y, self.strata)


def needed_columns(problem: Problem) -> list[str]:
    """Return the columns that a benchmark reads: inputs, target, group key, date, and what the strata look at."""
    strata = sorted(frozenset[str]().union(*(columns_of(parse_expression(text)) for text in problem.model.strata.values())))
    placing = [name for name in (problem.split.group_key, problem.date_column) if name is not None]
    return list(dict.fromkeys([*problem.model.inputs, problem.model.target, *placing, *strata]))


def load_table(problem: Problem, data: pl.DataFrame, place: RowsPlace | None = None) -> Table:
    """Return the benchmark's rows from those of the dataset that have a target: others are of a plan. Raises `DataError` where
    none has, and for a target that is none for regression.

    `place` is where workers find the dataset.
    """
    model, split = problem.model, problem.split
    strata = {
        name: to_polars(parse_expression(text)).fill_null(False).alias(f"_stratum_{name}") for name, text in model.strata.items()
    }
    names = needed_columns(problem)
    known = data.select(names).with_row_index("_row").filter(pl.col(model.target).is_not_null())
    if not known.height:
        raise DataError(f"no row has a value of the target, {model.target}; there is nothing to learn")
    rows = known.with_columns(*strata.values()).sort(names, nulls_last=True)
    require_regression_target(model, rows.get_column(model.target))
    grouped = split.kind in ("group", "group_time") and split.group_key is not None
    date = problem.date_column
    days = None if date is None else to_doubles(rows.get_column(date).cast(pl.Date))
    if grouped:
        keys = _interned(str(value) for value in rows.get_column(str(split.group_key)))
    else:
        keys = [repr(row) for row in rows.select(names).iter_rows()]  # equal rows are one key: they fall together
    groups = None if split.group_key is None else rows.get_column(split.group_key).cast(pl.String)
    return Table(
        numbers={name: _number(rows.get_column(name)) for name in problem.model.number_inputs},
        texts={name: CodedTexts.of(rows.get_column(name).cast(pl.String).fill_null("")) for name in model.text_features},
        y=rows.get_column(model.target).cast(pl.Float64).to_numpy().copy(),
        keys=Keys(keys, days),
        groups=None if groups is None else np.array(_interned(groups), dtype=object),
        strata={name: rows.get_column(f"_stratum_{name}").to_numpy().astype(bool) for name in strata},
        row=rows.get_column("_row").to_numpy().astype(np.int64),
        place=place,
    )


def _own(y: Array) -> Array:
    """Return a copy of targets. In a worker, their dtype is an object of its own that pickles would keep."""
    return y.astype(np.float64)


def _doubles(values: NDArray[np.floating[Any]]) -> Array:
    """Return numbers as float64, with the usual dtype (see `_own`); what is float64 is not copied: a frame does that."""
    return values.view(np.float64) if values.dtype == np.float64 else values.astype(np.float64)


def _number(column: pl.Series) -> NDArray[np.floating[Any]]:
    """Return a column as float32 where that loses not a bit, else as float64; dates are days since 1970."""
    double = to_doubles(column)
    with np.errstate(over="ignore"):
        single = double.astype(np.float32)
    same = np.array_equal(single.astype(np.float64), double, equal_nan=True)
    return single if same else double.copy()


def _interned(values: Iterable[Any]) -> list[Any]:
    """Return the values, equal ones as one object."""
    seen: dict[Any, Any] = {}
    return [seen.setdefault(value, value) for value in values]


def hold_out_rows(problem: Problem, table: Table) -> tuple[Mask, Mask]:
    """Return the rows of the training part and of the test part. Raises `DataError` for too few keys or dates."""
    split = problem.split
    if split.train_before is not None:
        return parts_by_day(table.keys, split)[:2]
    return hold_out(table.keys, split, problem.seed, share=split.test_size, keep=split.folds)


def split_table(problem: Problem, table: Table) -> Split:
    """Return the split of the rows into training part, test part, and the folds of the former, as the problem says.

    Raises `DataError` when there are too few keys or dates for a test part and every fold.
    """
    train, test = hold_out_rows(problem, table)
    cut = cut_folds(problem, table, train, test, problem.seed)
    return cut if problem.split.evaluate_before is None else replace(cut, held_out=parts_by_day(table.keys, problem.split)[2])


def cut_folds(problem: Problem, table: Table, train: Mask, test: Mask, seed: int) -> Split:
    """Return the split with a given test part, its folds made of all training rows, or of a sample of `split.max_rows`.

    Raises `DataError` when there are too few keys or dates for every fold.
    """
    split = problem.split
    if split.max_rows is None or split.max_rows >= train.sum():
        return split_training_part(table.keys, split, seed, train, test)
    among = sample_rows(table.keys.key, table.y, train, split.max_rows, problem.seed)
    have = len({key for key, chosen in zip(table.keys.key, among, strict=True) if chosen})
    if have <= split.folds:
        raise DataError(
            f"split.max_rows {split.max_rows:,} leaves {have:,} whole groups of rows, too few for {split.folds} folds; raise it"
        )
    return split_training_part(table.keys, split, seed, train, test, among=among)


def require_sound_split(problem: Problem, data: pl.DataFrame) -> None:
    """Raise `ConfigError` for a random split of rows that belong together or span dates, unless `split.allow_leaky`."""
    split, date = problem.split, problem.date_column
    if split.kind != "random" or split.allow_leaky:
        return
    remedy = "or set split.allow_leaky: true, and the report will say so"
    if split.group_key is not None and data.get_column(split.group_key).n_unique() < data.height:
        raise ConfigError(
            f"split.kind: random would put rows of one {split.group_key} on both sides; use split.kind: group, {remedy}"
        )
    if date is not None and data.get_column(date).n_unique() > 1:
        raise ConfigError(
            f"split.kind: random would learn from later dates than it is tested on ({date} spans"
            f" {data.get_column(date).n_unique():,} dates); use split.kind: time, {remedy}"
        )
