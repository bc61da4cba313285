"""Many series on one calendar: a matrix of the target, one of each column known ahead, and what is the same in all periods."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tabtrail.bundle.demand.features import Array
from tabtrail.contract.periods import Calendar

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Account:
    """What became of rows and periods, each counted: what is not learned from, what was filled, what was put together.

    Of `rows` each is in one of: `undated`, `duplicates`, `plan_rows`, `closed`, `stockout` (and open), `empty` (no demand in it),
    `not_known` (below zero, and taken as missing), `kept`.
    `cells` are the values of all series and periods that are known in the end, `copied` of them copies of the period before.
    `pause` are the periods of the longest run in which no series has demand, from the period `pause_first` on.
    `ended` is the last day of the data where its week or month is cut short by it, YYYY-MM-DD: rows of that are plan rows.
    """

    rows: int
    series: int
    periods: int
    without_row: int = 0
    closed: int = 0
    stockout: int = 0
    negative: int = 0
    duplicates: int = 0
    planned: int = 0
    single: int = 0
    undated: int = 0
    copied: int = 0
    cells: int = 0
    plan_rows: int = 0
    empty: int = 0
    not_known: int = 0
    kept: int = 0
    pause: int = 0
    pause_first: int = 0
    ended: str = ""

    @property
    def idle(self) -> range:
        """The periods of the longest run in which no series has demand."""
        return range(self.pause_first, self.pause_first + self.pause)


@dataclass(frozen=True)
class Presence:
    """Periods with demand above zero (`sold`) and of zero (`idle`), and in how many of each the rows gave a column a value."""

    sold: int
    sold_given: int
    idle: int
    idle_given: int


@dataclass(frozen=True)
class Panel:
    """Series over the periods `first`, `first + 1`, … of a calendar.

    - `target` [series, periods]: NaN before the first row of a series, and where it is neither learned from nor judged.
    - `known` [series, periods + planned]: columns known ahead; they may go on after the last period with demand.
    - `static` [series]: texts, the columns that make a series among them.
    - `shut` [series, planned]: periods of the plan that are closed, None where nobody says so.
    - `presence`: where the rows gave the columns known ahead a value, before gaps were filled.
    """

    calendar: Calendar
    first: int
    series: tuple[str, ...]
    target: Array
    known: Mapping[str, Array] = field(default_factory=dict)
    static: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)
    account: Account | None = None
    presence: Mapping[str, Presence] = field(default_factory=dict)
    shut: NDArray[np.bool_] | None = None

    @property
    def count(self) -> int:
        """Series."""
        return len(self.target)

    @property
    def periods(self) -> int:
        """Periods up to the last one with demand."""
        return int(self.target.shape[1])

    @property
    def last(self) -> int:
        """Number of the last period with demand."""
        return self.first + self.periods - 1

    def flags(self) -> tuple[str, ...]:
        """The columns known ahead that are 0 or 1 wherever they are known."""
        return tuple(name for name, values in self.known.items() if np.isin(values[~np.isnan(values)], (0.0, 1.0)).all())

    def until(self, origin: int) -> Self:
        """Return the panel as it was known at the end of a period (its place in the matrix); the plan stays."""
        return replace(self, target=self.target[:, : origin + 1])

    def take(self, series: Sequence[int] | Rows) -> Self:
        """Return some of the series."""
        chosen = np.asarray(series, dtype=np.int64)
        return replace(
            self,
            target=self.target[chosen],
            known={name: values[chosen] for name, values in self.known.items()},
            static={name: values[chosen] for name, values in self.static.items()},
            shut=None if self.shut is None else self.shut[chosen],
        )
