"""From rows that are asked for (date, series, what is planned) to the inputs of the graph, from the stored history.

The features come from the kernel that made those of the training. What rows share (a series' past, a place in the season, a day)
is computed once.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tabtrail.bundle.alike import alike_rows
from tabtrail.bundle.demand.features import (
    Array,
    FeatureRecipe,
    Targets,
    Window,
    of_day,
    of_plan,
    of_recent_past,
    of_runs,
    of_season,
    season_places,
    usual_prices,
)
from tabtrail.bundle.demand.history import ANSWERED, History
from tabtrail.contract.periods import Periods

_CHUNK = 5_000  # rows whose past stays in the cache of a core
_DIGITS = 8  # hexadecimal ones that stand for a series
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Panel:
    """What the bundle's metadata says of a demand model.

    `date` is the column of the day, `series` those that make a series, `texts` the static columns that the graph takes; a new
    series is answered like the known ones that share its value of `parents`, the first that has any. `recipe` says what is
    computed. `trained` stands for the series of the training (`digest_of` each, one after the other).
    """

    date: str
    series: tuple[str, ...]
    texts: tuple[str, ...]
    parents: tuple[str, ...]
    recipe: FeatureRecipe
    trained: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "date": self.date,
            "series": list(self.series),
            "texts": list(self.texts),
            "parents": list(self.parents),
            "recipe": self.recipe.to_dict(),
            "trained": self.trained,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Rebuild from the JSON form."""
        names = {key: tuple(value[key]) for key in ("series", "texts", "parents")}
        return cls(value["date"], recipe=FeatureRecipe.from_dict(value["recipe"]), trained=value.get("trained", ""), **names)

    def learned(self, keys: NDArray[np.str_]) -> NDArray[np.bool_]:
        """Tell which series [series, columns] the training had; all where the bundle does not say."""
        known = {self.trained[at : at + _DIGITS] for at in range(0, len(self.trained), _DIGITS)}
        return np.array([not known or digest_of(map(str, key)) in known for key in keys], dtype=bool)


