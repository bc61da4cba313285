"""Series of the dataset's segments, by SQL: sums by period of the rows that have certain values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from tabtrail.data.far_dates import LONGEST_PAUSE
from tabtrail.data.warehouse import quoted
from tabtrail.errors import DataError, UsageError, nearest
from tabtrail.forecast.series import Frequency, Segment, Series, regular

_TRUNCATE = {"MS": "month", "W": "week", "D": "day"}
_SHOWN_VALUES, _SHOWN_OTHERS = 100, 5  # of a column; beyond a hundred nobody looks through them


@dataclass(frozen=True)
class SeriesSource:
    """Where series come from: a table or view of a connection, and the columns with dates, values and segments.

    `segments` has the column of each segment name.
    """

    connection: duckdb.DuckDBPyConnection
    table: str
    date_column: str | None
    value_column: str
    segments: Mapping[str, str]
    frequency: Frequency
    drop_incomplete: bool


def view_without_plan(connection: duckdb.DuckDBPyConnection, table: str, target: str) -> str:
    """Create a view of the rows of a table that have a target, and return its name: a period that is planned has no sum yet."""
    view = f"{table} without a plan"
    connection.execute(f"CREATE VIEW {quoted(view)} AS SELECT * FROM {quoted(table)} WHERE {quoted(target)} IS NOT NULL")
    return view


def read_series(source: SeriesSource, segments: Iterable[Segment]) -> list[Series]:
    """Return the series of the segments, in their order.

    Raises `UsageError` for a segment that has no rows, with the nearest that has, and `DataError` for data without dates.
    """
    last = _last_day(source)
    _refuse_stretched(source)
    wanted = tuple(segments)
    alike: dict[tuple[str, ...], dict[Segment, None]] = {}
    for each in wanted:
        alike.setdefault(each.names, {})[each] = None
    rows = {segment: found for names, those in alike.items() for segment, found in _rows(source, names, list(those)).items()}
    for each in wanted:
        if not rows[each]:
            raise UsageError(_why_empty(source, each))
    return [regular(rows[each], each, source.frequency, last, drop_incomplete=source.drop_incomplete) for each in wanted]


def list_segments(source: SeriesSource, names: Iterable[str], largest: int | None = None) -> list[Segment]:
    """Return every combination of values of the named segments that has rows, in order of the values.

    With `largest`, only so many: those with the largest sums, the largest first.
    """
    chosen = tuple(names)
    columns = ", ".join(quoted(source.segments[name]) for name in chosen)
    known = " AND ".join(f"{quoted(source.segments[name])} IS NOT NULL" for name in chosen)
    total = f"fsum({quoted(source.value_column)}) DESC NULLS LAST, " if largest is not None else ""
    last = f"{total}{columns} LIMIT {largest}" if largest is not None else columns
    sql = f"SELECT {columns} FROM {quoted(source.table)} WHERE {known} GROUP BY {columns} ORDER BY {last}"
    return [
        Segment(tuple((name, str(value)) for name, value in zip(chosen, row, strict=True)))
        for row in source.connection.execute(sql).fetchall()
    ]


def find_segment(segments: Mapping[str, str], wanted: Mapping[str, str]) -> Segment:
    """Return the segment of values by segment name or column name, in the order of `segments` (name to column).

    Raises `UsageError` for a name that is not among them.
    """
    by_column = {column: name for name, column in segments.items()}
    named: dict[str, str] = {}
    for key, value in wanted.items():
        name = by_column.get(key, key)
        if name not in segments:
            known = list(segments)
            raise UsageError(f"risk.segments has no '{key}' (it has {', '.join(known) or 'none'}){nearest(key, known)}")
        if named.setdefault(name, value) != value:
            raise UsageError(f"two values are given for {name}")
    return Segment(tuple((name, named[name]) for name in segments if name in named))


def _last_day(source: SeriesSource) -> date:
    column = source.date_column
    if column is None:
        raise DataError("a forecast needs dates; name the column in cleaning.date_column")
    found = source.connection.execute(f"SELECT max({quoted(column)}) FROM {quoted(source.table)}").fetchone()
    if found is None or found[0] is None:
        raise DataError(f"the column {column} has no dates")
    return _day(found[0])


def _refuse_stretched(source: SeriesSource) -> None:
    """Raise `DataError` for a date far from all others: the series would be filled with zeros between them."""
    column, table = quoted(str(source.date_column)), quoted(source.table)
    sql = (
        "SELECT day, lag(day) OVER (ORDER BY day) AS before FROM"
        f" (SELECT DISTINCT CAST({column} AS DATE) AS day FROM {table} WHERE {column} IS NOT NULL)"
        " ORDER BY day - before DESC NULLS LAST"
    )
    gap = source.connection.execute(sql).fetchone()
    if gap is None or gap[1] is None:
        return
    after, before = _day(gap[0]), _day(gap[1])
    first, last = source.connection.execute(f"SELECT min({column}), max({column}) FROM {table}").fetchone() or (after, after)
    missing, span = (after - before).days, (_day(last) - _day(first)).days
    # A gap that is longer than all the time with dates is no pause.
    if missing > LONGEST_PAUSE and missing > span - missing:
        early = (before - _day(first)).days < (_day(last) - after).days
        far, years = (before, f"[{after.year}, 2100]") if early else (after, f"[1900, {before.year}]")
        raise DataError(
            f"{source.date_column}: no row is dated between {before} and {after}, longer than all other dates span, so that"
            f" a series would be mostly invented zeros. If {far} stands for an unknown date, set cleaning.plausible_years:"
            f" {years} and ingest again; rows outside are then set aside"
        )


def _rows(source: SeriesSource, names: Sequence[str], segments: Sequence[Segment]) -> dict[Segment, list[tuple[date, float]]]:
    """Return the sums by period of segments that have values of the same `names`, in one pass over the table."""
    column = str(source.date_column)
    period = f"date_trunc('{_TRUNCATE[source.frequency]}', {quoted(column)})"
    places = ", ".join(["unnest(?) AS place", *(f"unnest(?) AS value_{each}" for each in range(len(names)))])
    joined = " AND ".join(["true", *(f"{_text(source, name)} = value_{each}" for each, name in enumerate(names))])
    # fsum is Kahan's: a total does not depend on the order in which threads add.
    sql = (
        f"SELECT place, {period}, fsum({quoted(source.value_column)}) FROM {quoted(source.table)}"
        f" JOIN (SELECT {places}) ON {joined} WHERE {quoted(column)} IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2"
    )
    values = [[segment.values[each][1] for segment in segments] for each in range(len(names))]
    found: dict[Segment, list[tuple[date, float]]] = {segment: [] for segment in segments}
    for place, day, amount in source.connection.execute(sql, [list(range(len(segments))), *values]).fetchall():
        found[segments[place]].append((_day(day), float(amount or 0.0)))
    return found


def _condition(source: SeriesSource, names: Iterable[str]) -> str:
    return "".join(f" AND {_text(source, name)} = ?" for name in names)


def _text(source: SeriesSource, name: str) -> str:
    return f"CAST({quoted(source.segments[name])} AS VARCHAR)"


def _why_empty(source: SeriesSource, segment: Segment) -> str:
    """Say which value does not exist, or that the values do not occur together."""
    for name, text in segment.values:
        rows = source.connection.execute(f"SELECT DISTINCT {_text(source, name)} FROM {quoted(source.table)}").fetchall()
        known = sorted(row[0] for row in rows if row[0] is not None)
        if text not in known:
            more = len(known) - _SHOWN_VALUES
            shown = ", ".join(known[:_SHOWN_VALUES]) + (f" and {more:,} more" if more > 0 else "")
            return f"there is no {name} '{text}' (there are {shown}){nearest(text, known)}"
    if len(segment.values) > 1:
        others = [_values_beside(source, segment, name) for name in segment.names]
        return f"no rows are {segment.label}: each value exists, but not together ({'; '.join(others)})"
    return "there are no rows with dates"


def _values_beside(source: SeriesSource, segment: Segment, name: str) -> str:
    """Say which values of one segment name occur with the values of the others."""
    rest = Segment(tuple((other, text) for other, text in segment.values if other != name))
    sql = (
        f"SELECT DISTINCT {_text(source, name)} FROM {quoted(source.table)}"
        f" WHERE true{_condition(source, rest.names)} ORDER BY 1 LIMIT {_SHOWN_OTHERS + 1}"
    )
    rows = source.connection.execute(sql, [text for _, text in rest.values]).fetchall()
    shown = ", ".join(str(row[0]) for row in rows[:_SHOWN_OTHERS]) + (", …" if len(rows) > _SHOWN_OTHERS else "")
    return f"{name} with {', '.join(text for _, text in rest.values)}: {shown}"


def _day(value: date) -> date:
    return date(value.year, value.month, value.day)
