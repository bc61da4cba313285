"""Regular time series: one value a period, periods without rows 0."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tabtrail.errors import DataError

Array = NDArray[np.float64]
Frequency = Literal["MS", "W", "D"]
ALL = "all"
SEASONS = {"MS": 12, "W": 52, "D": 7}
PERIODS_A_YEAR = {"MS": 12, "W": 52, "D": 365}
PERIOD_NAMES = {"MS": "month", "W": "week", "D": "day"}


@dataclass(frozen=True)
class Segment:
    """The rows of a series: values by segment name, in the order of the config. An empty one is all rows."""

    values: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, str]) -> "Segment":
        return cls(tuple(values.items()))

    @property
    def label(self) -> str:
        """What people call it: its values, or `all`."""
        return " · ".join(value for _, value in self.values) or ALL

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.values)


@dataclass(frozen=True)
class Series:
    """Sums by period [n], from the first period with a row of the segment to the last period of the data.

    `start` is the first day of the first period; `notes` say what was left out, and what is unusual.
    """

    segment: Segment
    start: date
    frequency: Frequency
    values: Array
    notes: tuple[str, ...] = ()

    @property
    def periods(self) -> list[date]:
        """The first day of each period."""
        return periods(self.start, self.frequency, len(self.values))

    def after(self, steps: int) -> list[date]:
        """Return the first days of the periods that follow."""
        return periods(self.start, self.frequency, len(self.values) + steps)[len(self.values) :]


def periods(start: date, frequency: Frequency, count: int) -> list[date]:
    """Return the first days of `count` periods from the one that begins on `start`."""
    if frequency == "MS":
        months = range(start.year * 12 + start.month - 1, start.year * 12 + start.month - 1 + count)
        return [date(month // 12, month % 12 + 1, 1) for month in months]
    return [start + timedelta(days=(7 if frequency == "W" else 1) * step) for step in range(count)]


def regular(
    dated: Iterable[tuple[date, float]], segment: Segment, frequency: Frequency, last_day: date, *, drop_incomplete: bool
) -> Series:
    """Return the series of dated values in any order; the data as a whole ends on `last_day`.

    Several values of one period are added. Raises `DataError` where there is none.
    """
    sums: dict[date, float] = {}
    for day, value in dated:
        first = first_day(day, frequency)
        sums[first] = sums.get(first, 0.0) + value
    if not sums:
        raise DataError(f"segment {segment.label}: there are no rows")
    start = min(sums)
    end, notes = _last_period(last_day, frequency, drop_incomplete=drop_incomplete)
    count = max(_distance(start, end, frequency) + 1, 0)
    values = np.array([sums.get(each, 0.0) for each in periods(start, frequency, count)], dtype=np.float64)
    return Series(segment, start, frequency, values, notes)


def _last_period(last_day: date, frequency: Frequency, *, drop_incomplete: bool) -> tuple[date, tuple[str, ...]]:
    """Return the first day of the last period that counts, and a note where the data ends before that period does."""
    end, period = first_day(last_day, frequency), PERIOD_NAMES[frequency]
    missing = (periods(end, frequency, 2)[1] - last_day).days - 1
    if missing <= 0:
        return end, ()
    if not drop_incomplete:
        return end, (f"the {period} of {end} may be incomplete: the data ends {missing} days before it does",)
    note = f"the {period} of {end} is left out: the data ends {missing} days before it does"
    return first_day(end - timedelta(days=1), frequency), (note,)


def first_day(day: date, frequency: Frequency) -> date:
    """Return the first day of the period that holds a day; weeks begin on Monday."""
    if frequency == "MS":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if frequency == "W" else day


def _distance(start: date, end: date, frequency: Frequency) -> int:
    if frequency == "MS":
        return (end.year - start.year) * 12 + end.month - start.month
    return (end - start).days // (7 if frequency == "W" else 1)
