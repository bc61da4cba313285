"""The one text of a typed cell: what a number, a truth value or a date of Excel, Parquet or JSON is where a text is wanted."""

from datetime import date, datetime, time
from decimal import Decimal

MOST_EXACT = 2**53
"""From here on a double may stand for several whole numbers, so that a typed double is not the number that was written."""


def cell_text(value: object) -> str | None:
    """Return the text of a cell; None for a missing value, which NaN is here.

    Whole numbers are digits (10022, never 10022.0), other numbers the shortest text that gives the same double, truth values
    `true` and `false`, dates YYYY-MM-DD, points in time YYYY-MM-DD HH:MM:SS with their fraction and offset where they have one,
    midnight without an offset the date alone.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, Decimal):
        return format(value.normalize(), "f") if value else "0"
    if isinstance(value, datetime):
        midnight = value.time() == time() and value.tzinfo is None
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    if isinstance(value, int | date | time):
        return str(value)
    raise TypeError(type(value).__name__)


def _float_text(value: float) -> str | None:
    if value != value:  # NaN alone
        return None
    return str(int(value)) if value.is_integer() and abs(value) < MOST_EXACT else repr(value)
