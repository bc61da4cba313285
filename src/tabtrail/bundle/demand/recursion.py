"""Recursive models: a forecast of one period at a time, each made with the forecasts before it as if they had come.

The history goes on with the model's own forecasts by the stored plan, made for a series when it is first asked for: one call of
the graph a period, for all such series together. A row that is asked for is then one period after a history that reaches it, so
that the kernel and all that is kept of it are those of any other model.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabtrail.bundle.demand.expander import Asked, Expander, Rows
from tabtrail.bundle.demand.features import Array
from tabtrail.contract.periods import Periods

Run = Callable[[Mapping[str, NDArray[Any]]], Array]
"""Predictions [rows] of what the graph takes [rows, 1]."""


class OwnForecasts:
    """A history with the model's own forecasts after it. `expander` reads it: for series that were `reach`ed.

    Where the stored plan ends before a period, a flag is 0 in it and a number what it was last, as in a period without a row.
    Columns that are not known ahead are not known after the history.
    """

    def __init__(self, known: Expander, run: Run) -> None:
        history, recipe, self._run = known.history, known.panel.recipe, run
        self._ahead, self._as_of = recipe.horizon - 1, history.as_of
        series, self._past = history.target.shape
        end = self._past + self._ahead
        values = {name: _padded(history.known[name], end) for name in (*recipe.flags, *recipe.prices)}
        unknown = {name: _padded(history.known[name][:, : self._past], end) for name in recipe.lagged}
        self._plans = {name: _filled(each[:, :end], self._past, flag=name in recipe.flags) for name, each in values.items()}
        stored = np.ones((series, self._ahead), dtype=bool)
        for each in values.values():
            stored &= ~np.isnan(each[:, self._past : end])
        # How many periods after the history have a whole plan [series].
        self.planned: Rows = np.logical_and.accumulate(stored, axis=1).sum(axis=1, dtype=np.int64)
        target = _padded(history.target, end)
        later = replace(history, as_of=history.as_of + self._ahead, target=target, known={**history.known, **values, **unknown})
        self.expander = Expander(known.panel, later)
        self._made = np.full(series, self._ahead == 0)

    def reach(self, series: Rows) -> None:
        """Forecast the periods after the history for those of the series that were not asked for before."""
        todo = np.unique(series[~self._made[series]])
        for step in range(self._ahead) if len(todo) else ():
            period = np.full(len(todo), self._as_of + step + 1)
            known = {name: plan[todo, step] for name, plan in self._plans.items()}
            self.expander.history.target[todo, self._past + step] = self._run(self.feed(todo, period, known))
        self._made[todo] = True

    def feed(self, series: Rows, period: Periods, known: Mapping[str, Array]) -> dict[str, NDArray[Any]]:
        """Return what the graph takes [rows, 1] for periods one after a history that reaches them."""
        panel, history = self.expander.panel, self.expander.history
        texts = dict(zip(panel.series, history.keys.T, strict=True)) | dict(history.static)
        made = self.expander.features(Asked(series, period, known))
        columns: dict[str, NDArray[Any]] = {name: values[:, None] for name, values in made.items()}
        for name in panel.texts:
            own = texts[name][series].astype(object) if name in texts else np.full(len(series), "", dtype=object)
            columns[name] = own[:, None]
        return columns


def _padded(values: Array, end: int) -> Array:
    """Values [series, at least `end` periods], NaN where nothing was; always a copy."""
    more = max(end - values.shape[1], 0)
    return np.concatenate([values, np.full((len(values), more), np.nan)], axis=1)


def _filled(values: Array, past: int, *, flag: bool) -> Array:
    """What is planned after the first `past` periods [series, the others], with what is taken where nothing is stored."""
    if flag:
        return np.where(np.isnan(values), 0.0, values)[:, past:]
    places = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(values.shape[1])[None, :]), axis=1)
    return np.take_along_axis(values, places, axis=1)[:, past:]
