"""Typed cells of Excel, Parquet and JSON lines on their way to the contract, in bulk; `contract.typed_cells` says what they mean.

A cell of the type that its column wants is taken as it is; for any other the contract reads its text. Where a column holds both,
its texts stand under its name, and beside it, under `CELL` and the name, what the typed cells hold.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

import polars as pl

from tabtrail.config.dataset import TableRules
from tabtrail.contract.schema import ColumnRule
from tabtrail.contract.typed_cells import MOST_EXACT, cell_text
from tabtrail.data.dates import MOMENT
from tabtrail.errors import DataError

CELL, IS_CELL = "_cell_", "_is_cell_"
_DTYPES: dict[str, pl.DataType] = {"int": pl.Int64(), "float": pl.Float64(), "date": MOMENT, "datetime": MOMENT}
_MOST_INT = 2**63
_NAN = "nan"


def from_values(names: Sequence[str], columns: Sequence[list[Any]], rules: TableRules) -> pl.DataFrame:
    """Return the columns of Python values that a workbook or JSON lines hold."""
    found = list[pl.Series]()
    for name, values in zip(names, columns, strict=True):
        uniform = _uniform(name, values)
        found += [*_mixed(name, values, rules.columns.rule(name))] if uniform is None else _settled(uniform, rules)
    return pl.DataFrame(found)


def from_frame(frame: pl.DataFrame, rules: TableRules, odd: Mapping[str, pl.Series] | None = None) -> pl.DataFrame:
    """Return the columns of a Parquet file or a database, where `odd` has the texts of columns with values that have none in the
    column's type.

    Raises `DataError` for a column of dates that holds points in time of a zone where the zone of its days is not known.
    """
    for name, dtype in frame.schema.items():
        zoned = isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
        if zoned and rules.columns.rule(name).is_date and rules.cleaning.time_zone is None:
            raise DataError(f"the column '{name}' holds points in time of a time zone; set cleaning.time_zone, as Europe/Berlin")
    odd = odd or {}
    return pl.DataFrame([each for column in frame.get_columns() for each in _settled(column, rules, odd.get(column.name))])


def rounded_texts(names: Sequence[str], columns: Sequence[Sequence[Any] | pl.Series], rules: TableRules) -> Counter[str]:
    """Return how many cells of text columns are doubles that may stand for several whole numbers, as of ids."""
    texts = (each for each in zip(names, columns, strict=True) if rules.columns.rule(each[0]).dtype == "string")
    return Counter({name: count for name, cells in texts if (count := _rounded(cells))})


def _rounded(cells: Sequence[Any] | pl.Series) -> int:
    if isinstance(cells, pl.Series):
        return int(((cells.abs() >= MOST_EXACT) & cells.is_finite()).sum()) if cells.dtype.is_float() else 0
    return sum(type(cell) is float and MOST_EXACT <= abs(cell) < float("inf") for cell in cells)


def converted(name: str, dtype: pl.DataType, rule: ColumnRule, time_zone: str | None) -> pl.Expr:
    """Return the expression that turns typed cells into the declared type, dates into points in time; null for a number that is
    none of it.
    """
    column = pl.col(name)
    if rule.is_date:
        if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None and time_zone is not None:
            column = column.dt.convert_time_zone(time_zone).dt.replace_time_zone(None)
        return column.cast(_DTYPES[rule.dtype])
    if rule.dtype == "int" and not dtype.is_integer():
        whole = column == column.round(0)
        # A double from 2^53 on may stand for another number than the one that was written.
        column = pl.when(whole if dtype.is_decimal() else whole & (column.abs() < MOST_EXACT)).then(column)
    elif rule.dtype == "float" and dtype.is_integer():
        # An integer that no double equals would reach the model as another one.
        column = pl.when(column.cast(pl.Float64).cast(pl.Int128, strict=False) == column.cast(pl.Int128)).then(column)
    return column.cast(_DTYPES[rule.dtype], strict=False)


def with_cells(name: str, read: pl.Expr, columns: Sequence[str], raw: str) -> pl.Expr:
    """Return what was read from the texts of a column, and in their place what its typed cells hold."""
    if CELL + name not in columns:
        return read
    typed = pl.when(pl.col(raw).is_not_null()).then(pl.col(CELL + name))
    return pl.when(pl.col(IS_CELL + name)).then(typed).otherwise(read).alias(name)


def as_text(column: pl.Series) -> pl.Series:
    """Return the texts of typed cells."""
    dtype = column.dtype
    if dtype == pl.String or dtype == pl.Boolean or dtype.is_integer() or isinstance(dtype, pl.Categorical | pl.Enum | pl.Null):
        return column.cast(pl.String)
    if dtype == pl.Date:
        return column.dt.to_string("%Y-%m-%d")
    if dtype.is_float():
        digits = pl.when((column == column.round(0)) & (column.abs() < MOST_EXACT)).then(column).cast(pl.Int64).cast(pl.String)
        whole = pl.select(digits.alias(column.name)).to_series()
        rest = column.filter(whole.is_null() & column.is_not_null())
        return whole if not len(rest) else whole.zip_with(whole.is_not_null() | column.is_null(), _each_text(column))
    return _each_text(column)


def _each_text(column: pl.Series) -> pl.Series:
    distinct = column.drop_nulls().unique()
    texts = pl.Series([cell_text(value) for value in distinct], dtype=pl.String)
    return column.replace_strict(distinct, texts, default=None, return_dtype=pl.String)


def _settled(column: pl.Series, rules: TableRules, written: pl.Series | None = None) -> list[pl.Series]:
    """Return a column of one type as it is where its rule wants that type, else as texts: those `written` where it is null."""
    name, dtype, rule = column.name, column.dtype, rules.columns.rule(column.name)
    if dtype == pl.String:
        return [column]
    number = dtype.is_numeric() and rule.dtype in ("int", "float")
    # A day is no point in time: whether it stands for its midnight, the formats say.
    date = rule.is_date and (dtype == pl.Datetime or (dtype == pl.Date and rule.dtype == "date"))
    if (number or date) and not rules.reading(name).nulls and written is None:
        return [column]
    texts = as_text(column) if written is None else as_text(column).zip_with(column.is_not_null(), written)
    if not (number or date):
        return [texts]
    # A text that means a missing value may be the text of a typed cell: -999, say.
    typed = column.to_frame().select(converted(name, dtype, rule, rules.cleaning.time_zone).alias(CELL + name))
    if dtype.is_float():  # a number that is none is not a missing one
        texts = texts.zip_with(column.is_not_nan().fill_null(True), pl.Series([_NAN]))
    return [texts, typed.to_series(), texts.is_not_null().alias(IS_CELL + name)]


def _uniform(name: str, values: list[Any]) -> pl.Series | None:
    """Return values of one kind as a column; None for several kinds."""
    kinds = set(map(type, values)) - {type(None)}
    if not kinds:
        return pl.Series(name, values, dtype=pl.String)
    if kinds in ({str}, {bool}):
        return pl.Series(name, values)
    if kinds == {datetime} and all(value is None or value.tzinfo is None for value in values):
        return pl.Series(name, values, dtype=pl.Datetime("us"))
    if kinds == {float}:
        return pl.Series(name, values, dtype=pl.Float64)
    if kinds == {int} and all(value is None or -_MOST_INT <= value < _MOST_INT for value in values):
        return pl.Series(name, values, dtype=pl.Int64)
    return None


def _mixed(name: str, values: list[Any], rule: ColumnRule) -> list[pl.Series]:
    texts = pl.Series(name, [cell_text(value) for value in values], dtype=pl.String)
    if rule.dtype == "string":
        return [texts]
    cells = [_cell(value, rule.dtype) for value in values]
    is_cell = [value is not None and not isinstance(value, str) for value in values]
    return [texts, pl.Series(CELL + name, cells, dtype=_DTYPES[rule.dtype]), pl.Series(IS_CELL + name, is_cell)]


def _cell(value: Any, dtype: str) -> Any:
    """Return what a typed cell holds for a column of numbers or dates; None where it holds neither."""
    if dtype in ("date", "datetime"):
        midnight = datetime.combine(value, time()) if isinstance(value, date) and dtype == "date" else None
        return value if isinstance(value, datetime) else midnight
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if dtype == "float":
        return _double(value)
    if isinstance(value, int):
        return value if -_MOST_INT <= value < _MOST_INT else None
    return int(value) if value.is_integer() and abs(value) < MOST_EXACT else None


def _double(value: float) -> float | None:
    """Return a number as a double; None for a whole one that no double equals."""
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isinstance(value, float) or number == value else None
