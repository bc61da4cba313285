"""Forecasts of rows by a fitted model: each row by itself, or one period after another where the model is recursive."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabtrail.bundle.demand.expander import Expander
from tabtrail.bundle.demand.expander import Panel as PanelInputs
from tabtrail.bundle.demand.features import Array, FeatureRecipe
from tabtrail.bundle.demand.recursion import OwnForecasts
from tabtrail.forecast.panel.evaluate import Origins
from tabtrail.forecast.panel.history import history_of
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.rows import Points, chunks, frame
from tabtrail.modeling.proof import Tried

Predict = Callable[[pd.DataFrame], Array]
"""Predictions [rows] of features and static columns."""
_NO_NUMBER = 1e9  # the difference that is stated where one side is not a number
_PREDICTED = 65_536  # rows whose features are in memory at once


def forecast_points(predict: Predict, panel: Panel, points: Points, *, recipe: FeatureRecipe, texts: tuple[str, ...]) -> Array:
    """Return the forecast of each row [rows], in units of the target, by what was known at its origin."""
    if not recipe.recursive:
        parts = [_predicted(predict, frame(panel, recipe, part, texts)) for part in chunks(points, _PREDICTED)]
        return np.concatenate(parts) if parts else np.zeros(0)
    found = np.empty(len(points))
    for origin in np.unique(points.origin):
        rows = np.flatnonzero(points.origin == origin)
        series, which = np.unique(points.series[rows], return_inverse=True)
        path = _path(predict, panel.until(origin).take(series), int(points.horizon[rows].max()), recipe, texts)
        found[rows] = path[which, points.horizon[rows] - 1]
    return found


def _path(predict: Predict, known: Panel, steps: int, recipe: FeatureRecipe, texts: tuple[str, ...]) -> Array:
    """Forecast [series, steps] after the end of a panel, each period with the forecasts before it as if they had come."""
    past = known.periods
    target = _padded(known.target, past + steps)
    values = {name: _padded(each, past + steps) for name, each in known.known.items()}
    for name in recipe.lagged:  # not known ahead: nothing after the origin is read of them
        values[name][:, past:] = np.nan
    for step in range(steps):
        panel = replace(known, target=target[:, : past + step], known=values)
        rows = frame(panel, recipe, Points.at(panel, panel.periods - 1, range(1, 2)), texts)
        target[:, past + step] = _predicted(predict, rows)
    return target[:, past:]


def _predicted(predict: Predict, rows: pd.DataFrame) -> Array:
    return np.asarray(predict(rows), dtype=np.float64).ravel()


def _padded(values: Array, periods: int) -> Array:
    """A copy of values [series, at least so many periods], NaN where nothing was."""
    more = max(periods - values.shape[1], 0)
    return np.concatenate([values, np.full((len(values), more), np.nan)], axis=1)


def prove_recursion(
    predict: Predict, graph: Predict, panel: Panel, inputs: PanelInputs, *, origins: Origins, scale: float
) -> tuple[Tried, Tried]:
    """Compare what is served (a stored history, and one call of the graph a period) with Python on every row that is judged at
    the origins, in units of `scale`: step by step, from the same features; and as a whole, each with its own forecasts before.

    As a whole a row may differ by more: by its last bits, a forecast that is fed back can cross a threshold of a tree.
    """
    recipe, horizons = inputs.recipe, range(1, inputs.recipe.horizon + 1)
    steps, wholes = [], []
    for origin in origins.places:
        points = Points.at(panel, origin, horizons)
        history = history_of(panel.until(origin), recipe, "", "", {})
        own = OwnForecasts(Expander(inputs, history), lambda feed: graph(_frame(feed)))
        own.reach(np.arange(panel.count, dtype=np.int64))
        planned = {name: panel.known[name][points.series, points.target] for name in (*recipe.flags, *recipe.prices)}
        rows = _frame(own.feed(points.series, points.target + panel.first, planned))
        served = graph(rows)
        steps.append(served - _predicted(predict, rows))
        wholes.append(served - forecast_points(predict, panel, points, recipe=recipe, texts=inputs.texts))
    return _tried(steps, panel.count, scale), _tried(wholes, panel.count, scale)


def _tried(found: list[Array], series: int, scale: float) -> Tried:
    """Differences [origins][series × horizons] as one class of rows."""
    differences = np.abs(np.concatenate(found)) / scale
    differences[~np.isfinite(differences)] = _NO_NUMBER
    index, horizon = int(np.argmax(differences)), len(found[0]) // series
    worst = (
        f"series {index // horizon % series}, horizon {index % horizon + 1}, at judged origin {index // horizon // series + 1}"
    )
    often = float(np.quantile(differences, 0.999, method="higher"))
    return Tried(len(differences), 0, float(differences[index]), often, worst)


def _frame(feed: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    return pd.DataFrame({name: values[:, 0] for name, values in feed.items()})
