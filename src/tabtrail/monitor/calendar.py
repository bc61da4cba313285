"""Columns that follow from the date: in any later window they differ, which says nothing, so they are listed and never alarm."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tabtrail.monitor.sketch import Array, Values

_ROWS_EACH = 5  # by fewer rows a part of the date, a column that is the same within each may be so by chance
_MONOTONE = 0.99  # Spearman's correlation with the date above which a column is a running number


def parts_of(days: Array) -> dict[str, NDArray[np.int64]]:
    """Return the parts of dates (days since 1970-01-01, none missing) of which columns are made: year, quarter, … the day."""
    whole = np.floor(days).astype("datetime64[D]")
    months = whole.astype("datetime64[M]").astype(np.int64)
    number = whole.astype(np.int64)
    return {
        "year": months // 12,
        "quarter": months % 12 // 3,
        "month": months % 12,
        "year and quarter": months // 3,
        "year and month": months,
        "weekday": number % 7,
        "day of the month": (whole - whole.astype("datetime64[M]")).astype(np.int64),
        "week": (number + 3) // 7,
        "day of the year": (whole - whole.astype("datetime64[Y]")).astype(np.int64),
        "day": number,
    }


def month_of(days: Array) -> NDArray[np.int64]:
    """Return the months since January 1970 of dates; none may be missing."""
    return np.floor(days).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def month_name(month: int) -> str:
    """Return a month as people write it, such as 2003-01."""
    return f"{1970 + month // 12}-{month % 12 + 1:02d}"


def made_of_date(days: Array, columns: dict[str, Values]) -> dict[str, str]:
    """Return the columns that are functions of the date, each with the part of the date that decides it.

    A column is one if it has several values, and one alone within each part, with at least five rows a part; if it has one
    value, which is that part of all the dates (the year); or if it is a running number, ordered as the dates are. `days` are
    days since 1970-01-01; rows without a date are left out.
    """
    known = ~np.isnan(days)
    if known.sum() < _ROWS_EACH:
        return {}
    groups = parts_of(days[known])
    found: dict[str, str] = {}
    for name, values in columns.items():
        codes = _codes(values[known])
        several = codes.max(initial=0) > 0
        deciding = _deciding(groups, codes, values[known]) if several else _equal(groups, values[known])
        if (part := next(deciding, None)) is not None:
            found[name] = part
    return found


def _deciding(groups: dict[str, NDArray[np.int64]], codes: NDArray[np.int64], values: Values) -> Iterator[str]:
    for part, group in groups.items():
        places, group_codes = np.unique(group, return_inverse=True)
        several = len(places) > 1 and len(codes) >= _ROWS_EACH * len(places)
        # One value a group: as many pairs as groups.
        if several and len(np.unique(group_codes * (codes.max() + 1) + codes)) == len(places):
            yield part
    if values.dtype != object and _follows(groups["day"].astype(np.float64), values):
        yield "a running number"


def _equal(groups: dict[str, NDArray[np.int64]], values: Values) -> Iterator[str]:
    """The parts of the date that a column of one number is equal to, such as the year 2003."""
    first = {"year": 1970, "quarter": 1, "month": 1}
    if values.dtype != object:
        yield from (part for part, offset in first.items() if np.array_equal(groups[part] + offset, values))


def _follows(days: Array, values: Array) -> bool:
    known = ~np.isnan(values)
    if known.sum() < 2 * _ROWS_EACH:
        return False
    first, second = _ranks(days[known]), _ranks(values[known])
    if not (first.std() and second.std()):
        return False
    return bool(np.corrcoef(first, second)[0, 1] > _MONOTONE)


def _ranks(values: Array) -> Array:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - count / 2)[place]


def _codes(values: Values) -> NDArray[np.int64]:
    """Number the distinct values; missing ones have a number of their own."""
    if values.dtype == object:
        numbers = {text: place for place, text in enumerate(dict.fromkeys(values.tolist()))}
        return np.array([numbers[text] for text in values.tolist()], np.int64)
    return np.asarray(np.unique(values, return_inverse=True)[1], np.int64)
