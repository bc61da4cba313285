"""From a row that is asked for (date, series, what is planned) to the inputs of the graph, from the stored history.

The features come from the kernel that made those of the training. Rows that share what they read of the past (the same series
and day of a plan) are computed once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tabtrail.bundle.demand.features import Array, FeatureRecipe, Targets, Window, compute
from tabtrail.bundle.demand.history import ANSWERED, History
from tabtrail.contract.periods import Periods

_CHUNK = 20_000


@dataclass(frozen=True)
class Panel:
    """What the bundle's metadata says of a demand model.

    `date` is the column of the day, `series` those that make a series, `texts` the static columns that the graph takes; a new
    series is answered like the known ones that share its value of `parents`, the first that has any. `recipe` says what is
    computed. `minimum` is the least that is forecast.
    """

    date: str
    series: tuple[str, ...]
    texts: tuple[str, ...]
    parents: tuple[str, ...]
    recipe: FeatureRecipe

    def to_dict(self) -> dict[str, Any]:
        return {
            "date": self.date,
            "series": list(self.series),
            "texts": list(self.texts),
            "parents": list(self.parents),
            "recipe": self.recipe.to_dict(),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Rebuild from the JSON form."""
        names = {key: tuple(value[key]) for key in ("series", "texts", "parents")}
        return cls(value["date"], recipe=FeatureRecipe.from_dict(value["recipe"]), **names)


@dataclass(frozen=True)
class Asked:
    """Rows as they are asked for: place of the series (-1: not known), number of the period, what is planned [rows]."""

    series: NDArray[np.int64]
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
        if any(name not in history.known for name in recipe.columns) or history.keys.shape[1] != len(panel.series):
            raise ValueError
        self._index = {tuple(map(str, key)): place for place, key in enumerate(history.keys)}
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

    def locate(self, periods: Periods) -> Located:
        """Return origin and horizon of periods [rows]; a horizon beyond the recipe's is the caller's to refuse."""
        origin = np.minimum(periods - 1, self.history.as_of)
        return Located(origin, periods - origin)

    def planned(self, name: str, series: NDArray[np.int64], periods: Periods) -> Array:
        """Return what the stored plan or past says of a column known ahead [rows]; NaN where it says nothing."""
        values = self._known[name]
        place = periods - self.history.first
        inside = (place >= 0) & (place < values.shape[1]) & (series >= 0)
        return np.where(inside, values[np.where(inside, series, 0), np.where(inside, place, 0)], np.nan)

    def features(self, asked: Asked) -> dict[str, Array]:
        """Return every feature of the recipe [rows]."""
        located = self.locate(asked.period)
        if len(asked.period) <= 1:
            return self._computed(asked, located)
        columns = [asked.series, asked.period, *(values.view(np.int64) for values in asked.known.values())]
        distinct, inverse = np.unique(np.column_stack(columns), axis=0, return_index=True, return_inverse=True)[1:]
        if len(distinct) == len(asked.period):
            return self._chunked(asked, located)
        once = Asked(asked.series[distinct], asked.period[distinct], {k: v[distinct] for k, v in asked.known.items()})
        return {name: values[inverse] for name, values in self._chunked(once, self.locate(once.period)).items()}

    def _chunked(self, asked: Asked, located: Located) -> dict[str, Array]:
        parts = []
        for at in range(0, len(asked.period), _CHUNK):
            cut = slice(at, at + _CHUNK)
            own = Asked(asked.series[cut], asked.period[cut], {name: values[cut] for name, values in asked.known.items()})
            parts.append(self._computed(own, Located(located.origin[cut], located.horizon[cut])))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _computed(self, asked: Asked, located: Located) -> dict[str, Array]:
        recipe = self.panel.recipe
        places = located.origin[:, None] - self.history.first - np.arange(recipe.past)[None, :]
        inside = (places >= 0) & (asked.series >= 0)[:, None]
        places, rows = np.where(inside, places, 0), np.maximum(asked.series, 0)[:, None]
        window = Window(
            np.where(inside, self.history.target[rows, places], np.nan),
            {name: np.where(inside, values[rows, places], np.nan) for name, values in self._known.items()},
        )
        return compute(recipe, window, Targets(located.origin, located.horizon, asked.known))


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
            ahead = {name: np.nanmedian(values[alike], axis=0)[None, :] for name, values in history.known.items()}
            keys = np.array([[key[column] for column in panel.series]])
            static = {column: np.array([key.get(column, values[alike][0])]) for column, values in history.static.items()}
            return replace(history, keys=keys, target=mean[None, :], known=ahead, static=static)
    return None
