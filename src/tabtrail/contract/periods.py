"""Days, weeks and months as whole numbers, so that lags, windows and horizons count periods and never rows."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Frequency = Literal["D", "W", "MS"]
Periods = NDArray[np.int64]
_MONDAY = 3  # 1970-01-01 was a Thursday: week 0 began three days before
_SEASONS: dict[Frequency, int] = {"D": 7, "W": 52, "MS": 12}
_NAMES: dict[Frequency, str] = {"D": "day", "W": "week", "MS": "month"}


@dataclass(frozen=True)
class Calendar:
    """Days (`D`), weeks from Monday on (`W`) or months (`MS`), numbered from the one that holds 1970-01-01, which is 0."""

    frequency: Frequency

    @property
    def season(self) -> int:
        """Periods of a season: a week of days, a year of weeks or of months."""
        return _SEASONS[self.frequency]

    @property
    def name(self) -> str:
        """What a period is called."""
        return _NAMES[self.frequency]

    def number(self, day: date) -> int:
        """Number of the period that holds a day."""
        return int(self.numbers(np.array([day], dtype="datetime64[D]"))[0])

    def numbers(self, days: NDArray[np.datetime64]) -> Periods:
        """Numbers of the periods that hold days [rows]."""
        if self.frequency == "MS":
            return days.astype("datetime64[M]").astype(np.int64)
        count = days.astype("datetime64[D]").astype(np.int64)
        return count if self.frequency == "D" else (count + _MONDAY) // 7

    def first_days(self, periods: Periods) -> NDArray[np.datetime64]:
        """First day of each period [rows], as datetime64[D]."""
        if self.frequency == "MS":
            return periods.astype("datetime64[M]").astype("datetime64[D]")
        return (periods if self.frequency == "D" else periods * 7 - _MONDAY).astype("datetime64[D]")

    def first_day(self, period: int) -> date:
        """First day of a period."""
        first = self.first_days(np.array([period], dtype=np.int64))[0]
        day: date = first.astype(object)
        return day

    def last_day(self, period: int) -> date:
        """Last day of a period."""
        return self.first_day(period + 1) - timedelta(days=1)
