"""Segments of the Parquet layer as regular time series: one value a period, periods without rows 0."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb
import numpy as np
from numpy.typing import NDArray

from tabtrail.config.tree import Config
from tabtrail.data.warehouse import parquet_view, quoted
from tabtrail.errors import DataError, UsageError, nearest

Array = NDArray[np.float64]
ALL = "all"
_TRUNCATE = {"MS": "month", "W": "week", "D": "day"}
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
        """How people read it."""
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
    frequency: str
    values: Array
    notes: tuple[str, ...] = ()

    @property
    def periods(self) -> list[date]:
        """The first day of each period."""
        return periods(self.start, self.frequency, len(self.values))

    def after(self, steps: int) -> list[date]:
        """Return the first days of the periods that follow."""
        return periods(self.start, self.frequency, len(self.values) + steps)[len(self.values) :]


def periods(start: date, frequency: str, count: int) -> list[date]:
    """Return the first days of `count` periods from the one that begins on `start`."""
    if frequency == "MS":
        months = range(start.year * 12 + start.month - 1, start.year * 12 + start.month - 1 + count)
        return [date(month // 12, month % 12 + 1, 1) for month in months]
    return [start + timedelta(days=(7 if frequency == "W" else 1) * step) for step in range(count)]


def regular(
    dated: Iterable[tuple[date, float]], segment: Segment, frequency: str, last_day: date, *, drop_incomplete: bool
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
    notes: list[str] = []
    end, period = first_day(last_day, frequency), PERIOD_NAMES[frequency]
    if (following := periods(end, frequency, 2)[1]) > last_day + timedelta(days=1):
        missing = (following - last_day).days - 1
        if drop_incomplete:
            notes.append(f"the {period} of {end} is left out: the data ends {missing} days before it does")
            end -= timedelta(days=1)
            end = first_day(end, frequency)
        else:
            notes.append(f"the {period} of {end} may be incomplete: the data ends {missing} days before it does")
    start = min(sums)
    count = _distance(start, end, frequency) + 1
    values = np.array([sums.get(each, 0.0) for each in periods(start, frequency, max(count, 0))], dtype=np.float64)
    return Series(segment, start, frequency, values, tuple(notes))


def first_day(day: date, frequency: str) -> date:
    """Return the first day of the period that holds a day; weeks begin on Monday."""
    if frequency == "MS":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if frequency == "W" else day


def _distance(start: date, end: date, frequency: str) -> int:
    if frequency == "MS":
        return (end.year - start.year) * 12 + end.month - start.month
    return (end - start).days // (7 if frequency == "W" else 1)


def read_series(config: Config, segments: Iterable[Segment]) -> list[Series]:
    """Return the series of the segments, in their order.

    Raises `UsageError` for a segment that has no rows, with the nearest that has, and `DataError` for data without dates.
    """
    frequency = config.risk.frequency
    with parquet_view(config.database) as connection:
        last = _last_day(config, connection)
        return [
            regular(_rows(config, connection, each), each, frequency, last, drop_incomplete=config.risk.drop_incomplete)
            for each in segments
        ]


def list_segments(config: Config, names: Iterable[str]) -> list[Segment]:
    """Return every combination of values of the named segments that has rows, in order of the values."""
    chosen = tuple(names)
    columns = ", ".join(quoted(config.risk.segments[name]) for name in chosen)
    known = " AND ".join(f"{quoted(config.risk.segments[name])} IS NOT NULL" for name in chosen)
    with parquet_view(config.database) as connection:
        sql = f"SELECT DISTINCT {columns} FROM {quoted(config.duckdb.table)} WHERE {known} ORDER BY ALL"
        return [
            Segment(tuple((name, str(value)) for name, value in zip(chosen, row, strict=True)))
            for row in connection.execute(sql).fetchall()
        ]


def find_segment(config: Config, wanted: Mapping[str, str]) -> Segment:
    """Return the segment of values by segment name or column name, in the config's order.

    Raises `UsageError` for a name that the config does not have.
    """
    by_column = {column: name for name, column in config.risk.segments.items()}
    named: dict[str, str] = {}
    for key, value in wanted.items():
        name = by_column.get(key, key)
        if name not in config.risk.segments:
            known = list(config.risk.segments)
            raise UsageError(f"risk.segments has no '{key}' (it has {', '.join(known) or 'none'}){nearest(key, known)}")
        if named.setdefault(name, value) != value:
            raise UsageError(f"two values are given for {name}")
    return Segment(tuple((name, named[name]) for name in config.risk.segments if name in named))


def _last_day(config: Config, connection: duckdb.DuckDBPyConnection) -> date:
    column = config.cleaning.date_column
    if column is None:
        raise DataError("a forecast needs dates; name the column in cleaning.date_column")
    found = connection.execute(f"SELECT max({quoted(column)}) FROM {quoted(config.duckdb.table)}").fetchone()
    if found is None or found[0] is None:
        raise DataError(f"the column {column} has no dates")
    return _day(found[0])


def _rows(config: Config, connection: duckdb.DuckDBPyConnection, segment: Segment) -> list[tuple[date, float]]:
    column, value = str(config.cleaning.date_column), config.risk.value or config.model.target
    where = "".join(f" AND CAST({quoted(config.risk.segments[name])} AS VARCHAR) = ?" for name in segment.names)
    period = f"date_trunc('{_TRUNCATE[config.risk.frequency]}', {quoted(column)})"
    # Kahan summation: the order in which threads add is of no account.
    sql = (
        f"SELECT {period}, fsum({quoted(value)}) FROM {quoted(config.duckdb.table)}"
        f" WHERE {quoted(column)} IS NOT NULL{where} GROUP BY 1 ORDER BY 1"
    )
    rows = connection.execute(sql, [text for _, text in segment.values]).fetchall()
    if not rows:
        raise UsageError(_unknown(config, connection, segment))
    return [(_day(day), float(amount or 0.0)) for day, amount in rows]


def _unknown(config: Config, connection: duckdb.DuckDBPyConnection, segment: Segment) -> str:
    for name, text in segment.values:
        column = quoted(config.risk.segments[name])
        rows = connection.execute(f"SELECT DISTINCT CAST({column} AS VARCHAR) FROM {quoted(config.duckdb.table)}").fetchall()
        known = sorted(row[0] for row in rows if row[0] is not None)
        if text not in known:
            shown = ", ".join(known[:10]) + (", …" if len(known) > 10 else "")
            return f"there is no {name} '{text}' (there are {shown}){nearest(text, known)}"
    if len(segment.values) > 1:
        others = [_label_of(config, connection, segment, name) for name in segment.names]
        return f"no rows are {segment.label}: each value is there, but not together ({'; '.join(others)})"
    return "there are no rows with dates"


def _label_of(config: Config, connection: duckdb.DuckDBPyConnection, segment: Segment, name: str) -> str:
    """Say which values of one segment go with the values of the others."""
    rest = [(other, text) for other, text in segment.values if other != name]
    where = " AND ".join(f"CAST({quoted(config.risk.segments[other])} AS VARCHAR) = ?" for other, _ in rest)
    column = quoted(config.risk.segments[name])
    sql = f"SELECT DISTINCT CAST({column} AS VARCHAR) FROM {quoted(config.duckdb.table)} WHERE {where} ORDER BY 1 LIMIT 6"
    rows = connection.execute(sql, [text for _, text in rest]).fetchall()
    shown = ", ".join(str(row[0]) for row in rows[:5]) + (", …" if len(rows) > 5 else "")
    return f"{name} with {', '.join(text for _, text in rest)}: {shown}"


def _day(value: date) -> date:
    return date(value.year, value.month, value.day)
