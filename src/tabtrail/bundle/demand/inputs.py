"""Rows that ask for a forecast: what is wrong with one, what is said of it, and what the graph takes for it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabtrail.bundle.demand.expander import Asked, Expander, Panel, Rows
from tabtrail.bundle.demand.features import Array
from tabtrail.bundle.demand.history import History
from tabtrail.bundle.demand.intervals import Bounds, DemandIntervals, demand_classes
from tabtrail.bundle.demand.recursion import OwnForecasts, Run
from tabtrail.bundle.demand.series_of_rows import SeriesLookup, SeriesOfRows
from tabtrail.bundle.demand.standing import MOST_KEPT, Key, Source, Standing, Standings
from tabtrail.contract.expressions import days_of
from tabtrail.contract.periods import Periods
from tabtrail.errors import BundleError

_DAY = "datetime64[D]"
SHUT = "the stored plan has this as closed: it is forecast as if it were open"


@dataclass(frozen=True)
class Forecast:
    """How far ahead a row lies (periods), and the last day that was known (YYYY-MM-DD)."""

    horizon: int
    as_of: str


class DemandInputs:
    """What a model of series makes of rows (date, series, columns known ahead, each read already). `run` runs its graph: a
    recursive model needs its forecasts of the periods before.

    Raises `BundleError` for a history that is not of the model.
    """

    def __init__(self, metadata: Mapping[str, Any], history: History | None, run: Run) -> None:
        if history is None:
            raise BundleError("the bundle is of a model of series, and its history is missing; run `tabtrail demand update`")
        self.panel, self.history = Panel.from_dict(metadata["panel"]), history
        recipe = self.panel.recipe
        self._run = run
        self._calendar, self._as_of = recipe.calendar, history.as_of
        self._features = recipe.names  # which the kernel is asked for: too dear for each request
        try:
            self._expander = Expander(self.panel, history)
        except ValueError:
            raise BundleError("the history is not of this model; run `tabtrail demand update`") from None
        self._stand = Standings(self.panel, history, self._expander, run)
        self._columns = self._stand.columns
        self._period = lru_cache(MOST_KEPT)(self._number_of)
        self._last_day = lru_cache(MOST_KEPT)(lambda period: self._calendar.last_day(period).isoformat())
        self._standing = lru_cache(MOST_KEPT)(self._stand)
        self._series_of = SeriesLookup(self._stand, self._standing)
        self._kinds = demand_classes(history.target[:, -recipe.past :])
        self.bands = _bands_of(metadata, history)

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs of the graph."""
        return (*self._features, *self.panel.texts)

    @property
    def known_ahead(self) -> tuple[str, ...]:
        return (*self.panel.recipe.flags, *self.panel.recipe.prices)

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels of the intervals, none where there are none."""
        return () if self.bands is None else self.bands.intervals.levels

    @property
    def as_of(self) -> str:
        """The last day of the last known period."""
        return self._last_day(self._as_of)

    @property
    def period_name(self) -> str:
        return self._calendar.name

    def list_series(self, wanted: Mapping[str, str]) -> Rows:
        """Return the places of the known series whose columns, static ones too, have these values."""
        columns = dict(zip(self.panel.series, self.history.keys.T, strict=True)) | dict(self.history.static)
        fits = np.ones(self.history.series, dtype=bool)
        for name, value in wanted.items():
            fits &= columns[name] == value
        return np.flatnonzero(fits)

    def named(self, row: Mapping[str, Any]) -> dict[str, str | None]:
        """Return the columns that say which series a good row is of."""
        return {name: self._stand.only if row[name] is None else row[name] for name in self.panel.series}

    def texts_of(self, column: str) -> list[str]:
        """Return the texts of a column of the series or a static one [series]."""
        columns = dict(zip(self.panel.series, self.history.keys.T, strict=True)) | dict(self.history.static)
        return [str(text) for text in columns[column]]

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
        day, key = row.get(self.panel.date), self._key(row)
        if day is None or (None in key[: len(self.panel.series)] and self._stand.only is None):
            return None  # the contract says so
        period = self._period(day)
        if period > self._as_of + self.panel.recipe.horizon or period < self._expander.earliest:
            return self.panel.date, self._out_of_reach(period)
        standing = self._standing(key)
        if standing.fault is not None:
            return standing.fault
        for column in self.known_ahead:
            if row.get(column) is None and math.isnan(self._expander.planned_of_one(column, standing.own_place, period)):
                return column, "is known ahead and has to be sent; the stored plan does not reach this date"
        return None

    def warnings(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what to know of the forecast of a good row."""
        standing, period = self._standing(self._key(row)), self._period(row[self.panel.date])
        found = () if standing.words is None else (standing.words,)
        if period > self._as_of:
            if self.history.is_shut(standing.own_place, period):
                found = (*found, SHUT)
            return (*found, self._unplanned) if self.panel.recipe.recursive and self._is_guessed(standing, period) else found
        return (*found, f"the date lies within the history: forecast as of the {self._calendar.name} before it")

    def used(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a good row with the values of the stored plan where it leaves some out."""
        unsent = [name for name in self.known_ahead if row.get(name) is None]
        if not unsent:
            return row
        known = self._known(row, self._standing(self._key(row)), self._period(row[self.panel.date]))
        flags = self.panel.recipe.flags
        return {**row, **{name: int(known[name]) if name in flags else known[name] for name in unsent}}

    def open_in(self, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.bool_]:
        """Tell of good rows [rows] whether their period is open, as far as the stored plan says."""
        return ~self._shut(rows)

    def _shut(self, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.bool_]:
        places = np.array([self._standing(self._key(row)).own_place for row in rows], dtype=np.int64)
        return self.history.shut_at(places, np.array([self._period(row[self.panel.date]) for row in rows], dtype=np.int64))

    def forecast(self, row: Mapping[str, Any]) -> Forecast:
        """Return how far ahead a good row lies."""
        period = self._period(row[self.panel.date])
        origin = min(period - 1, self._as_of)
        return Forecast(period - origin, self._last_day(origin))

    def feed_rows(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
        """Return the inputs of the graph [rows, 1] for good rows, one by one: for few rows, or many of few series."""
        numbers, texts = [], []
        if self.panel.recipe.recursive:
            self._reach([self._standing(self._key(row)) for row in rows], [self._period(row[self.panel.date]) for row in rows])
        for row in rows:
            period, standing = self._period(row[self.panel.date]), self._standing(self._key(row))
            assert standing.source is not None  # noqa: S101 - `problem` refuses such a row
            numbers.append(standing.source.kept.values(standing.place, period, self._known(row, standing, period)))
            texts.append([self._text(name, row.get(name), standing) for name in self.panel.texts])
        return _columns(self._features, np.array(numbers, dtype=np.float64)) | _columns(
            self.panel.texts, np.array(texts, dtype=object).reshape(len(rows), -1)
        )

    def suspect(self, columns: Mapping[str, Any], rows: int) -> NDArray[np.bool_]:
        """Return the rows [rows] that `problem` may refuse, of columns as `ColumnScorer` has them."""
        periods, series = columns[self.panel.date].map(self._period, np.int64), self._series_of(columns, rows)
        bad: NDArray[np.bool_] = (periods > self._as_of + self.panel.recipe.horizon) | (periods < self._expander.earliest)
        bad |= series.constant(False, lambda each: each.fault is not None)
        for name in self.known_ahead:
            if (unsent := np.isnan(columns[name])).any():
                bad |= unsent & np.isnan(self._expander.planned(name, series.own[series.which], periods))
        return np.asarray(bad)

    def marks(self, columns: Mapping[str, Any], rows: int) -> list[NDArray[np.int64]]:
        """Return what `warnings` finds in good rows [rows], as whole numbers: of rows with the same ones it says the same."""
        periods, series = columns[self.panel.date].map(self._period, np.int64), self._series_of(columns, rows)
        words: dict[str | None, int] = {None: 0}
        found = [periods <= self._as_of, series.constant(0, lambda each: words.setdefault(each.words, len(words)))]
        if self.panel.recipe.recursive:
            planned = series.values(
                self._stand.known.planned, lambda each: 0 if each.source is None else each.source.planned[each.place]
            )
            found.append(periods - 1 - self._as_of > planned)
        if self.history.shut is not None:
            found.append(self.history.shut_at(series.own[series.which], periods))
        return [each.astype(np.int64) for each in found]

    def feed_columns(self, columns: Mapping[str, Any], rows: int) -> dict[str, NDArray[Any]]:
        """Return the inputs of the graph [rows, 1] for columns of good rows, as `ColumnScorer` has them."""
        periods, series = columns[self.panel.date].map(self._period, np.int64), self._series_of(columns, rows)
        own, places = series.own[series.which], series.places[series.which]
        known = {name: self._sent_or_planned(name, columns[name], own, periods) for name in self.known_ahead}
        sources = list(series.sources())
        if self.panel.recipe.recursive and periods.max(initial=0) > self._as_of + 1:
            for source, numbers in sources:
                source.reach(series.places[numbers])
        if len(sources) == 1:
            features = sources[0][0].expander.features(Asked(places, periods, known))
        else:
            features = {name: np.empty(rows) for name in self._features}
            for source, numbers in sources:
                chosen = np.flatnonzero(np.isin(series.which, numbers))
                asked = Asked(places[chosen], periods[chosen], {name: values[chosen] for name, values in known.items()})
                for name, values in source.expander.features(asked).items():
                    features[name][chosen] = values
        made: dict[str, NDArray[Any]] = {name: values[:, None] for name, values in features.items()}
        for name in self.panel.texts:
            made[name] = self._text_column(name, columns.get(name), series)[:, None]
        return made

    def feed_of(self, series: Rows, origin: int, horizons: Periods) -> dict[str, NDArray[Any]]:
        """Return the inputs of the graph [series × horizons, 1] for known series as of an earlier origin, by the stored plan."""
        rows, steps = np.repeat(series, len(horizons)), np.tile(horizons, len(series))
        earlier = replace(self.history, as_of=origin, target=self.history.target[:, : origin + 1 - self.history.first])
        known = {name: self._expander.planned(name, rows, origin + steps) for name in self.known_ahead}
        expander = Expander(self.panel, earlier)
        if self.panel.recipe.recursive:
            own = OwnForecasts(expander, self._run)
            own.reach(series)
            expander = own.expander
        made = expander.features(Asked(rows, origin + steps, known))
        keys = dict(zip(self.panel.series, self.history.keys.T, strict=True)) | dict(self.history.static)
        return {name: values[:, None] for name, values in made.items()} | {
            name: keys[name][rows].astype(object)[:, None] for name in self.panel.texts
        }

    def bounds_of_row(
        self, row: Mapping[str, Any], forecast: float, horizon: int, quantiles: Array | None
    ) -> tuple[tuple[float, float], ...]:
        """Return lower and upper bound of each level of the forecast of a good row, with its quantiles where the graph has some;
        none where there are no intervals, and for a new series where no error of new series could be measured.
        """
        if self.bands is None:
            return ()
        standing = self._standing(self._key(row))
        if standing.source is None:
            return ()
        kind = int(self._kinds[standing.place]) if standing.source is self._stand.known else -1
        return self.bands.of_one(forecast, horizon, float(standing.source.sizes[standing.place]), kind, quantiles)

    def bounds_of_columns(
        self, columns: Mapping[str, Any], forecasts: Array, quantiles: Array | None
    ) -> tuple[Array, Array] | None:
        """Return lower and upper bounds [rows, levels] of the forecasts [rows], with their quantiles [rows, probabilities], of
        columns of good rows, as `ColumnScorer` has them, NaN where they are not known; None where there are no intervals.
        """
        if self.bands is None:
            return None
        periods = columns[self.panel.date].map(self._period, np.int64)
        series, known = self._series_of(columns, len(forecasts)), self._stand.known
        size = series.values(known.sizes, lambda each: 0.0 if each.source is None else each.source.sizes[each.place])
        kind = series.values(self._kinds, lambda each: self._kinds[each.place] if each.source is known else -1)
        return self.bands.of(forecasts, self._expander.locate(periods).horizon, size, kind, quantiles)

    def bounds_of_sums(
        self, rows: Sequence[Mapping[str, Any]], sums: Array, counts: Array, served: Array
    ) -> tuple[Array, Array, Array]:
        """Return lower and upper bounds [rows, levels] of sums [rows] over so many open periods [rows] of the lead time, and the
        order quantities [rows] at service levels [rows].
        """
        assert self.bands is not None  # noqa: S101 - the caller made sure
        size, kind = self._size_and_kind([self._standing(self._key(row)) for row in rows])
        return self.bands.of_sums(sums, size * counts, kind, served)

    def _size_and_kind(self, standings: Sequence[Standing]) -> tuple[Array, Periods]:
        """Size and class of series, the class -1 of those that are answered like others."""
        size = [0.0 if each.source is None else each.source.sizes[each.place] for each in standings]
        kind = [self._kinds[each.place] if each.source is self._stand.known else -1 for each in standings]
        return np.array(size, dtype=np.float64), np.array(kind, dtype=np.int64)

    def days_ahead(self, periods: int) -> list[str]:
        """Return the first days of the periods after the history."""
        return [self._calendar.first_day(self._as_of + step).isoformat() for step in range(1, periods + 1)]

    def last_day_ahead(self, periods: int) -> str:
        """The last day of the last of so many periods after the history."""
        return self._last_day(self._as_of + periods)

    def period_day(self, row: Mapping[str, Any]) -> str:
        """The first day of the period of a row."""
        return self._calendar.first_day(self._period(row[self.panel.date])).isoformat()

    def _sent_or_planned(self, name: str, sent: Array, places: Rows, periods: Rows) -> Array:
        unsent = np.isnan(sent)
        return np.where(unsent, self._expander.planned(name, places, periods), sent) if unsent.any() else sent

    def _text_column(self, name: str, sent: Any, series: SeriesOfRows) -> NDArray[Any]:
        if sent is not None and name in self.panel.series:
            column: NDArray[Any] = sent.map(lambda text: text or self._stand.only or "", object)
            return column
        if name in self.panel.series:
            return np.full(len(series.which), self._stand.only or "", dtype=object)
        stored = series.values(self.history.static[name].astype(object), lambda each: self._text(name, None, each))
        if sent is None:
            return stored
        missing = sent.map(lambda text: text is None, bool)
        return np.where(missing, stored, sent.map(lambda text: text, object))

    def _reach(self, standings: Iterable[Standing], periods: Iterable[int]) -> None:
        """Let a recursive model forecast the periods before those that are asked for, of all series together."""
        asked: dict[Source, list[int]] = {}
        for standing, period in zip(standings, periods, strict=True):
            if standing.source is not None and period > self._as_of + 1:
                asked.setdefault(standing.source, []).append(standing.place)
        for source, places in asked.items():
            source.reach(np.array(places, dtype=np.int64))

    def _is_guessed(self, standing: Standing, period: int) -> bool:
        return standing.source is not None and period - 1 - self._as_of > standing.source.planned[standing.place]

    @property
    def _unplanned(self) -> str:
        name = self._calendar.name
        return (
            f"the stored plan does not reach every {name} before this one, which the forecast builds on: there flags are taken as"
            " 0 and numbers as they were last; bring the plan (`tabtrail demand update`)"
        )

    def _known(self, row: Mapping[str, Any], standing: Standing, period: int) -> dict[str, float]:
        sent = {name: row.get(name) for name in self.known_ahead}
        return {
            name: self._expander.planned_of_one(name, standing.own_place, period) if value is None else float(value)
            for name, value in sent.items()
        }

    def _text(self, name: str, sent: str | None, standing: Standing) -> str:
        if sent is not None:
            return sent
        if name in self.panel.series:
            return self._stand.only or ""
        if standing.source is None or name not in standing.source.expander.history.static:
            return ""
        return str(standing.source.expander.history.static[name][standing.place])

    def _out_of_reach(self, period: int) -> str:
        horizon, most, name = period - self._as_of, self.panel.recipe.horizon, self._calendar.name
        if horizon > most:
            return (
                f"is {horizon:,} {name}s after the last known one ({self.as_of}), and the model forecasts {most:,} at most; bring"
                " newer data (`tabtrail demand update`), or train with a longer demand.horizon"
            )
        first = self._calendar.first_day(self._expander.earliest).isoformat()
        return f"lies before the history that is stored; ask for {first} or later"

    def _key(self, row: Mapping[str, Any]) -> Key:
        return tuple([row.get(name) for name in self._columns])

    def _number_of(self, day: Any) -> int:
        if day is None:
            return self._as_of + self.panel.recipe.horizon + 1  # is refused; columns hold None beside their values
        return int(self._calendar.numbers(np.array([days_of(day)], dtype=np.int64).astype(_DAY))[0])


def _columns(names: Sequence[str], values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return each column [rows, 1] of values [rows, columns], all of them views of one array."""
    return dict(zip(names, np.ascontiguousarray(values.T)[:, :, None], strict=True))


def _bands_of(metadata: Mapping[str, Any], history: History) -> Bounds | None:
    if (stated := metadata.get("demand_intervals")) is None:
        return None
    intervals = DemandIntervals.from_dict(stated)
    try:
        return Bounds(intervals, intervals.learned(history.state, metadata["run_id"])[0])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise BundleError("the history's state is malformed; run `tabtrail demand update`") from None