def digest_of(key: Iterable[str]) -> str:
    """Return eight hexadecimal digits that stand for a series."""
    return hashlib.sha256("\0".join(key).encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


@dataclass(frozen=True)
class Asked:
    """Rows as they are asked for: place of the series (-1: not known), number of the period, what is planned [rows]."""

    series: Rows
    period: Periods
    known: Mapping[str, Array]


@dataclass(frozen=True)
class Located:
    """Where rows lie: origin and horizon [rows]. A period within the history is forecast as of the one before it."""

    origin: Periods
    horizon: Periods


class Expander:
    """Features of rows from a history. Raises `ValueError` where the history lacks what the recipe reads."""

    def __init__(self, panel: Panel, history: History) -> None:
        self.panel, self.history = panel, history
        recipe = panel.recipe
        texts = {*panel.series, *history.static}
        if not (set(recipe.columns) <= set(history.known) and {*panel.texts, *panel.parents} <= texts):
            raise ValueError
        if history.keys.shape[1] != len(panel.series):
            raise ValueError
        self._index: dict[tuple[str | None, ...], int] = {tuple(map(str, key)): place for place, key in enumerate(history.keys)}
        self._known = {name: history.known[name] for name in recipe.columns}

    @property
    def earliest(self) -> int:
        """Number of the earliest period that can be asked for: the first whose past is stored; nothing was before a short
        history, which is all of the panel.
        """
        past, stored = self.panel.recipe.past, self.history.target.shape[1]
        return self.history.first + (past if stored >= past + ANSWERED else 1)

    def place(self, key: Sequence[str]) -> int:
        """Place of a series in the history, -1 where it is not known."""
        return self._index.get(tuple(key), -1)

    def places(self, keys: Iterable[tuple[str | None, ...]]) -> Rows:
        """Return what `place` does, of many series."""
        place = self._index.get
        return np.array([place(key, -1) for key in keys], dtype=np.int64)

    def locate(self, periods: Periods) -> Located:
        """Return origin and horizon of periods [rows]; a horizon beyond the recipe's is the caller's to refuse."""
        origin = np.minimum(periods - 1, self.history.as_of)
        return Located(origin, periods - origin)

    def planned(self, name: str, series: Rows, periods: Periods) -> Array:
        """Return what the stored plan or past says of a column known ahead [rows]; NaN where it says nothing."""
        values = self._known[name]
        place = periods - self.history.first
        inside = (place >= 0) & (place < values.shape[1]) & (series >= 0)
        return np.where(inside, values[np.where(inside, series, 0), np.where(inside, place, 0)], np.nan)

    def nearby(self, series: Rows, periods: Periods) -> dict[str, Array]:
        """Return what the stored plan or past says of each flag around periods [rows, `FeatureRecipe.nearby`].

        What other rows ask for is no plan: an answer never depends on the rows beside it.
        """
        places, around = periods - self.earliest, self.panel.recipe.around
        found = {}
        for name, windows in self._around.items():
            own = windows[series, places]
            found[name] = np.concatenate([own[:, :around][:, ::-1], own[:, around + 1 :]], axis=1)
        return found

    @cached_property
    def _around(self) -> dict[str, Array]:
        """Each flag around every period that can be asked for [series, periods, 2 × around + 1], NaN where nothing is
        stored. A view, of which the values of a row lie side by side.
        """
        recipe, series = self.panel.recipe, len(self.history.target)
        start = self.earliest - self.history.first - recipe.around
        end = self.history.target.shape[1] + recipe.horizon + recipe.around
        found = {}
        for name in recipe.flags if recipe.around else ():
            stored = self._known[name][:, max(start, 0) : end]
            padded = np.full((series, end - start), np.nan)
            padded[:, max(-start, 0) :][:, : stored.shape[1]] = stored
            found[name] = np.lib.stride_tricks.sliding_window_view(padded, 2 * recipe.around + 1, axis=1)
        return found

    def planned_of_one(self, name: str, series: int, period: int) -> float:
        """Return what `planned` does, of one row."""
        values, place = self._known[name], period - self.history.first
        return float(values[series, place]) if series >= 0 and 0 <= place < values.shape[1] else np.nan

    def window(self, series: Rows, origin: Periods) -> Window:
        """Return the recent past of series up to their origins [rows]."""
        recipe = self.panel.recipe
        back = np.arange(recipe.recent)[None, :]
        return self._read(series, origin[:, None] - back, (*recipe.prices, *recipe.lagged))

    def alike(self, series: Rows, origin: Periods, horizon: Periods) -> Window:
        """Return the past at the target's place in the season [rows, reach]."""
        places, inside = season_places(self.panel.recipe, horizon)
        before = self.history.first - 1
        return self._read(series, np.where(inside, origin[:, None] - places, before), self.panel.recipe.flags)

    def _read(self, series: Rows, periods: Periods, columns: tuple[str, ...]) -> Window:
        """Return the target and columns of series at periods [rows, some]; NaN where nothing is stored."""
        places = periods - self.history.first
        inside = places >= 0
        rows, whole = series[:, None], bool(inside.all())
        places = places if whole else np.where(inside, places, 0)

        def read(values: Array) -> Array:
            found = values.ravel().take(rows * values.shape[1] + places)
            return found if whole else np.where(inside, found, np.nan)

        return Window(read(self.history.target), {name: read(self._known[name]) for name in columns})

    def features(self, asked: Asked) -> dict[str, Array]:
        """Return every feature of the recipe [rows]; what rows share is computed once, by the kernel."""
        recipe, located, rows = self.panel.recipe, self.locate(asked.period), len(asked.series)
        past, of_past = alike_rows((asked.series, located.origin), rows)
        found = _in_parts(len(past), lambda cut: self._past(asked.series[past[cut]], located.origin[past[cut]]))
        usual = {name: found.pop(f"{name} usual")[of_past] for name in recipe.prices}
        unit = found.pop(" unit")
        back = -located.horizon % recipe.calendar.season
        states = [np.unique(asked.known[name], return_inverse=True)[1] for name in recipe.flags]
        season, of_place = alike_rows((of_past, back, *states), rows)
        in_season = _in_parts(len(season), lambda cut: self._season(asked, located, season[cut], unit[of_past[season[cut]]]))
        day, own_day = alike_rows((located.origin, located.horizon), rows)
        dated = of_day(recipe, Targets(located.origin[day], located.horizon[day], {}))
        return {
            **{name: values[of_past] for name, values in found.items()},
            **{name: values[of_place] for name, values in in_season.items()},
            **of_plan(recipe, asked.known, usual),
            **_in_parts(rows, lambda cut: self._runs(asked, cut)),
            **{name: values[own_day] for name, values in dated.items()},
        }

    def _past(self, series: Rows, origin: Periods) -> dict[str, Array]:
        recipe, window = self.panel.recipe, self.window(series, origin)
        found, unit = of_recent_past(recipe, window)
        return {**found, **{f"{name} usual": values for name, values in usual_prices(recipe, window).items()}, " unit": unit}

    def _runs(self, asked: Asked, cut: slice) -> dict[str, Array]:
        known = {name: asked.known[name][cut] for name in self.panel.recipe.flags}
        return of_runs(self.panel.recipe, known, self.nearby(asked.series[cut], asked.period[cut]))

    def _season(self, asked: Asked, located: Located, rows: Rows, unit: Array) -> dict[str, Array]:
        known = {name: asked.known[name][rows] for name in self.panel.recipe.flags}
        return of_season(
            self.panel.recipe, self.alike(asked.series[rows], located.origin[rows], located.horizon[rows]), known, unit
        )


def _in_parts(rows: int, compute: Callable[[slice], dict[str, Array]]) -> dict[str, Array]:
    """Return what is computed of rows, so many at a time that their past fits into memory."""
    parts = [compute(slice(at, at + _CHUNK)) for at in range(0, max(rows, 1), _CHUNK)]
    return parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def like_parents(history: History, panel: Panel, key: Mapping[str, str]) -> History | None:
    """Return a history of one series that stands for a new one: the mean of the known series that share a parent's value.

    None where the row names no parent that is known.
    """
    own = dict(zip(panel.series, history.keys.T, strict=True)) | dict(history.static)
    for name in panel.parents:
        alike = own[name] == key.get(name)
        if alike.any():
            known = ~np.isnan(history.target[alike])
            counts = known.sum(axis=0)
            with np.errstate(all="ignore"):
                mean = np.where(counts > 0, np.where(known, history.target[alike], 0.0).sum(axis=0) / counts, np.nan)
            ahead = {name: _medians(values[alike]) for name, values in history.known.items()}
            keys = np.array([[key[column] for column in panel.series]])
            static = {column: np.array([key.get(column, values[alike][0])]) for column, values in history.static.items()}
            return replace(history, keys=keys, target=mean[None, :], known=ahead, static=static, shut=None)
    return None


def _medians(values: Array) -> Array:
    """Return the median of each period's known values [1, periods]; NaN where none is."""
    found = np.full(values.shape[1], np.nan)
    some = ~np.isnan(values).all(axis=0)
    found[some] = np.nanmedian(values[:, some], axis=0)
    return found[None, :]
