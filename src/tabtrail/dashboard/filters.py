"""What of the data is looked at: filters made from config and data, what was chosen of them, and that as SQL and as Polars."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from tabtrail.contract.expressions import parse_expression
from tabtrail.dashboard.conditions import Bound, to_sql
from tabtrail.dashboard.place import Place, Value
from tabtrail.data.polars_expressions import to_polars
from tabtrail.data.warehouse import quoted

MOST_VALUES = 60
"""Values of a column that may be picked from one by one; a longer list is a search, not a choice."""
_MOST_NUMBERS = 31
"""Of whole numbers: as many as a month has days. More are amounts."""
_GLANCE = 50_000
"""Rows that are enough to see that most columns have more values than that, so that not all rows are counted."""
_PICKED = ("string", "int")


@dataclass(frozen=True)
class Choice:
    """A column with few values: they in their order, None last where some are missing."""

    column: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Days:
    """The date column with its first and last day."""

    column: str
    first: date
    last: date


@dataclass(frozen=True)
class Filters:
    """What can be chosen: values of columns, days, and the strata of the config with their conditions."""

    choices: tuple[Choice, ...] = ()
    days: Days | None = None
    strata: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Selection:
    """What was chosen: for each column the values that rows may have (None: missing), the first and last day (inclusive), and the
    conditions of which a row keeps one at least. A part that is empty leaves all rows.
    """

    values: tuple[tuple[str, tuple[Value, ...]], ...] = ()
    date_column: str | None = None
    since: date | None = None
    until: date | None = None
    conditions: tuple[str, ...] = ()

    def where(self) -> tuple[str, Bound]:
        """Return the condition as SQL over the dataset's table ("true" for all rows), with the values of its names."""
        bound = Bound()
        parts = [_values_sql(column, values, bound) for column, values in self.values if values]
        if self.date_column is not None and self.since is not None:
            parts.append(f"{quoted(self.date_column)} >= {bound.name(self.since)}")
        if self.date_column is not None and self.until is not None:
            parts.append(f"{quoted(self.date_column)} < {bound.name(self.until + timedelta(days=1))}")
        if self.conditions:
            parts.append("(" + " OR ".join(to_sql(parse_expression(each), bound) for each in self.conditions) + ")")
        return " AND ".join(parts) or "true", bound

    def expression(self) -> pl.Expr:
        """Return the same condition for a Polars frame that has the columns."""
        parts = list(self._expressions())
        return pl.all_horizontal(parts).fill_null(False) if parts else pl.lit(True)

    def _expressions(self) -> Iterator[pl.Expr]:
        for column, values in self.values:
            if values:
                there = [value for value in values if value is not None]
                known = pl.col(column).is_in(there).fill_null(False)
                yield known | pl.col(column).is_null() if None in values else known
        if self.date_column is not None and self.since is not None:
            yield pl.col(self.date_column) >= self.since
        if self.date_column is not None and self.until is not None:
            yield pl.col(self.date_column) < self.until + timedelta(days=1)
        if self.conditions:
            yield pl.any_horizontal([to_polars(parse_expression(each)) for each in self.conditions])


def read_filters(at: Place) -> Filters:
    """Return what can be chosen of the present dataset. Raises `DataError` where there is none."""
    return Filters(tuple(_choices(at)), _days(at), tuple(at.config.model.strata.items()))


def named_columns(at: Place) -> list[str]:
    """Return the columns by which the config groups, those that it names first: where people look for a filter first."""
    config = at.config
    summed = (name for each in config.aggregations for name in each.group_by)
    series = () if config.demand is None else (*config.demand.series, *config.demand.static)
    named = (*config.model.categorical_features, *series, *config.profile.group_by, *summed, *config.parquet.partition_by)
    return list(dict.fromkeys(name for name in named if name in config.columns.dataset))


def _choices(at: Place) -> Iterator[Choice]:
    columns = at.config.columns
    named = named_columns(at)
    others = [name for name in columns.dataset if name not in named]
    picked = [name for name in (*named, *others) if columns.kind(name) in _PICKED]
    most = {name: MOST_VALUES if columns.kind(name) == "string" else _MOST_NUMBERS for name in picked}
    counts = _per_column(at, "count(DISTINCT {})", picked, f"(SELECT * FROM {at.table} LIMIT {_GLANCE})")
    few = [name for name in picked if counts[name] <= most[name]]
    # Values that come late are counted too, by a sketch: a list of millions would not fit.
    about = _per_column(at, "approx_count_distinct({})", few, at.table)
    few = [name for name in few if about[name] <= 2 * MOST_VALUES]
    for name, values in _per_column(at, "array_agg(DISTINCT {})", few, at.table).items():
        if 1 < len(values or ()) <= most[name]:
            yield Choice(name, tuple(sorted(values, key=lambda value: (value is None, value))))


def _per_column(at: Place, function: str, names: Sequence[str], table: str) -> dict[str, Any]:
    """Return what an aggregate gives for each column, in one question."""
    if not names:
        return {}
    asked = ", ".join(f"{function.format(quoted(name))} AS {quoted(name)}" for name in names)
    found = at.ask(f"SELECT {asked} FROM {table}").row(0, named=True)
    return {name: found[name] for name in names}


def _days(at: Place) -> Days | None:
    name = at.config.cleaning.date_column
    if name is None:
        return None
    first, last = at.ask(f"SELECT min({quoted(name)}), max({quoted(name)}) FROM {at.table}").row(0)
    return None if first is None else Days(name, _day(first), _day(last))


def _day(moment: date) -> date:
    return moment.date() if isinstance(moment, datetime) else moment


def _values_sql(column: str, values: tuple[Value, ...], bound: Bound) -> str:
    there = [bound.name(value) for value in values if value is not None]
    known = f"{quoted(column)} IN ({', '.join(there)})" if there else ""
    missing = f"{quoted(column)} IS NULL" if None in values else ""
    return "(" + " OR ".join(each for each in (known, missing) if each) + ")"
