"""The rows by what is chosen of them: totals, categories, time, distributions, gaps, and the rows themselves. All are counted by
SQL over every row; only what is drawn point by point is a sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from tabtrail.dashboard.filters import Selection
from tabtrail.dashboard.panels import Fact
from tabtrail.dashboard.place import Place
from tabtrail.dashboard.wording import shown
from tabtrail.data.warehouse import quoted
from tabtrail.workflows.page_files import page_settings

Function = Literal["sum", "avg", "median", "min", "max", "count"]
Step = Literal["year", "quarter", "month", "week", "day"]
FUNCTIONS: dict[Function, str] = {
    "sum": "Sum",
    "avg": "Mean",
    "median": "Median",
    "min": "Least",
    "max": "Largest",
    "count": "Number",
}
STEPS: dict[Step, str] = {"year": "1y", "quarter": "1q", "month": "1mo", "week": "1w", "day": "1d"}
"""Each period with its length as Polars writes it."""
_EMPTY_IS_ZERO = ("sum", "count")
_BINS = 40
SAMPLE_SEED = 42


@dataclass(frozen=True)
class Measure:
    """What is computed of rows: a function of a column of numbers; `count` is of the rows themselves."""

    function: Function
    column: str

    @property
    def sql(self) -> str:
        return "count(*)" if self.function == "count" else f"{self.function}(CAST({quoted(self.column)} AS DOUBLE))"

    def label(self, at: Place) -> str:
        """Return what is measured, with its unit."""
        if self.function == "count":
            return "Rows"
        return f"{FUNCTIONS[self.function]} of {label_of(at, self.column)}"


@dataclass(frozen=True)
class Ranked:
    """The largest categories (name, value, rows), and how many more there are with how many rows."""

    table: pl.DataFrame
    more: int
    more_rows: int


def label_of(at: Place, column: str) -> str:
    """Return name and unit of a column, its name where no unit is known."""
    return page_settings(at.config).label(column)


def number_columns(at: Place) -> list[str]:
    """Return the columns of numbers, the target first."""
    columns, target = at.config.columns, at.config.model.target
    names = [name for name in columns.dataset if columns.is_number(name)]
    return sorted(names, key=lambda name: name != target)


def totals(at: Place, selection: Selection) -> list[Fact]:
    """Return how many rows are chosen, and sum, mean and median of their target."""
    where, bound = selection.where()
    target = f"CAST({quoted(at.config.model.target)} AS DOUBLE)"
    sums = f"sum({target}) FILTER (WHERE {where})"
    sql = f"""
        SELECT count(*) AS all_rows, count(*) FILTER (WHERE {where}) AS rows, {sums} AS total,
               avg({target}) FILTER (WHERE {where}) AS mean, median({target}) FILTER (WHERE {where}) AS median
        FROM {at.table}
    """
    found = at.ask(sql, bound).row(0, named=True)
    share = shown(found["rows"] / found["all_rows"], 3, percent=True) if found["all_rows"] else "–"
    unit = f" {at.config.model.currency}" if at.config.model.currency else ""
    name = at.config.model.target
    figures = [(f"Sum of {name}", found["total"]), (f"Mean of {name}", found["mean"]), (f"Median of {name}", found["median"])]
    return [
        Fact("Rows", f"{found['rows']:,}", f"{share} of {found['all_rows']:,}"),
        *(Fact(label, "–" if value is None else f"{shown(value)}{unit}") for label, value in figures),
    ]


def ranked(at: Place, selection: Selection, column: str, measure: Measure, most: int = 15) -> Ranked:
    """Return the categories of a column with the largest values of a measure."""
    where, bound = selection.where()
    grouped = f"""
        SELECT {quoted(column)} AS name, {measure.sql} AS value, count(*) AS rows
        FROM {at.table} WHERE {where} GROUP BY ALL
    """
    sql = f"""
        SELECT *, count(*) OVER () AS categories, sum(rows) OVER () AS all_rows FROM ({grouped})
        ORDER BY value DESC NULLS LAST, name LIMIT {most:d}
    """
    found = at.ask(sql, bound)
    if found.is_empty():
        return Ranked(found.select("name", "value", "rows"), 0, 0)
    categories, rows = int(found["categories"][0]), int(found["all_rows"][0])
    return Ranked(found.select("name", "value", "rows"), categories - found.height, rows - int(found["rows"].sum()))


def over_time(at: Place, selection: Selection, measure: Measure, *, step: Step, window: int) -> pl.DataFrame:
    """Return a measure by period: `period` (its first day), `value`, `rows`, and `rolling`, the mean of `window` periods.

    Periods without rows are there too: with 0 where the measure is a sum or a number, else empty. Rows without a date are not.
    """
    date = quoted(str(at.config.cleaning.date_column))
    where, bound = selection.where()
    sql = f"""
        SELECT CAST(date_trunc('{step}', {date}) AS DATE) AS period, CAST({measure.sql} AS DOUBLE) AS value, count(*) AS rows
        FROM {at.table} WHERE {date} IS NOT NULL AND {where} GROUP BY 1 ORDER BY 1
    """
    found = at.ask(sql, bound)
    if found.is_empty():
        return found.with_columns(rolling=pl.lit(None, pl.Float64))
    every = found.set_sorted("period").upsample("period", every=STEPS[step]).with_columns(pl.col("rows").fill_null(0))
    if measure.function in _EMPTY_IS_ZERO:
        every = every.with_columns(pl.col("value").fill_null(0.0))
    return every.with_columns(rolling=pl.col("value").rolling_mean(window))


def distribution(at: Place, selection: Selection, column: str) -> pl.DataFrame:
    """Return how many rows have values of a number in equally wide ranges: `low` (inclusive), `high`, `rows`. Of whole numbers
    over a short range each has its own.
    """
    where, bound = selection.where()
    number = f"CAST({quoted(column)} AS DOUBLE)"
    finite = f"{where} AND isfinite({number})"
    low, high = at.ask(f"SELECT min({number}), max({number}) FROM {at.table} WHERE {finite}", bound).row(0)
    if low is None:
        return pl.DataFrame(schema={"low": pl.Float64, "high": pl.Float64, "rows": pl.Int64})
    whole = at.config.columns.kind(column) == "int" and high - low < _BINS
    bins = int(high - low) + 1 if whole else 1 if low == high else _BINS
    width = 1.0 if whole or low == high else (high - low) / bins
    sql = f"""
        SELECT least(CAST(floor(({number} - $low) / $width) AS BIGINT), {bins - 1}) AS place, count(*) AS rows
        FROM {at.table} WHERE {finite} GROUP BY 1
    """
    counted = at.ask(sql, {**bound, "low": low, "width": width})
    every = pl.DataFrame({"place": range(bins)}, schema={"place": pl.Int64}).join(counted, on="place", how="left")
    return every.sort("place").select(
        low=low + pl.col("place") * width, high=low + (pl.col("place") + 1) * width, rows=pl.col("rows").fill_null(0)
    )


def gaps(at: Place, selection: Selection, most: int = 40) -> pl.DataFrame:
    """Return the share (0 to 1) of missing values: `period` (the year, null without dates), `column`, `share` and counts.

    What cleaning filled counts as missing. Of columns with gaps the `most` that have most; no rows where none has.
    """
    names = at.config.columns.dataset
    where, bound = selection.where()
    date = at.config.cleaning.date_column
    period = "NULL" if date is None else f"year({quoted(date)})"
    cleaning = at.config.cleaning
    filled = {name: f" OR {quoted(name)} = {bound.name(cleaning.fill_value)}" for name in cleaning.fill_unknown_columns}
    gone = (f"{quoted(name)} IS NULL{filled.get(name, '')}" for name in names)
    counts = ", ".join(f"count(*) FILTER (WHERE {each}) AS n{place}" for place, each in enumerate(gone))
    found = at.ask(
        f"SELECT {period} AS period, count(*) AS rows, {counts} FROM {at.table} WHERE {where} GROUP BY 1 ORDER BY 1", bound
    )
    totals = {name: int(found[f"n{place}"].sum()) for place, name in enumerate(names)}
    kept = sorted((name for name in names if totals[name]), key=lambda name: -totals[name])[:most]
    tables = [
        found.select("period", pl.lit(name).alias("column"), pl.col(f"n{names.index(name)}").alias("missing"), "rows")
        for name in kept
    ]
    empty = pl.DataFrame(schema={"period": pl.Int64, "column": pl.String, "missing": pl.Int64, "rows": pl.Int64})
    return pl.concat(tables or [empty]).with_columns(share=pl.col("missing") / pl.col("rows"))


def sampled(at: Place, selection: Selection, columns: Sequence[str], most: int) -> tuple[pl.DataFrame, int]:
    """Return at most so many rows of some columns of numbers, drawn at random by a fixed seed, and of how many they are."""
    where, bound = selection.where()
    there = " AND ".join([where, *(f"{quoted(name)} IS NOT NULL" for name in columns)])
    named = ", ".join(f"CAST({quoted(name)} AS DOUBLE) AS c{place}" for place, name in enumerate(columns))
    rows = int(at.ask(f"SELECT count(*) FROM {at.table} WHERE {there}", bound).item())
    drawn = f"USING SAMPLE reservoir({most:d} ROWS) REPEATABLE ({SAMPLE_SEED})"
    return at.ask(f"SELECT * FROM (SELECT {named} FROM {at.table} WHERE {there}) {drawn}", bound), rows


def first_rows(at: Place, selection: Selection, most: int) -> pl.DataFrame:
    """Return the first rows that are chosen, with all columns. They are read at each call: they may be many."""
    where, bound = selection.where()
    names = ", ".join(map(quoted, at.config.columns.dataset))
    return at.fetch(f"SELECT {names} FROM {at.table} WHERE {where} LIMIT {most:d}", bound)


def words_of(at: Place, selection: Selection) -> str:
    """Return a selection as people say it."""
    parts = [
        f"{column} is {' or '.join('missing' if value is None else str(value) for value in values)}"
        for column, values in selection.values
    ]
    conditions = {condition: name for name, condition in at.config.model.strata.items()}
    strata = [conditions.get(each, each) for each in selection.conditions]
    parts += [f"in {' or '.join(strata)}"] if strata else []
    parts += [f"from {selection.since:%Y-%m-%d}"] if selection.since else []
    parts += [f"to {selection.until:%Y-%m-%d}"] if selection.until else []
    return "; ".join(parts) or "all rows"
