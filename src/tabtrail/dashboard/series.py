"""The forecasts of many series: the deployed model's for the periods to come, its record at the origins, and the history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl

from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.rows import PayloadError
from tabtrail.dashboard.conditions import Bound
from tabtrail.dashboard.fans import Band, add_band
from tabtrail.dashboard.figures import COLOURS, finish
from tabtrail.dashboard.place import Place
from tabtrail.dashboard.wording import counted, plain, shown
from tabtrail.data.warehouse import quoted

MOST_FOUND = 50
"""Series that a choice offers at once: a page with 10,000 options is slow, and nobody reads them. A search narrows them."""
_DRAWN_ORIGINS = 3
_PAST_SEASONS, _LEAST_PAST = 6, 60
_TRUNCATED = {"D": "day", "W": "week", "MS": "month"}
_EVERY = {"D": "1d", "W": "1w", "MS": "1mo"}
_COMBINED = {"sum": "sum", "mean": "avg", "refuse": "sum"}


@dataclass(frozen=True)
class Found:
    """The names that a search found, at most `MOST_FOUND`, with their places, and how many there are in all."""

    names: tuple[tuple[str, int], ...]
    total: int


def series_name(key: Mapping[str, Any]) -> str:
    """Return a series as people read it."""
    return " · ".join(str(value) for value in key.values())


def search(names: Sequence[str], wanted: str, most: int = MOST_FOUND) -> Found:
    """Return the names that have every word of a search in them, whatever its case; the first ones where nothing is searched."""
    words = wanted.casefold().split()
    places = [place for place, name in enumerate(names) if all(word in name.casefold() for word in words)]
    return Found(tuple((names[place], place) for place in places[:most]), len(places))


@dataclass(frozen=True)
class Ahead:
    """What is known of a series and what is forecast: `past` has day and value (null where it is not known), `coming` day,
    forecast and the ends of each level's interval. `warnings` are of the model, `problem` says why there is no forecast from some
    day on.
    """

    past: pl.DataFrame
    coming: pl.DataFrame
    levels: tuple[float, ...]
    as_of: str
    warnings: tuple[str, ...]
    problem: str


def known_series(predictor: Predictor) -> list[dict[str, str]]:
    """Return the series that the deployed model knows, each as column → text."""
    demand = predictor.demand
    assert demand is not None  # noqa: S101 - the caller has a model of series
    return [dict(zip(demand.panel.series, map(str, key), strict=True)) for key in demand.history.keys]


def look_ahead(predictor: Predictor, place: int) -> Ahead:
    """Return the forecasts of a known series over the horizon of its model, by the stored plan. Where the plan ends, or lacks a
    value that has to be known, the forecasts end too.
    """
    demand = predictor.demand
    assert demand is not None  # noqa: S101
    history, calendar = demand.history, demand.panel.recipe.calendar
    key = dict(zip(demand.panel.series, map(str, history.keys[place]), strict=True))
    days = demand.days_ahead(demand.panel.recipe.horizon)
    empty = dict.fromkeys(demand.known_ahead)
    rows, problem = [], ""
    for day in days:
        try:
            rows += predictor.check([{**key, **empty, demand.panel.date: day}])
        except PayloadError as error:
            problem = f"{day}: " + "; ".join(f"{each.column} {each.message}" for each in error.problems)
            break
    found = predictor.answer(rows)
    shut = ~demand.open_in(rows) if rows else np.zeros(0, dtype=bool)
    levels = tuple(each.level for each in found[0].intervals) if found else ()
    ends = {
        f"{name}_{100 * level:g}": [
            0.0 if closed else getattr(each.intervals[at], name) for each, closed in zip(found, shut, strict=True)
        ]
        for at, level in enumerate(levels)
        for name in ("low", "high")
    }
    values = [0.0 if closed else each.value for each, closed in zip(found, shut, strict=True)]
    coming = {"day": [date.fromisoformat(each) for each in days[: len(rows)]], "forecast": values, **ends}
    periods = np.arange(history.first, history.as_of + 1)
    past = {"day": calendar.first_days(periods), "value": history.target[place]}
    said = dict.fromkeys(words for each, closed in zip(found, shut, strict=True) if not closed for words in each.warnings)
    if shut.any():
        said[f"closed by the stored plan, and 0: {counted(int(shut.sum()), demand.period_name)}"] = None
    schema = {"day": pl.Date, **dict.fromkeys(("forecast", *ends), pl.Float64)}
    return Ahead(
        pl.DataFrame(past).with_columns(pl.col("value").fill_nan(None)),
        pl.DataFrame(coming, schema=schema),
        levels,
        demand.as_of,
        tuple(said),
        problem,
    )


def ahead_figure(ahead: Ahead, name: str, unit: str, period: str) -> go.Figure:
    """Return history and forecasts of a series with the intervals of every level."""
    past = ahead.past.tail(max(_LEAST_PAST, 3 * ahead.coming.height))
    figure = go.Figure()
    # Lines and intervals begin where the history ends, so that one period ahead is seen too.
    last = past.tail(1).drop_nulls()
    begin, days = last["value"].to_list(), [*last["day"].to_list(), *ahead.coming["day"].to_list()]
    for level in sorted(ahead.levels, reverse=True):
        low, high = ([*begin, *ahead.coming[f"{end}_{100 * level:g}"].to_list()] for end in ("low", "high"))
        add_band(figure, days, Band(f"{100 * level:g} % interval", low, high))
    figure.add_scatter(
        x=past["day"].to_list(),
        y=past["value"].to_list(),
        mode="lines",
        name="history",
        line={"color": COLOURS[0]},
        hovertemplate="%{x|%Y-%m-%d}: %{y:,.4~g}",
    )
    _add_forecast(figure, pl.concat([last.rename({"value": "forecast"}), ahead.coming.select("day", "forecast")]))
    known = past.drop_nulls()
    total = float(ahead.coming["forecast"].sum())
    alt = f"{name}: history up to {ahead.as_of}"
    alt += f", last {shown(float(known['value'][-1]))} {unit}" if known.height else ""
    if ahead.coming.height:
        alt += f"; forecast of {counted(ahead.coming.height, period)} from {ahead.coming['day'][0]}, {shown(total)} {unit} in all"
        alt += "".join(
            f"; first {period} {shown(float(ahead.coming[f'low_{100 * level:g}'][0]))} to"
            f" {shown(float(ahead.coming[f'high_{100 * level:g}'][0]))} ({100 * level:g} %)"
            for level in ahead.levels[-1:]
        )
    return finish(figure, f"{name}: history and forecast", alt + ".", x=period, y=f"{unit} a {period}")


def rows_of(table: pl.LazyFrame, key: Mapping[str, str]) -> pl.DataFrame:
    """Return the rows of one series of a table with a struct `series`. Others are read over, not kept: there may be millions."""
    fits = [pl.col("series").struct.field(name) == value for name, value in key.items()]
    return table.filter(*fits).collect()


def record_figure(row: Mapping[str, Any], forecasts: pl.DataFrame, unit: str, period: str) -> go.Figure | None:
    """Return what was forecast at the latest origins, with the intervals, beside what came; None where nothing was judged.

    `row` is of `demand_series`, `forecasts` are those of its series (`demand_forecasts`).
    """
    own = forecasts.filter(pl.col("origin").is_in(_apart(forecasts))).sort("day")
    if not own.height:
        return None
    figure = go.Figure()
    named: set[str] = set()
    single = own.select("horizon").n_unique() == 1  # each origin has one period: all of them make one line
    for part in [own] if single else own.partition_by("origin", maintain_order=True):
        for level in _levels(part):
            band = Band(f"{level} % interval", part[f"low_{level}"].to_list(), part[f"high_{level}"].to_list())
            add_band(figure, part["day"].to_list(), band)
            figure.data[-1].showlegend = band.name not in named
            named.add(band.name)
        _add_forecast(figure, part, legend="forecast" not in named)
        named.add("forecast")
    figure.add_scatter(
        x=own["day"].to_list(),
        y=own["actual"].to_list(),
        mode="lines+markers",
        name="actual",
        line={"color": COLOURS[0]},
        hovertemplate="%{x|%Y-%m-%d}: %{y:,.4~g}",
    )
    for origin in () if single else own["origin"].unique().sort():
        figure.add_vline(x=origin.isoformat(), line_dash="dot", line_color=COLOURS[6])
    told = f"MAE {shown(row['mae'])} {unit} a {period}" if row["mae"] is not None else "no error is known"
    told += f", bias {row['bias']:+.0%}" if row["bias"] is not None else ""
    told += f", RMSSE {shown(row['rmsse'], 3)}" if row["rmsse"] is not None else ""
    alt = f"{series_name(row['series'])} ({row['class']}): {told} over {counted(row['cells'], f'judged {period}')}."
    alt += f" Each was forecast from the {period} before." if single else " Dotted lines are origins."
    return finish(figure, "Forecast and what came", alt, x=period, y=f"{unit} a {period}")


def models_frame(board: Mapping[str, Any]) -> pl.DataFrame:
    """Return the models of a training in its order: model, what (chosen, baseline or empty), mae, rmse, wape, bias (shares),
    rmsse, mase.
    """
    numbers = ("mae", "rmse", "wape", "bias", "rmsse", "mase")
    rows = [
        {
            "model": each["model"],
            "what": "chosen" if each["model"] == board["champion"] else "baseline" if each["baseline"] else "",
            **{name: each.get(name) for name in numbers},
        }
        for each in board["models"]
    ]
    return pl.DataFrame(rows, schema={"model": pl.String, "what": pl.String, **dict.fromkeys(numbers, pl.Float64)})


def horizon_figure(scores: pl.DataFrame, names: Sequence[str], unit: str, period: str) -> go.Figure | None:
    """Return the mean absolute error by periods ahead of some models; None for a horizon of one."""
    own = scores.filter(pl.col("split") == "horizon", pl.col("model").is_in(list(names)), pl.col("mae").is_not_null())
    if own.select("part").n_unique() < 2:
        return None
    figure, told = go.Figure(), []
    for place, name in enumerate(names):
        part = own.filter(pl.col("model") == name).with_columns(step=pl.col("part").cast(pl.Int64)).sort("step")
        if part.height:
            dash = "solid" if place == 0 else "dash"
            figure.add_scatter(
                x=part["step"].to_list(), y=part["mae"].to_list(), mode="lines+markers", name=plain(name), line={"dash": dash}
            )
            told.append(f"{name} from {shown(float(part['mae'][0]))} to {shown(float(part['mae'][-1]))}")
    figure.update_yaxes(rangemode="tozero")
    alt = f"MAE by {period}s ahead: {'; '.join(told)}."
    return finish(figure, "Error by horizon", alt, x=f"{period}s ahead", y=f"MAE, {unit}")


def coverage_words(board: Mapping[str, Any]) -> str:
    """Say what share of later values each interval held, over all horizons; empty where nothing was measured."""
    levels = (board.get("intervals") or {}).get("levels") or ()
    told = [f"the {100 * each['level']:g} % interval held {100 * each['coverage']:.1f} %" for each in levels if each["coverage"]]
    return f"Of later values, {' and '.join(told)}, over all horizons." if told else ""


def coverage_figure(board: Mapping[str, Any], period: str) -> go.Figure | None:
    """Return what share of later values each interval held, by periods ahead; None for a horizon of one, and where nothing was
    measured.
    """
    figure = go.Figure()
    for each in (board.get("intervals") or {}).get("levels") or ():
        known = [(step, 100 * one["coverage"]) for step, one in enumerate(each["by_horizon"], 1) if one["coverage"] is not None]
        if len(known) > 1:
            name = f"{100 * each['level']:g} % interval"
            figure.add_scatter(x=[step for step, _ in known], y=[value for _, value in known], mode="lines+markers", name=name)
            figure.add_hline(y=100 * each["level"], line_dash="dot", line_color=COLOURS[6])
    if not figure.data:
        return None
    figure.update_yaxes(range=[min(50.0, *(min(each.y) for each in figure.data)) - 2, 102])
    alt = f"{coverage_words(board)} Dotted is what is wanted."
    return finish(figure, "Coverage of the intervals", alt, x=f"{period}s ahead", y="% of the values held")


def history_frame(at: Place, key: Mapping[str, str]) -> pl.DataFrame:
    """Return the whole history of a series from the data: day (first of its period) and value (units of the target a period),
    with the periods between its first and last row that have none as the config says (`demand.missing_periods`). No rows where
    the config takes the last of several rows of a period: the dataset does not say which that is.
    """
    demand, day = at.config.demand, at.config.cleaning.date_column
    assert demand is not None and day is not None  # noqa: S101, PT018 - a demand has a date
    if demand.duplicates == "last":
        return pl.DataFrame(schema={"day": pl.Date, "value": pl.Float64})
    moment = f"CAST(date_trunc('{_TRUNCATED[demand.frequency]}', {quoted(day)}) AS DATE)"
    target = quoted(demand.target)
    combined = f"{_COMBINED[demand.duplicates]}({target})"
    bound = Bound()
    wanted = [f"{quoted(name)} = {bound.name(value)}" for name, value in key.items() if name in demand.series]
    where = " AND ".join([*wanted, f"{target} IS NOT NULL", f"{quoted(day)} IS NOT NULL"])
    sql = f"SELECT {moment} AS day, CAST({combined} AS DOUBLE) AS value FROM {at.table} WHERE {where} GROUP BY 1 ORDER BY 1"
    rows = at.ask(sql, bound)
    if not rows.height:
        return rows
    every = rows.upsample("day", every=_EVERY[demand.frequency])
    if demand.missing_periods == "zero":
        return every.with_columns(pl.col("value").fill_null(0.0))
    return every.with_columns(pl.col("value").forward_fill()) if demand.missing_periods == "forward_fill" else every


def rolling_figure(history: pl.DataFrame, name: str, window: int, unit: str, period: str) -> go.Figure:
    """Return a history with its rolling mean and standard deviation over so many periods, of which half have to be known."""
    least = max(1, window // 2)
    rolled = history.with_columns(
        mean=pl.col("value").rolling_mean(window, min_samples=least),
        std=pl.col("value").rolling_std(window, min_samples=max(2, least)),
    )
    figure = go.Figure()
    drawn = (
        (COLOURS[4], 1, "value", name),
        (COLOURS[5], 2, "mean", f"mean of {window} {period}s"),
        (COLOURS[2], 1, "std", "their standard deviation"),
    )
    for colour, width, column, label in drawn:
        dash = "dot" if column == "std" else "solid"
        line = {"color": colour, "width": width, "dash": dash}
        own = rolled[column].to_list()
        figure.add_scatter(
            x=rolled["day"].to_list(),
            y=own,
            mode="lines",
            name=plain(label),
            line=line,
            hovertemplate="%{x|%Y-%m-%d}: %{y:,.4~g}",
        )
    last = rolled.drop_nulls("mean").tail(1)
    told = f"{name}: {rolled.height:,} {period}s from {rolled['day'][0]} to {rolled['day'][-1]}"
    told += f"; at the end the mean of {window} {period}s is {shown(float(last['mean'][0]))} {unit}" if last.height else ""
    return finish(figure, f"{name}: history and rolling mean", told + ".", x=period, y=f"{unit} a {period}")


def _add_forecast(figure: go.Figure, frame: pl.DataFrame, *, legend: bool = True) -> None:
    figure.add_scatter(
        x=frame["day"].to_list(),
        y=frame["forecast"].to_list(),
        mode="lines+markers",
        name="forecast",
        showlegend=legend,
        line={"dash": "dash", "color": COLOURS[5]},
        hovertemplate="%{x|%Y-%m-%d}: %{y:,.4~g}",
    )


def _apart(forecasts: pl.DataFrame) -> list[date]:
    """Return the latest origins whose forecasts do not overlap: three, or where each forecasts one period, thirty."""
    spans = forecasts.group_by("origin").agg(first=pl.col("day").min(), last=pl.col("day").max()).sort("origin", descending=True)
    most = _DRAWN_ORIGINS if forecasts.select("horizon").n_unique() > 1 else 10 * _DRAWN_ORIGINS
    chosen: list[tuple[date, date]] = []
    for origin, first, last in spans.iter_rows():
        if not chosen or (len(chosen) < most and last < chosen[-1][1]):
            chosen.append((origin, first))
    return sorted(origin for origin, _ in chosen)


def _levels(forecasts: pl.DataFrame) -> list[str]:
    names = [name.removeprefix("low_") for name in forecasts.columns if name.startswith("low_")]
    return sorted((name for name in names if not forecasts[f"low_{name}"].has_nulls()), key=float, reverse=True)
