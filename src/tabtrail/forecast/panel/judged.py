"""What the origins of a training found, as tables: forecasts beside what came, scores by horizon and class, and every series."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from tabtrail.bundle.demand.features import Array
from tabtrail.bundle.demand.intervals import Bounds, demand_classes, levels_of
from tabtrail.forecast.panel.evaluate import Evaluated, best_baseline, judged_periods, money_of, observed, scales_at
from tabtrail.forecast.panel.panel import Panel, Rows
from tabtrail.forecast.panel.scores import Scales, by_group, series_classes
from tabtrail.forecast.panel.task import Task, Trained

# Of the largest and of the worst series each: what fits one row of small pictures twice.
_DRAWN = 4
_DRAWN_ORIGINS = 3
# Four weeks of days; of weeks and months a year and four years: seasons can be seen, and single periods too.
_SEASONS_BEFORE, _MOST_BEFORE = 4, 56


@dataclass(frozen=True)
class Judged:
    """Tables of a training. A series is a struct of the columns that make it.

    - `forecasts`: series, origin, day, horizon, actual (null where it is not known), forecast of the chosen model, baseline (the
      forecast of the best one), and the ends of each level's interval where there are any; a row for each judged period. Origin
      and day are first days of periods.
    - `scores`: model, baseline, split (`all`, `horizon`, `class`), part, and every metric.
    - `series`: series, class, cells, demand, forecast, mae, rmsse, bias, and of those that are drawn `drawn` (`largest`, `worst`)
      with the actual values from the day `since` on.
    """

    forecasts: pl.DataFrame
    scores: pl.DataFrame
    series: pl.DataFrame

    def tables(self) -> dict[str, pl.DataFrame]:
        """Return each table by the name that it has in the database."""
        return {"demand_forecasts": self.forecasts, "demand_scores": self.scores, "demand_series": self.series}


def judged(task: Task, trained: Trained) -> Judged:
    """Return the tables of a training."""
    classes = series_classes(task.panel, task.origins.places[0])
    return Judged(_forecasts(task, trained), _scores(task, trained, classes), _series(task, trained.chosen, classes))


def series_struct(panel: Panel, rows: Rows | None = None) -> pl.Series:
    """Return the series (or those at places [rows]) as structs of the columns that make one."""
    chosen = np.arange(panel.count) if rows is None else rows
    return pl.DataFrame({name: panel.static[name][chosen].astype(str) for name in panel.series}).to_struct("series")


def _forecasts(task: Task, trained: Trained) -> pl.DataFrame:
    panel, origins = task.panel, task.origins
    calendar, width = panel.calendar, origins.horizon
    steps = np.arange(origins.gap + 1, origins.gap + width + 1)
    places = np.repeat(np.asarray(origins.places, dtype=np.int64), width)
    ahead = np.tile(steps, len(origins.places))
    count, periods = panel.count, len(places)
    choice = task.demand.choice
    baseline = best_baseline(trained.evaluated, choice.metric, choice.max_bias)
    unknown = np.full((count, periods), np.nan)
    return pl.DataFrame(
        {
            "series": series_struct(panel, np.repeat(np.arange(count), periods)),
            "origin": np.tile(calendar.first_days(places + panel.first), count),
            "day": np.tile(calendar.first_days(places + panel.first + ahead), count),
            "horizon": np.tile(ahead, count),
            "actual": observed(panel, origins).ravel(),
            "forecast": trained.chosen.forecast.ravel(),
            "baseline": (unknown if baseline is None else baseline.forecast).ravel(),
            **_bounds(task, trained),
        }
    ).with_columns(pl.col(pl.Float64).fill_nan(None))


def _bounds(task: Task, trained: Trained) -> dict[str, Array]:
    """Return the ends of each level's intervals [series × origins × horizon], `low_80` and `high_80`; none without intervals.

    They are those that the bundle begins with, which was calibrated at some of these origins.
    """
    intervals, recipe, origins = trained.intervals, task.recipe, task.origins
    if intervals is None:
        return {}
    pasts = [task.panel.target[:, max(0, place + 1 - recipe.past) : place + 1] for place in origins.places]
    sizes = np.stack([levels_of(each, recipe.level_window) for each in pasts], axis=1)
    kinds = np.stack([demand_classes(each) for each in pasts], axis=1)
    steps = np.tile(np.arange(origins.gap + 1, origins.gap + origins.horizon + 1), sizes.size)
    level, kind = np.repeat(sizes.ravel(), origins.horizon), np.repeat(kinds.ravel(), origins.horizon)
    ahead = slice(origins.gap, origins.gap + origins.horizon)
    own = [each[:, ahead] for each in trained.quantiles]
    quantiles = np.concatenate(own, axis=1).reshape(steps.size, -1) if own else None
    low, high = Bounds(intervals, intervals.allowed).of(trained.chosen.forecast.ravel(), steps, level, kind, quantiles)
    ends = {"low": low, "high": high}
    return {
        f"{name}_{100 * each:g}": ends[name][:, place] for place, each in enumerate(intervals.levels) for name in ("low", "high")
    }


def _scores(task: Task, trained: Trained, classes: list[str]) -> pl.DataFrame:
    actual, scale = observed(task.panel, task.origins), scales_at(task.panel, task.origins)
    groups = {name: np.flatnonzero(np.asarray(classes) == name) for name in sorted(set(classes))}
    money = money_of(task.panel, task.demand.price)
    prices = None if money is None else judged_periods(money, task.origins)
    rows = []
    for each in trained.evaluated:
        own = {"model": each.name, "baseline": each.baseline}
        rows.append({**own, "split": "all", "part": "all", **each.scores})
        steps = enumerate(each.by_horizon, task.origins.gap + 1)
        rows += [{**own, "split": "horizon", "part": str(step), **scores} for step, scores in steps]
        found = by_group(actual, each.forecast, scale, groups, prices)
        rows += [{**own, "split": "class", "part": name, **scores} for name, scores in found.items()]
    return pl.DataFrame(rows, infer_schema_length=None)


def _series(task: Task, chosen: Evaluated, classes: list[str]) -> pl.DataFrame:
    panel = task.panel
    own = _errors(observed(panel, task.origins), chosen.forecast, scales_at(panel, task.origins))
    table = pl.DataFrame({"series": series_struct(panel), "class": classes, **own}).with_columns(
        pl.col(pl.Float64).fill_nan(None)
    )
    drawn = _drawn(table)
    start = max(0, task.origins.places[-_DRAWN_ORIGINS:][0] + 1 - min(_SEASONS_BEFORE * panel.calendar.season, _MOST_BEFORE))
    recent = [panel.target[place, start:].tolist() if kind else None for place, kind in enumerate(drawn)]
    return table.with_columns(
        pl.Series("drawn", drawn, dtype=pl.String),
        pl.Series("recent", recent, dtype=pl.List(pl.Float64)),
        since=pl.lit(panel.calendar.first_day(panel.first + start)),
    )


def _errors(actual: Array, forecast: Array, scale: Scales) -> dict[str, Array]:
    """Errors of each series [series] over its judged periods; NaN where none is known."""
    known = ~(np.isnan(actual) | np.isnan(forecast))
    error = np.where(known, forecast - actual, 0.0)
    cells, size = known.sum(axis=1), np.where(known, np.abs(actual), 0.0).sum(axis=1)
    with np.errstate(all="ignore"):
        mae, square = np.abs(error).sum(axis=1) / cells, (error**2).sum(axis=1) / cells
        rmsse = np.where(scale.square > 0, np.sqrt(square / scale.square), np.nan)
        bias = np.where(size > 0, error.sum(axis=1) / size, np.nan)
    total = np.where(known, forecast, 0.0).sum(axis=1)
    return {"cells": cells, "demand": size, "forecast": total, "mae": mae, "rmsse": rmsse, "bias": bias}


def _drawn(table: pl.DataFrame) -> list[str | None]:
    """Return for each series whether it is drawn as one of the largest, or else as one of the worst (by RMSSE, then by MAE)."""
    known = table.with_row_index("place").filter(pl.col("cells") > 0)
    largest = known.sort("demand", "place", descending=[True, False]).head(_DRAWN)["place"].to_list()
    others = known.filter(~pl.col("place").is_in(largest))
    order = ["rmsse", "mae", "place"]
    worst = others.sort(order, descending=[True, True, False], nulls_last=True).head(_DRAWN)["place"].to_list()
    kinds = {**dict.fromkeys(worst, "worst"), **dict.fromkeys(largest, "largest")}
    return [kinds.get(place) for place in range(table.height)]
