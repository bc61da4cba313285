"""Frames as tables of Arrow, the form in which they are scored and stored."""

from typing import Any

import pyarrow as pa

from tabtrail.contract.typed_cells import cell_text
from tabtrail.errors import DataError


def table_of(frame: Any, *, is_of_pandas: bool) -> Any:
    """Return a frame as a table of Arrow, without the index of pandas; a column of mixed objects becomes one of their texts.

    Raises `DataError` for a column that has no such form, and for two of one name.
    """
    names = [str(name) for name in (frame.columns if is_of_pandas else pa.table(frame).column_names)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"the frame has two columns '{twice}'")
    try:
        if not is_of_pandas:
            return pa.table(frame)
        return pa.table({name: _of_pandas(name, frame.iloc[:, place]) for place, name in enumerate(names)})
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
    return found
