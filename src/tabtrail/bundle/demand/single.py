"""Features of single rows from what they share with others: a request pays for a few look-ups, not for the kernel's arrays.

The kernel itself makes whatever is kept, so that the values have the bits of the training: of a series the recent past and its
usual prices, of a place in the season what was sold there in each state of the flags, of a period the plan around it, of a day
its calendar.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tabtrail.bundle.demand.expander import Expander
from tabtrail.bundle.demand.features import Array, Targets, of_day, of_recent_past, of_runs, of_season, usual_prices

# Some hundred bytes each: 100 MB at most.
_MOST_SERIES, _MOST_SEASONS, _MOST_DAYS = 20_000, 100_000, 4_096
Values = tuple[float, ...]


@dataclass(frozen=True)
class _Past:
    """What a series says at an origin: its values, the unit that values are divided by, and the usual prices in their order."""

    values: Values
    unit: Array
    usual: Values


class KeptFeatures:
    """The features of rows of a history, one row at a time."""

    def __init__(self, expander: Expander) -> None:
        self._expander, recipe = expander, expander.panel.recipe
        self._recipe, self._season, self._as_of = recipe, recipe.calendar.season, expander.history.as_of
        self._past = lru_cache(_MOST_SERIES)(self._of_past)
        self._same_season = lru_cache(_MOST_SEASONS)(self._of_season)
        self._runs = lru_cache(_MOST_SEASONS)(self._of_runs)
        self._day = lru_cache(_MOST_DAYS)(self._of_day)

    def values(self, place: int, period: int, known: Mapping[str, float]) -> list[float]:
        """Return the features of a row in the recipe's order: the place of a series, a period, and what is planned for it."""
        origin = min(period - 1, self._as_of)
        past, horizon = self._past(place, origin), period - origin
        flags = [known[name] for name in self._recipe.flags]
        found = [*past.values, *self._same_season(place, origin, -horizon % self._season, *flags), *flags]
        for name, usual in zip(self._recipe.prices, past.usual, strict=True):
            price = known[name]
            found += (price, price / usual if usual > 0 else price)
        found += self._runs(place, period, *flags)
        found += self._day(origin, horizon)
        return found

    def _of_past(self, place: int, origin: int) -> _Past:
        window = self._expander.window(np.array([place]), np.array([origin]))
        found, unit = of_recent_past(self._recipe, window)
        usual = usual_prices(self._recipe, window)
        return _Past(_scalars(found), unit, tuple(float(usual[name][0]) for name in self._recipe.prices))

    def _of_season(self, place: int, origin: int, back: int, *flags: float) -> Values:
        # Any horizon at this place in the season reads the same.
        alike = self._expander.alike(np.array([place]), np.array([origin]), np.array([self._season - back]))
        known = {name: np.array([flag]) for name, flag in zip(self._recipe.flags, flags, strict=True)}
        return _scalars(of_season(self._recipe, alike, known, self._past(place, origin).unit))

    def _of_runs(self, place: int, period: int, *flags: float) -> Values:
        nearby = self._expander.nearby(np.array([place]), np.array([period]))
        known = {name: np.array([flag]) for name, flag in zip(self._recipe.flags, flags, strict=True)}
        return _scalars(of_runs(self._recipe, known, nearby))

    def _of_day(self, origin: int, horizon: int) -> Values:
        own = np.array([origin], dtype=np.int64), np.array([horizon], dtype=np.int64)
        return _scalars(of_day(self._recipe, Targets(*own, {})))


def _scalars(found: Mapping[str, Array]) -> Values:
    return tuple(float(values[0]) for values in found.values())
