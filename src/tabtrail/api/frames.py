"""Frames and rows of pandas, Polars and numpy, told apart without importing any of these; pyarrow is asked for frames alone."""

import sys
from collections.abc import Mapping
from typing import Any

from tabtrail.api import later
from tabtrail.errors import UsageError, require_extra


def arrow_of(frame: Any) -> Any:
    """Return a frame of pandas, Polars, pyarrow or whatever hands out streams of Arrow as a table of Arrow.

    Raises `DataError` for a column that has no such form, `UsageError` for what is not a frame, `MissingExtraError` without
    pyarrow.
    """
    if library_of(frame) == "polars" and not hasattr(frame, "__arrow_c_stream__"):
        raise UsageError("a LazyFrame has no rows yet; collect() it")
    if not (hasattr(frame, "__arrow_c_stream__") and hasattr(frame, "columns")):
        raise UsageError(f"a {type(frame).__name__} is not a frame; give one of pandas, Polars or pyarrow")
    require_extra("arrow", "pyarrow")
    return later.arrow_frames.table_of(frame, is_of_pandas=library_of(frame) == "pandas")


def answer_like(frame: Any, table: Any) -> Any:
    """Return a table of Arrow as the kind of frame that was given: with the same index where that is of pandas."""
    library = library_of(frame)
    if library == "polars":
        return sys.modules["polars"].from_arrow(table)
    if library == "pandas":
        found = table.to_pandas()
        found.index = frame.index
        return found
    return table


def is_row(value: Any) -> bool:
    """Whether a value is one row: a mapping, or a series of pandas."""
    return isinstance(value, Mapping) or (library_of(value) == "pandas" and getattr(value, "ndim", 0) == 1)


def plain_row(row: Any) -> dict[str, Any]:
    """Return a row with plain values of Python: those of numpy as such, pandas' words for missing as None."""
    items = row.items() if isinstance(row, Mapping) else row.to_dict().items()
    return {name: _plain(value) for name, value in items}


def library_of(value: Any) -> str:
    """Name of the library that a value is of: pandas or polars for what is derived from theirs, else its own."""
    modules = [each.__module__.partition(".")[0] for each in type(value).__mro__]
    return next((name for name in ("pandas", "polars") if name in modules), modules[0])


def _plain(value: Any) -> Any:
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        # Of nanoseconds numpy would give their number: Python has none.
        return value.astype("datetime64[us]").item() if type(value).__name__ == "datetime64" else value.item()
    return None if type(value).__name__ in ("NAType", "NaTType") else value
