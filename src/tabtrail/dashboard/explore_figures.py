"""The rows as charts."""

import calendar
from datetime import date

import plotly.graph_objects as go
import polars as pl

from tabtrail.dashboard.explore import Ranked, Step
from tabtrail.dashboard.figures import COLOURS, bars, columns, finish, lines
from tabtrail.dashboard.panels import cell
from tabtrail.dashboard.wording import plain, shown
from tabtrail.report.figures import are_years

_MONTHS = range(1, 13)


def ranked_figure(found: Ranked, column: str, label: str) -> go.Figure:
    """Return the largest categories as bars."""
    names = ["(missing)" if name is None else str(name) for name in found.table["name"]]
    values = found.table["value"].to_list()
    top = f"{names[0]} is first with {cell(values[0])}" if names else "no row is chosen"
    more = f"; {found.more:,} more categories with {found.more_rows:,} rows are not drawn" if found.more else ""
    return bars(names, values, f"{label} by {column}", f"{top}{more}.", unit=label, by=column)


def time_figure(found: pl.DataFrame, label: str, step: Step, window: int) -> go.Figure:
    """Return a measure over time with its rolling mean."""
    named = {f"by {step}": found["value"].to_list(), f"mean of {window} {step}s": found["rolling"].to_list()}
    return lines(found["period"].to_list(), named, f"{label} by {step}", _time_words(found, step), x=step, y=label)


def years_figure(found: pl.DataFrame, label: str) -> go.Figure:
    """Return a measure by year as columns."""
    years = [f"{period:%Y}" for period in found["period"]]
    figure = columns(years, found["value"].to_list(), f"{label} by year", _time_words(found, "year"), x="year", y=label)
    return figure.update_xaxes(type="category")


def months_figure(found: pl.DataFrame, label: str) -> go.Figure:
    """Return a measure by month of the year, a line for each of the newest years, so that years can be compared."""
    years = found["period"].dt.year().unique().sort().tail(len(COLOURS)).to_list()
    values = {(period.year, period.month): value for period, value in found.select("period", "value").iter_rows()}
    named = {str(year): [values.get((year, month)) for month in _MONTHS] for year in years}
    words = f"A line for each year from {years[0]} to {years[-1]}." if years else "No row with a date is chosen."
    figure = lines(
        [calendar.month_abbr[month] for month in _MONTHS], named, f"{label} by month, year by year", words, x="month", y=label
    )
    return figure.update_traces(mode="lines+markers")  # a year with one month is a point


def distribution_figure(found: pl.DataFrame, label: str) -> go.Figure:
    """Return how many rows have which values, as columns that touch one another."""
    middles, widths = (found["low"] + found["high"]) / 2, (found["high"] - found["low"]).to_list()
    whole = widths and all(width == 1.0 for width in widths)
    places = found["low"].to_list() if whole else middles.to_list()
    figure = go.Figure(
        go.Bar(x=places, y=found["rows"].to_list(), width=widths, hovertemplate="%{x:,.4~g}: %{y:,}<extra></extra>")
    )
    if found.is_empty():
        return finish(figure, f"Distribution of {label}", "No row is chosen.", x=label, y="rows")
    years = bool(whole) and are_years(found["low"][0], found["low"][-1])
    least, largest, most = ((f"{each:.0f}" if years else shown(each)) for each in _told(found))
    where = most if whole else f"{most} to {shown(found['high'][int(found['rows'].arg_max() or 0)])}"
    words = f"{found['rows'].sum():,} rows from {least} to {largest}; most of them ({max(found['rows'].to_list()):,}) at {where}."
    return finish(figure, f"Distribution of {label}", words, x=label, y="rows").update_xaxes(separatethousands=not years)


def _told(found: pl.DataFrame) -> tuple[float, float, float]:
    """Least and largest value, and where most rows are."""
    return found["low"][0], found["high"][-1], found["low"][int(found["rows"].arg_max() or 0)]


def gaps_figure(found: pl.DataFrame) -> go.Figure:
    """Return where values are missing: columns by years, or columns alone without dates."""
    names = found["column"].unique(maintain_order=True).to_list()
    periods = sorted(found["period"].drop_nulls().unique().to_list())
    if not periods:
        shares = [100 * share for share in found["share"]]
        return bars(names, shares, "Missing values", _gap_words(found), unit="% of the rows", by="column")
    by_place = {(row["column"], row["period"]): row for row in found.iter_rows(named=True)}
    shares = [[_share(by_place.get((name, period))) for period in periods] for name in names]
    figure = go.Figure(
        go.Heatmap(
            x=[str(period) for period in periods],
            y=[plain(name) for name in names],
            z=shares,
            zmin=0,
            zmax=100,
            colorscale="Blues",
            colorbar={"title": "%", "thickness": 10},
            hovertemplate="%{y} in %{x}: %{z:.3~g} % missing<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", type="category").update_xaxes(type="category")
    return finish(
        figure, "Missing values, % of the rows of a year", _gap_words(found), x="year", y="", height=200 + 26 * len(names)
    )


def scatter_figure(found: pl.DataFrame, rows: int, labels: tuple[str, str]) -> go.Figure:
    """Return two columns against one another; the picture says when it is a sample."""
    figure = go.Figure(
        go.Scattergl(x=found["c0"].to_list(), y=found["c1"].to_list(), mode="markers", marker={"size": 4, "opacity": 0.6})
    )
    drawn = f"{found.height:,} of {rows:,} rows, drawn at random" if found.height < rows else f"all {rows:,} rows"
    title = f"{labels[1]} against {labels[0]} ({'a sample' if found.height < rows else 'all rows'})"
    return finish(figure, title, f"Each point is a row: {drawn}.", x=labels[0], y=labels[1])


def _time_words(found: pl.DataFrame, step: Step) -> str:
    known = found.filter(pl.col("value").is_not_null())
    if known.is_empty():
        return "No row with a date is chosen."
    most = known.row(int(known["value"].arg_max() or 0), named=True)
    first, last = known["period"][0], known["period"][-1]
    empty = found.filter(pl.col("rows") == 0).height
    gaps = f" In {empty:,} {step}s there is no row." if empty else ""
    peak = f"largest in {_period(most['period'], step)}: {shown(most['value'])}"
    return f"From {_period(first, step)} to {_period(last, step)}; {peak}.{gaps}"


def _period(first: date, step: Step) -> str:
    """Return what a period is called, by its first day."""
    if step == "quarter":
        return f"{first:%Y}-Q{(first.month + 2) // 3}"
    return f"{first:{'%Y' if step == 'year' else '%Y-%m' if step == 'month' else '%Y-%m-%d'}}"


def _gap_words(found: pl.DataFrame) -> str:
    if found.is_empty():
        return "No value is missing in the rows that are chosen."
    by_column = found.group_by("column", maintain_order=True).agg(pl.col("missing").sum(), pl.col("rows").sum())
    name, missing, rows = by_column.row(0)
    return f"{name} lacks most values: {missing:,} of {rows:,} ({shown(missing / rows, 3, percent=True)})."


def _share(row: dict[str, float] | None) -> float | None:
    return None if row is None else 100 * row["share"]
