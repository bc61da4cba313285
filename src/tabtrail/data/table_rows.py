"""Rows of a database on their way to the contract: CSV text of a block to columns of the types that the database has."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import polars as pl

from tabtrail.errors import DataError
from tabtrail.reading.postgres import Cells, PostgresTable

_FIRST = "_zero_"
_DIGITS = 38  # of a decimal in Polars, at most


@dataclass(frozen=True)
class TableRows:
    """Rows by column. `odd` has the texts of the columns in which some value is none of its type here, as the date `infinity`."""

    frame: pl.DataFrame
    odd: dict[str, pl.Series] = field(default_factory=dict)


def parse_rows(table: PostgresTable, block: bytes, columns: Sequence[str], *, rows: int, doubles: Collection[str]) -> TableRows:
    """Return so many rows of a block of a table under other names of its columns; decimals of `doubles` become doubles.

    Raises `DataError` for text that is not UTF-8, as a database without an encoding (SQL_ASCII) may hold.
    """
    try:
        texts = pl.read_csv(block, has_header=False, schema=dict.fromkeys((_FIRST, *columns), pl.String()))
    except pl.exceptions.PolarsError:
        raise DataError(f"{table.name}: some text in it is not UTF-8; convert it in source.query (convert_from)") from None
    if texts.height != rows:
        raise AssertionError(f"{rows} rows were sent, and {texts.height} read")
    typed, odd = list[pl.Series](), dict[str, pl.Series]()
    for column, kind in zip(texts.get_columns()[1:], table.cells, strict=True):
        typed.append(_double(column) if kind == "decimal" and column.name in doubles else _typed(column, kind))
        if kind != "text" and typed[-1].null_count() > column.null_count():
            odd[column.name] = column
    return TableRows(pl.DataFrame(typed), odd)


def _typed(texts: pl.Series, cells: Cells) -> pl.Series:
    """Return what the texts of the server stand for; null for what has no value in the type."""
    match cells:
        case "int":
            return texts.cast(pl.Int64)
        case "float":
            return texts.cast(pl.Float64)
        case "decimal":
            return _decimal(texts)
        case "bool":
            return texts == "t"
        case "date":
            return texts.str.to_date("%Y-%m-%d", strict=False)
        case "datetime":
            return texts.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
        case "zoned":
            zoned = texts.str.strip_suffix("+00")
            return zoned.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False).dt.replace_time_zone("UTC")
    return texts


def _double(decimals: pl.Series) -> pl.Series:
    """Return decimals as doubles; null for a whole number that no double equals."""
    numbers = decimals.cast(pl.Float64)
    whole = decimals.str.replace(r"\.0*$", "").cast(pl.Int128, strict=False)
    exact = whole.is_null() | (numbers.cast(pl.Int128, strict=False) == whole).fill_null(False)
    return numbers.zip_with(exact, pl.Series([None], dtype=pl.Float64))


def _decimal(texts: pl.Series) -> pl.Series:
    """Return decimals with as many places as the one with most has."""
    places = texts.str.extract(r"\.(\d+)$").str.len_chars().max()
    scale = min(places if isinstance(places, int) else 0, _DIGITS)
    return texts.cast(pl.Decimal(_DIGITS, scale), strict=False)
