"""Rows of a frame as a table of a database takes them: the SQL types of its columns, and CSV text."""

from collections.abc import Collection, Iterator
from io import BytesIO
from pathlib import Path
from typing import Literal

import polars as pl

from tabtrail.errors import DataError
from tabtrail.storage.tables import NewRows, TableColumn

_BLOCK_ROWS = 10_000  # what stays in the cache is written faster
_TYPES: dict[type[pl.DataType], str] = {
    pl.Int8: "smallint", pl.Int16: "smallint", pl.Int32: "integer", pl.Int64: "bigint",
    pl.UInt8: "smallint", pl.UInt16: "integer", pl.UInt32: "bigint", pl.UInt64: "numeric",
    pl.Float32: "real", pl.Float64: "double precision", pl.Decimal: "numeric",
    pl.String: "text", pl.Categorical: "text", pl.Enum: "text", pl.Null: "text",
    pl.Boolean: "boolean", pl.Date: "date", pl.Time: "time", pl.Datetime: "timestamp without time zone",
}  # fmt: skip


def rows_for(table: str, frame: pl.LazyFrame, *, required: Collection[str] = (), key: tuple[str, ...] = ()) -> NewRows:
    """Return the rows of a frame for a table whose columns have their names and types; `required` ones are never null.

    Raises `DataError` for a column of lists or structs.
    """
    schema = frame.collect_schema()
    columns = tuple(
        TableColumn(name, _type(table, name, dtype), name in required or name in key) for name, dtype in schema.items()
    )
    count = int(frame.select(pl.len()).collect(engine="streaming").item())
    return NewRows(table, columns, count, _blocks(frame), key)


def file_rows(table: str, path: Path) -> NewRows:
    """Return the rows of a Parquet file for a table. Raises `DataError` for what is none."""
    try:
        return rows_for(table, pl.scan_parquet(path, hive_partitioning=False))
    except (pl.exceptions.PolarsError, OSError):
        raise DataError(f"{path} cannot be read as Parquet; write predictions with --output {path.stem}.parquet") from None


def _type(table: str, name: str, dtype: pl.DataType) -> str:
    if (found := _TYPES.get(dtype.base_type())) is None:
        raise DataError(f"{table}: the column '{name}' is {dtype}, for which a table of ours has no type; leave it out")
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return "timestamp with time zone"
    return found


def _blocks(frame: pl.LazyFrame) -> Iterator[bytes]:
    """Yield CSV text: null is an empty field and the empty text a quoted one, as COPY has it."""
    # In a single column the text `\.`, unquoted, would end the COPY.
    style: Literal["necessary", "non_numeric"] = "necessary" if len(frame.collect_schema()) > 1 else "non_numeric"
    for rows in frame.collect_batches(chunk_size=_BLOCK_ROWS, engine="streaming"):
        text = BytesIO()  # half of the work is saved by not making a `str` of it
        rows.write_csv(text, include_header=False, quote_style=style)
        yield text.getvalue()
