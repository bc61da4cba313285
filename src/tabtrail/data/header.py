"""What the header of a source must be, before a row is read."""

from collections import Counter
from collections.abc import Sequence

from tabtrail.config.columns import Columns
from tabtrail.errors import DataError, nearest

RESERVED = ("_file", "_line", "_rules", "_text", "_raw_", "_warn_", "_bad_", "_cell_", "_is_cell_", "_stratum_")


def check_header(name: str, header: Sequence[str], columns: Columns, delimiter: str) -> None:
    """Raise `DataError` for a missing, repeated, unnamed or reserved column."""
    _require_once(name, header)
    _require_declared(name, header, columns, delimiter)
    if taken := [column for column in columns.derived if column in header]:
        raise DataError(f"{name}, line 1: ingest adds '{taken[0]}' from the date, but the file has such a column; rename it")
    if reserved := [column for column in header if column.startswith(RESERVED)]:
        raise DataError(
            f"{name}, line 1: column '{reserved[0]}' begins like a column of tabtrail's own ({', '.join(RESERVED)}); rename it"
        )
    if pattern := next((each for each in header if each == "*" or (each.startswith("^") and each.endswith("$"))), None):
        raise DataError(f"{name}, line 1: column '{pattern}' reads like a pattern of columns; rename it")
    if unnamed := [number for number, column in enumerate(header, 1) if not column.strip()]:
        raise DataError(f"{name}, line 1: column {unnamed[0]} has no name")


def require_same_columns(name: str, header: Sequence[str], expected: Sequence[str]) -> None:
    """Raise `DataError` for a file with other columns than the files before it; their order may differ."""
    if odd := sorted(set(header) ^ set(expected)):
        raise DataError(f"{name}, line 1: its columns are not those of the other files (column '{odd[0]}')")


def _require_once(name: str, header: Sequence[str]) -> None:
    for column, count in Counter(header).items():
        if count > 1:
            raise DataError(f"{name}, line 1: column '{column}' is there {count} times; rename or remove one")


def _require_declared(name: str, header: Sequence[str], columns: Columns, delimiter: str) -> None:
    missing = [column for column in columns.required if column not in header]
    if not missing:
        return
    hints = ", ".join(f"'{column}'{nearest(column, list(header))}" for column in missing)
    only = f"; the header has a single column: is source.delimiter right ('{delimiter}')?" if len(header) == 1 else ""
    raise DataError(f"{name}, line 1: missing column {hints}{only}")
