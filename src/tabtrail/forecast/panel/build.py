"""From rows of a dataset to a panel: a full calendar for each series from its first row on, every period accounted for."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from tabtrail.bundle.demand.features import Array
from tabtrail.config.demand import Demand, series_columns
from tabtrail.contract.expressions import columns_of, parse_expression
from tabtrail.contract.periods import Calendar
from tabtrail.data.far_dates import LONGEST_PAUSE
from tabtrail.data.polars_expressions import to_polars
from tabtrail.errors import DataError
from tabtrail.forecast.panel.cut_short import cut_short, without_demand_of
from tabtrail.forecast.panel.panel import Account, Panel, Presence

_PERIOD, _SERIES, _COUNT = "tabtrail_period", "tabtrail_series", "tabtrail_rows"
_CLOSED, _STOCKOUT = "tabtrail_closed", "tabtrail_stockout"
# Eight bytes a cell and column, and as much again while it is filled: about 5 GB for a target and two known columns.
_MOST_CELLS = 150_000_000


def needed_columns(demand: Demand, date: str) -> list[str]:
    """Return the columns of the dataset that a panel is made of."""
    conditions = [columns_of(parse_expression(each)) for each in (demand.closed, demand.stockout) if each]
    named = (date, demand.target, *demand.series, *demand.static, *demand.known_ahead, *sorted(set().union(*conditions)))
    return list(dict.fromkeys(named))


def build_panel(rows: pl.LazyFrame, demand: Demand, date: str) -> Panel:
    """Return the panel of a dataset's rows, in any order.

    Raises `DataError` where no row has demand, or all of it is the same, for rows without a series, two rows of a series in one
    period and demand below zero, where the config does not say what becomes of them, for a column known ahead without a value,
    and for dates so far apart that the series would be mostly invented, or not fit into memory.
    """
    calendar = Calendar(demand.frequency)
    series = series_columns(demand)
    ended = cut_short(rows, demand, date)
    rows = rows if ended is None else without_demand_of(rows, ended, demand, date)
    keys = rows.filter(pl.col(date).is_not_null()).select(_keys(demand)).unique().sort(series).collect()
    table = _collected(rows, keys, demand, date)
    undated = int(table.filter(pl.col(_PERIOD).is_null())[_COUNT].sum())
    table = table.filter(pl.col(_PERIOD).is_not_null())
    _require_series(table, keys, demand)
    _require_single(table, keys, demand)
    dated = table.filter(pl.col(demand.target).is_not_null())
    if not dated.height:
        raise DataError(f"no row has a value of demand.target, {demand.target}; there is nothing to learn")
    first, last, planned = table[_PERIOD].min(), dated[_PERIOD].max(), table[_PERIOD].max()
    assert isinstance(first, int) and isinstance(last, int) and isinstance(planned, int)  # noqa: S101, PT018 - rows have periods
    place = (table[_SERIES].to_numpy(), table[_PERIOD].to_numpy() - first)
    shape = (keys.height, planned - first + 1)
    _require_room(shape, calendar, first)
    dates = _pause(dated, calendar, date)
    target, account = _target(table, demand, place, shape, last - first + 1)
    _require_repeats(account, keys)
    known = {name: _known(table, name, place, shape, demand) for name in demand.known_ahead}
    static = {name: _texts(keys, name) for name in series}
    static |= {name: _static(table, name, keys) for name in demand.static}
    rows_read = int(table[_COUNT].sum())
    account = replace(
        account,
        rows=rows_read + undated,
        duplicates=rows_read - table.height,
        undated=undated,
        ended="" if ended is None else ended.isoformat(),
        **dates,
        **_outcomes(table, demand, last),
    )
    presence = {name: _presence(table, name, place, target) for name in demand.known_ahead}
    shut = np.zeros(shape, dtype=bool)
    shut[place] = table[_CLOSED].to_numpy()
    return Panel(calendar, first, series, target, known, static, account, presence, shut[:, last - first + 1 :])


def _collected(rows: pl.LazyFrame, keys: pl.DataFrame, demand: Demand, date: str) -> pl.DataFrame:
    """Rows of one series (its place among the keys) and period put together, with how many there were.

    Texts are left behind before rows are sorted: millions of them would take several times the memory.
    """
    calendar = Calendar(demand.frequency)
    conditions = {_CLOSED: demand.closed, _STOCKOUT: demand.stockout}
    marks = [
        (to_polars(parse_expression(text)) if text else pl.lit(value=False)).cast(pl.Boolean).fill_null(value=False).alias(name)
        for name, text in conditions.items()
    ]
    numbers = [pl.col(name).cast(pl.Float64) for name in (demand.target, *demand.known_ahead)]
    texts = _keys(demand)
    texts += [pl.col(name).cast(pl.String) for name in demand.static]
    own_keys = keys.lazy().with_row_index(_SERIES)
    frame = (
        rows.select(*texts, *numbers, *marks, pl.col(date).cast(pl.Date).alias(_PERIOD))
        .join(own_keys, on=list(series_columns(demand)), how="left", nulls_equal=True, maintain_order="left")
        .drop(series_columns(demand))
    )
    put = {"sum": _sum, "mean": pl.Expr.mean, "last": pl.Expr.last, "refuse": pl.Expr.last}[demand.duplicates]
    own = pl.col(_PERIOD).map_batches(lambda days: _numbers(days, calendar), return_dtype=pl.Int64)
    return (
        frame.sort(_PERIOD, maintain_order=True)
        .with_columns(own)
        .group_by([_SERIES, _PERIOD], maintain_order=True)
        .agg(
            put(pl.col(demand.target)).alias(demand.target),
            *(pl.col(name).mean() for name in demand.known_ahead),
            *(pl.col(name).drop_nulls().last() for name in demand.static),
            pl.col(_CLOSED).all(),  # a week is closed where all its days are
            pl.col(_STOCKOUT).any(),
            pl.len().alias(_COUNT),
        )
        .collect()
    )


def _keys(demand: Demand) -> list[pl.Expr]:
    """The texts that make a series; that of the only one is the name of what is forecast."""
    if not demand.series:
        return [pl.lit(demand.target).alias(name) for name in series_columns(demand)]
    return [pl.col(name).cast(pl.String) for name in demand.series]


def _numbers(days: pl.Series, calendar: Calendar) -> pl.Series:
    """Numbers of the periods that hold days; null for none."""
    known = days.to_physical().fill_null(0).cast(pl.Int64).to_numpy().astype("datetime64[D]")
    return pl.Series(calendar.numbers(known)).set(days.is_null(), None)


def _require_series(table: pl.DataFrame, keys: pl.DataFrame, demand: Demand) -> None:
    for name in demand.series:
        nameless = keys[name].fill_null("").str.strip_chars().eq("").arg_true().to_list()
        if nameless and (empty := int(table.filter(pl.col(_SERIES).is_in(nameless))[_COUNT].sum())):
            raise DataError(
                f"demand.series: {name} is empty in {empty:,} rows, which are then of no series; set contract.columns.{name}:"
                f" {{dtype: string, nullable: false}} to set such rows aside, or name it in cleaning.fill_unknown_columns"
            )


def _require_room(shape: tuple[int, int], calendar: Calendar, first: int) -> None:
    series, periods = shape
    if series * periods > _MOST_CELLS:
        raise DataError(
            f"{series:,} series over {periods:,} {calendar.name}s, {calendar.first_day(first)} to"
            f" {calendar.last_day(first + periods - 1)}, are {series * periods:,} cells, more than {_MOST_CELLS:,}; is a date"
            " wrong (cleaning.plausible_years rejects its row), or take a longer demand.frequency"
        )


def _pause(dated: pl.DataFrame, calendar: Calendar, date: str) -> dict[str, int]:
    """Return the longest run of periods in which no series has demand: its first period, and how many they are.

    Raises `DataError` for one that is longer than a year and than the periods with demand: a date stands for an unknown one then.
    """
    periods = dated[_PERIOD].unique().sort().to_numpy()
    steps = np.diff(periods)
    if not len(steps) or (longest := int(steps.max())) == 1:
        return {}
    at = int(np.argmax(steps))
    before, after = calendar.last_day(int(periods[at])), calendar.first_day(int(periods[at + 1]))
    if (after - before).days > LONGEST_PAUSE and longest > int(steps.sum()) - longest:
        early = at + 1 <= len(periods) - at - 1
        far, years = (before, f"[{after.year}, 2100]") if early else (after, f"[1900, {before.year}]")
        raise DataError(
            f"{date}: no series has demand between {before} and {after}, longer than all other dates span, so that the series"
            f" would be mostly invented. If {far} stands for an unknown or mistyped date, set cleaning.plausible_years: {years}"
            " and ingest again; rows outside are then set aside"
        )
    return {"pause": longest - 1, "pause_first": int(periods[at]) + 1}


def _sum(column: pl.Expr) -> pl.Expr:
    """Null where every value is: Polars adds nothing up to 0."""
    return pl.when(column.is_not_null().any()).then(column.sum())


def _require_repeats(account: Account, keys: pl.DataFrame) -> None:
    """Raise `DataError` where what makes a series differs in every row, such as the number of an order."""
    if account.series == account.single > 1 and account.periods > 1:
        name = max(keys.columns, key=lambda each: keys[each].n_unique())
        raise DataError(
            f"none of the {account.series:,} series has demand in two periods: demand.series names columns that differ from row"
            f" to row ({name} has {keys[name].n_unique():,} values); leave such a column out"
        )


def _require_single(table: pl.DataFrame, keys: pl.DataFrame, demand: Demand) -> None:
    calendar = Calendar(demand.frequency)
    twice = table.filter(pl.col(_COUNT) > 1)
    if demand.duplicates == "refuse" and twice.height:
        row = twice.row(0, named=True)
        raise DataError(
            f"{twice.height:,} times a series has several rows in one {calendar.name}, such as {row[_COUNT]} for"
            f" {_words(keys, row[_SERIES])} in that"
            f" of {calendar.first_day(row[_PERIOD])}; set demand.duplicates: sum, mean or last, or name all columns of"
            " a series in demand.series"
        )


def _target(
    table: pl.DataFrame, demand: Demand, place: tuple[Any, Any], shape: tuple[int, int], periods: int
) -> tuple[Array, Account]:
    values = table[demand.target].to_numpy().astype(np.float64)
    values, negative = _negative(values, demand)
    full = np.full(shape, np.nan)
    full[place] = values
    has_row = np.zeros(shape, dtype=bool)
    has_row[place] = ~np.isnan(table[demand.target].to_numpy().astype(np.float64))
    full, has_row = full[:, :periods], has_row[:, :periods]
    begun = np.maximum.accumulate(has_row, axis=1)
    gaps = begun & ~has_row
    if demand.missing_periods == "zero":
        full[gaps] = 0.0
    elif demand.missing_periods == "forward_fill":
        full = _forward_filled(full)
    for name in (_CLOSED, _STOCKOUT):
        marked = np.zeros(shape, dtype=bool)
        marked[place] = table[name].to_numpy()
        full[marked[:, :periods]] = np.nan
    account = Account(
        rows=0,
        series=shape[0],
        periods=periods,
        without_row=int(gaps.sum()),
        negative=negative,
        planned=shape[1] - periods,
        single=int((has_row.sum(axis=1) <= 1).sum()),
        copied=int((gaps & ~np.isnan(full)).sum()) if demand.missing_periods == "forward_fill" else 0,
        cells=int((~np.isnan(full)).sum()),
    )
    _require_change(full, demand)
    return full, account


def _outcomes(table: pl.DataFrame, demand: Demand, last: int) -> dict[str, int]:
    """Count what became of rows, one of each series and period: each has the first of these outcomes that fits it."""
    known = pl.col(demand.target).is_not_null()
    conditions = {
        "plan_rows": pl.col(_PERIOD) > last,
        "closed": pl.col(_CLOSED),
        "stockout": pl.col(_STOCKOUT),
        "empty": ~known,
        "not_known": (pl.col(demand.target) < 0) & pl.lit(demand.negative == "missing"),
        "kept": known,
    }
    chosen = pl.coalesce([pl.when(condition).then(pl.lit(name)) for name, condition in conditions.items()])
    counts = dict(table.select(chosen.alias(_COUNT)).to_series().value_counts().iter_rows())
    return {name: counts.get(name, 0) for name in conditions}


def _require_change(target: Array, demand: Demand) -> None:
    known = target[~np.isnan(target)]
    if not len(known):
        raise DataError(f"every period of {demand.target} is closed, sold out or missing; there is nothing to learn")
    if len(known) > 1 and known.min() == known.max():
        raise DataError(f"{demand.target} is {known[0]:g} in all {len(known):,} periods of all series; there is nothing to learn")


def _negative(values: Array, demand: Demand) -> tuple[Array, int]:
    below = values < 0
    count = int(below.sum())
    if count and demand.negative == "refuse":
        raise DataError(
            f"{demand.target} is below zero in {count:,} rows, such as {values[below][0]:g}; set demand.negative: zero, missing"
            " or keep"
        )
    replaced = {"zero": 0.0, "missing": np.nan}.get(demand.negative)
    return (values if replaced is None else np.where(below, replaced, values)), count


def _known(table: pl.DataFrame, name: str, place: tuple[Any, Any], shape: tuple[int, int], demand: Demand) -> Array:
    """A flag is 0 in a period without a row; a number, such as a price, is the last one known."""
    values = np.full(shape, np.nan)
    values[place] = table[name].to_numpy().astype(np.float64)
    known = values[~np.isnan(values)]
    if not len(known):
        raise DataError(f"demand.known_ahead: {name} has no value in any row; take it out, or bring the plan")
    if np.isin(known, (0.0, 1.0)).all():
        periods = int(table.filter(pl.col(demand.target).is_not_null())[_PERIOD].max()) - int(table[_PERIOD].min()) + 1  # type: ignore[arg-type]
        values[:, :periods] = np.where(np.isnan(values[:, :periods]), 0.0, values[:, :periods])
        return values
    return _forward_filled(values)


def _presence(table: pl.DataFrame, name: str, place: tuple[Any, Any], target: Array) -> Presence:
    rows, periods = place
    inside = periods < target.shape[1]
    demand, given = target[rows[inside], periods[inside]], table[name].is_not_null().to_numpy()[inside]
    return Presence(
        sold=int((target > 0).sum()),
        sold_given=int(given[demand > 0].sum()),
        idle=int((target == 0).sum()),
        idle_given=int(given[demand == 0].sum()),
    )


def _forward_filled(values: Array) -> Array:
    """Each NaN becomes the latest known value before it in its row."""
    places = np.where(np.isnan(values), -1, np.arange(values.shape[1])[None, :])
    latest = np.maximum.accumulate(places, axis=1)
    return np.where(latest >= 0, np.take_along_axis(values, np.maximum(latest, 0), axis=1), np.nan)


def _texts(keys: pl.DataFrame, name: str) -> Any:
    return keys[name].to_numpy().astype(object)


def _static(table: pl.DataFrame, name: str, keys: pl.DataFrame) -> Any:
    """The value of each series, empty where no row has one; a static column that changes is refused."""
    found = table.group_by(_SERIES).agg(pl.col(name).drop_nulls().unique(maintain_order=True)).sort(_SERIES)
    changed = found.filter(pl.col(name).list.len() > 1)
    if changed.height:
        one, other = changed[name][0].to_list()[:2]
        what = _words(keys, changed[_SERIES][0])
        raise DataError(
            f"demand.static: {name} changes within {changed.height:,} series, such as from {one!r} to {other!r} for {what}; take"
            " it out, or name it in demand.known_ahead if it is a number that is planned"
        )
    assert found.height == keys.height  # noqa: S101 - every series has a row
    return found[name].list.first().fill_null("").to_numpy().astype(object)


def _words(keys: pl.DataFrame, series: int) -> str:
    return ", ".join(f"{name} {key!r}" for name, key in keys.row(series, named=True).items())
