"""Frames as tables of Arrow, the form in which they are scored and stored."""

from typing import Any

import pyarrow as pa

from tabtrail.contract.typed_cells import cell_text
from tabtrail.errors import DataError


def table_of(frame: Any, *, is_of_pandas: bool) -> Any:
    """Return a frame as a table of Arrow, without the index of pandas; a column of mixed objects becomes one of their texts.

    Raises `DataError` for a column that has no such form, and for two of one name.
    """
    try:
        table = None if is_of_pandas else pa.table(frame)  # once: a relation of DuckDB is a query
        names = [str(name) for name in (frame.columns if table is None else table.column_names)]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise DataError(f"the frame has two columns '{twice}'")
        if table is None:
            return pa.table({name: _of_pandas(name, frame.iloc[:, place]) for place, name in enumerate(names)})
        return pa.table({name: _readable(table.column(name)) for name in names})
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise DataError(f"the frame cannot be read: {str(error).splitlines()[0][:300]}") from None


def _of_pandas(name: str, column: Any) -> Any:
    try:
        found = pa.Array.from_pandas(column)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        if str(column.dtype) != "object":
            raise
        gone = column.isna()
        found = pa.array([None if missing else cell_text(value) for value, missing in zip(column, gone, strict=True)])
    if isinstance(found.type, pa.BaseExtensionType):
        raise DataError(f"the column '{name}' is {column.dtype}, which is not read; make texts or dates of it")
    return _readable(found if isinstance(found, pa.ChunkedArray) else pa.chunked_array([found]))


def _readable(column: Any) -> Any:
    """Return a column with its texts in a form that Parquet and the reading of columns take: no views, codes of 64 bits."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        inner = kind.value_type
        plain = inner if not pa.types.is_string_view(inner) else pa.large_string()
        return pa.chunked_array([_plain_dictionary(each, plain) for each in column.chunks], pa.dictionary(pa.int64(), plain))
    if pa.types.is_string_view(kind) or pa.types.is_null(kind):
        return column.cast(pa.large_string())
    return column


def _plain_dictionary(chunk: Any, kind: Any) -> Any:
    # Not by a cast: one of unsigned codes to int64 is not in Arrow, and codes of 64 bits are what the reader takes at once.
    return pa.DictionaryArray.from_arrays(chunk.indices.cast(pa.int64()), chunk.dictionary.cast(kind))
