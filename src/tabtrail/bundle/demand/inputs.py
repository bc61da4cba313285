"""Rows that ask for a forecast: what is wrong with one, what is said of it, and what the graph takes for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabtrail.bundle.demand.expander import Asked, Expander, Panel, like_parents
from tabtrail.bundle.demand.history import History
from tabtrail.contract.expressions import days_of
from tabtrail.errors import BundleError

_DAY = "datetime64[D]"


@dataclass(frozen=True)
class Forecast:
    """How far ahead a row lies (periods), and the last day that was known (YYYY-MM-DD)."""

    horizon: int
    as_of: str


class DemandInputs:
    """What a model of series makes of rows (date, series, columns known ahead, each read already).

    Raises `BundleError` for a history that is not of the model.
    """

    def __init__(self, metadata: Mapping[str, Any], history: History | None) -> None:
        if history is None:
            raise BundleError("the bundle is of a model of series, and its history is missing; run `tabtrail demand update`")
        self.panel, self.history = Panel.from_dict(metadata["panel"]), history
        self._calendar = self.panel.recipe.calendar
        try:
            self._expander = Expander(self.panel, history)
        except ValueError:
            raise BundleError("the history is not of this model; run `tabtrail demand update`") from None

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs of the graph."""
        return (*self.panel.recipe.names, *self.panel.texts)

    @property
    def known_ahead(self) -> tuple[str, ...]:
        return (*self.panel.recipe.flags, *self.panel.recipe.prices)

    @property
    def as_of(self) -> str:
        """The last day of the last known period."""
        return self._calendar.last_day(self.history.as_of).isoformat()

    def list_series(self, wanted: Mapping[str, str]) -> NDArray[np.int64]:
        """Return the places of the known series whose columns, static ones too, have these values."""
        columns = dict(zip(self.panel.series, self.history.keys.T, strict=True)) | dict(self.history.static)
        fits = np.ones(self.history.series, dtype=bool)
        for name, value in wanted.items():
            fits &= columns[name] == value
        return np.flatnonzero(fits)

    def describe_series(self, place: int) -> dict[str, Any]:
        """Return the columns of a series, and the first and last day that the history knows its demand of (None: of none)."""
        known = np.flatnonzero(~np.isnan(self.history.target[place]))
        first, last = (int(known[0]), int(known[-1])) if len(known) else (None, None)
        return {
            "series": dict(zip(self.panel.series, map(str, self.history.keys[place]), strict=True)),
            "static": {name: str(values[place]) for name, values in self.history.static.items()},
            "first": None if first is None else self._calendar.first_day(self.history.first + first).isoformat(),
            "last": None if last is None else self._calendar.last_day(self.history.first + last).isoformat(),
        }

    def problem(self, row: Mapping[str, Any]) -> tuple[str, str] | None:
        """Return the column and what is wrong with a row whose values were read; None for a good one."""
        day = row.get(self.panel.date)
        key = self._key(row)
        if day is None or None in key:
            return None  # the contract says so
        period = self._period(day)
        horizon = period - self.history.as_of
        most, name = self.panel.recipe.horizon, self._calendar.name
        if horizon > most:
            return self.panel.date, (
                f"is {horizon:,} {name}s after the last known one ({self.as_of}), and the model forecasts {most:,} at most; bring"
                " newer data (`tabtrail demand update`), or train with a longer demand.horizon"
            )
        if period < self._expander.earliest:
            first = self._calendar.first_day(self._expander.earliest).isoformat()
            return self.panel.date, f"lies before the history that is stored; ask for {first} or later"
        place = self._expander.place(key)
        if place < 0 and self._like(row) is None:
            known = ", ".join(self.panel.parents) or "no static column"
            return self.panel.series[
                0
            ], f"the series is not known, and the model knows nothing like it (by {known}); see GET /series"
        for column in self.known_ahead:
            if row.get(column) is None and not self._is_planned(column, place, period):
                return column, "is known ahead and has to be sent; the stored plan does not reach this date"
        return None

    def warnings(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what to know of the forecast of a good row."""
        found = []
        if self._expander.place(self._key(row)) < 0:
            found.append("the series is new: it is forecast like the known ones of its kind, with a wider error")
        if self._period(row[self.panel.date]) <= self.history.as_of:
            found.append(f"the date lies within the history: forecast as of the {self._calendar.name} before it")
        return tuple(found)

    def forecast(self, row: Mapping[str, Any]) -> Forecast:
        """Return how far ahead a good row lies."""
        located = self._expander.locate(np.array([self._period(row[self.panel.date])], dtype=np.int64))
        return Forecast(int(located.horizon[0]), self._calendar.last_day(int(located.origin[0])).isoformat())

    def suspect(self, columns: Mapping[str, Any], rows: int) -> NDArray[np.bool_]:
        """Return the rows [rows] that `problem` may refuse, of columns as `ColumnScorer` has them."""
        days = columns[self.panel.date].map(lambda day: 0 if day is None else days_of(day), np.int64)
        periods = self._calendar.numbers(days.astype(_DAY))
        bad = (periods - self.history.as_of > self.panel.recipe.horizon) | (periods < self._expander.earliest)
        places = self._places([columns[name].map(lambda text: text or "", object) for name in self.panel.series], rows)
        bad |= places < 0
        for name in self.known_ahead:
            bad |= np.isnan(columns[name])
        return bad

    def feed(self, feed: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the inputs of the graph [rows, 1] for columns of rows [rows, 1] that keep the contract."""
        days = feed[self.panel.date].ravel().astype(np.int64)
        rows = len(days)
        periods = self._calendar.numbers(days.astype(_DAY))
        texts = {name: feed[name].ravel() for name in (*self.panel.series, *(n for n in self.panel.texts if n in feed))}
        places = self._places([texts[name] for name in self.panel.series], rows)
        sent = {name: feed[name].ravel() for name in self.known_ahead}
        known = {
            name: np.where(np.isnan(values), self._expander.planned(name, places, periods), values)
            for name, values in sent.items()
        }
        features = self._expander.features(Asked(places, periods, known))
        made: dict[str, NDArray[Any]] = {name: values[:, None] for name, values in features.items()}
        for name in self.panel.texts:
            own = texts.get(name)
            made[name] = (self._static(name, places) if own is None else own)[:, None]
        for index in np.flatnonzero(places < 0):
            self._fill_like_parents(made, int(index), texts, Asked(places, periods, known))
        return made

    def _fill_like_parents(self, made: dict[str, NDArray[Any]], index: int, texts: Mapping[str, Any], asked: Asked) -> None:
        alike = self._like({name: values[index] for name, values in texts.items()})
        if alike is None:
            return
        one = Asked(
            np.zeros(1, dtype=np.int64),
            asked.period[index : index + 1],
            {k: v[index : index + 1] for k, v in asked.known.items()},
        )
        for name, values in Expander(self.panel, alike).features(one).items():
            made[name][index] = values

    def _like(self, row: Mapping[str, Any]) -> History | None:
        return like_parents(self.history, self.panel, {name: str(value) for name, value in row.items() if value is not None})

    def _places(self, columns: Sequence[NDArray[Any]], rows: int) -> NDArray[np.int64]:
        place = self._expander.place
        return np.fromiter((place(key) for key in zip(*columns, strict=True)), dtype=np.int64, count=rows)

    def _static(self, name: str, places: NDArray[np.int64]) -> NDArray[Any]:
        return self.history.static[name][np.maximum(places, 0)].astype(object)

    def _is_planned(self, column: str, place: int, period: int) -> bool:
        found = self._expander.planned(column, np.array([place]), np.array([period]))
        return not bool(np.isnan(found[0]))

    def _key(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(row.get(name) for name in self.panel.series)

    def _period(self, day: Any) -> int:
        return int(self._calendar.numbers(np.array([days_of(day)], dtype=np.int64).astype(_DAY))[0])
