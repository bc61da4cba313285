"""Spans of days as people write them: a year, a quarter, a month, a day, or two of these with `..` between."""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tabtrail.errors import UsageError

Step = Literal["year", "quarter", "month"]
_MONTHS: dict[Step, int] = {"year": 12, "quarter": 3, "month": 1}
_FORM = re.compile(r"(?P<year>\d{4})(?:-?[Qq](?P<quarter>[1-4])|-(?P<month>0[1-9]|1[0-2])(?:-(?P<day>\d\d))?)?")


@dataclass(frozen=True)
class Span:
    """Days since 1970-01-01 from `first` on, `after` excluded, and what a person calls them."""

    name: str
    first: int
    after: int

    def holds(self, days: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell for each day [rows] whether it lies in the span; a missing one (NaN) does not."""
        return (days >= self.first) & (days < self.after)

    def cut(self, step: Step) -> list["Span"]:
        """Return the whole years, quarters or months that have a day in the span, in their order."""
        width = _MONTHS[step]
        start = _month_of(self.first) // width * width
        months = range(start, _month_of(self.after - 1) + 1, width)
        return [Span(_name(month, step), _first_day(month), _first_day(month + width)) for month in months]


def parse_span(text: str) -> Span:
    """Read a span such as 2003, 2005Q2, 2003-06, 2003-06-15 or 2004..2005Q2. Raises `UsageError` for anything else."""
    if ".." not in text:
        return _parse_one(text)
    first, last = (_parse_one(each) for each in text.split("..", 1))
    if last.after <= first.first:
        raise UsageError(f"'{text}' ends before it begins; write the earlier one first")
    return Span(f"{first.name}..{last.name}", first.first, last.after)


def _parse_one(text: str) -> Span:
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"'{text[:40]}' is not a span of days; write 2003, 2005Q2, 2003-06, 2003-06-15 or 2004..2005Q2")
    year, quarter, month, day = (None if part is None else int(part) for part in found.groups())
    start = (int(year or 0) - 1970) * 12
    if quarter is not None:
        return _months(start + 3 * (quarter - 1), "quarter")
    if month is None:
        return _months(start, "year")
    if day is None:
        return _months(start + month - 1, "month")
    first = _first_day(start + month - 1) + day - 1
    if not day or first >= _first_day(start + month):
        raise UsageError(f"'{text}' is not a day of the calendar")
    return Span(text.strip(), first, first + 1)


def _months(month: int, step: Step) -> Span:
    return Span(_name(month, step), _first_day(month), _first_day(month + _MONTHS[step]))


def _name(month: int, step: Step) -> str:
    year = 1970 + month // 12
    return {"year": f"{year}", "quarter": f"{year}Q{month % 12 // 3 + 1}", "month": f"{year}-{month % 12 + 1:02d}"}[step]


def _first_day(month: int) -> int:
    return int(np.datetime64(month, "M").astype("datetime64[D]").astype(np.int64))


def _month_of(day: int) -> int:
    return int(np.datetime64(day, "D").astype("datetime64[M]").astype(np.int64))
