"""What a series that is asked for is answered from: its own history, that of its kind where it is new, or nothing, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from tabtrail.bundle.demand.expander import Expander, Panel, Rows, like_parents
from tabtrail.bundle.demand.features import Array
from tabtrail.bundle.demand.history import History
from tabtrail.bundle.demand.intervals import levels_of
from tabtrail.bundle.demand.recursion import OwnForecasts, Run
from tabtrail.bundle.demand.single import KeptFeatures

MOST_KEPT = 20_000  # series, days and stand-ins whose look-up is kept
_NEW = "the model has not learned from this series, which is new since the training: it is forecast from its own history"
_LIKE = "the series is new: it is forecast like the known ones of its kind, with a wider error"
_GONE = "the series is no longer in the history: it is forecast like the known ones of its kind, with a wider error"
Key = tuple[str | None, ...]


@dataclass(frozen=True, eq=False)
class Source:
    """A history that rows are answered from: that of all series, or one that stands for a new series.

    Of a recursive model the expander reads the model's own forecasts after it, which `own` makes.
    """

    history: History
    expander: Expander
    kept: KeptFeatures
    own: OwnForecasts | None = None

    @property
    def planned(self) -> Rows:
        """Periods after the history through which a plan is stored [series], which a recursive model builds on."""
        assert self.own is not None  # noqa: S101 - asked of a recursive model alone
        return self.own.planned

    def reach(self, series: Rows) -> None:
        """Let a recursive model forecast the periods after the history for series at these places."""
        assert self.own is not None  # noqa: S101 - asked of a recursive model alone
        self.own.reach(series)

    @cached_property
    def sizes(self) -> Array:
        """The size of each series [series], by which its intervals are as wide as they are."""
        return levels_of(self.history.target, self.expander.panel.recipe.level_window)


@dataclass(frozen=True)
class Standing:
    """What a series is answered from, its place there (None: from nothing), its place in the history, what is said of it, and
    the column and reason why it cannot be answered.
    """

    source: Source | None
    place: int
    own_place: int
    words: str | None
    fault: tuple[str, str] | None = None


class Standings:
    """Looks up how series stand. `columns` are those that say which series is meant, `known` is the history of all series."""

    def __init__(self, panel: Panel, history: History, expander: Expander, run: Run) -> None:
        self._run = run
        self._panel, self._history, self._expander = panel, history, expander
        self.columns = (*panel.series, *(name for name in history.static if name in panel.texts))
        self.known = self._source(expander)
        self._learned = panel.learned(history.keys)
        # Fewer known periods than two seasons say less of a series than its kind does.
        enough = min(2 * panel.recipe.calendar.season, panel.recipe.level_window)
        self._long = (~np.isnan(history.target)).sum(axis=1) >= enough
        # The only series of a model need not be named, where its schema lets it be left out.
        self.only = str(history.keys[0, 0]) if history.keys.shape == (1, 1) else None
        self._alike = lru_cache(MOST_KEPT)(self._stand_in)

    def places(self, texts: Sequence[Sequence[str | None]]) -> Rows:
        """Return the places [series], by the texts of `columns`, of series of which nothing is to be looked at; -1 for those to
        be asked for alone.
        """
        count = len(self._panel.series)
        found = self._expander.places(zip(*texts[:count], strict=True))
        plain = (found >= 0) & self._learned[found]
        for own in texts[count:]:
            plain &= [not text for text in own]
        return np.where(plain, found, -1)

    def __call__(self, key: Key) -> Standing:
        """Return how a series stands, of the texts of `columns`, None for one that is not said."""
        if self.only is not None and key[0] is None:
            key = (self.only, *key[1:])
        series = key[: len(self._panel.series)]
        place = -1 if None in series else self._expander.place(tuple(map(str, series)))
        if place >= 0 and self._learned[place] and not any(key[len(series) :]):
            return Standing(self.known, place, place, None)  # as most are: nothing is to be looked at
        named = dict(zip(self.columns, key, strict=True))
        stored = {name: str(values[place]) for name, values in self._history.static.items()} if place >= 0 else {}
        if fault := self._fault(named, stored, place):
            return Standing(None, 0, place, None, fault)
        if place >= 0 and (self._learned[place] or self._long[place]):
            return Standing(self.known, place, place, None if self._learned[place] else _NEW)
        named |= {name: text for name, text in stored.items() if named.get(name) is None}
        kin = None if None in series else self._alike(tuple(sorted((name, str(v)) for name, v in named.items() if v is not None)))
        if kin is not None:
            return Standing(kin, 0, place, _GONE if self._is_gone(series, place) else _LIKE)
        if place >= 0:
            return Standing(self.known, place, place, _NEW)
        return Standing(None, 0, place, None, self._unlike())

    def _fault(self, named: Mapping[str, str | None], stored: Mapping[str, str], place: int) -> tuple[str, str] | None:
        """Return the static column that stands in the way of an answer, and why: one that a new series lacks, or that is another
        one than that of the history.
        """
        static = [name for name in self.columns if name not in self._panel.series]
        if place < 0 and (unsaid := [name for name in static if named[name] is None]):
            return unsaid[
                0
            ], f"the series is not in the history: send its {', '.join(unsaid)} too, so that it is forecast like its kind"
        if other := next((name for name in static if place >= 0 and named[name] not in (None, stored[name])), None):
            return other, "is not the one that the history has of this series, where it never changes; leave it out"
        return None

    def _unlike(self) -> tuple[str, str]:
        """Return why a series without a history is not answered: none has a parent of its."""
        known = ", ".join(self._panel.parents) or "no static column"
        column = next((name for name in self._panel.parents if name not in self._panel.series), self._panel.series[0])
        return column, f"the series is not known, and neither is one like it (by {known}); see GET /series"

    def _is_gone(self, series: Sequence[str | None], place: int) -> bool:
        return place < 0 and bool(self._panel.trained) and bool(self._panel.learned(np.array([series], dtype=str))[0])

    def _stand_in(self, named: tuple[tuple[str, str], ...]) -> Source | None:
        alike = like_parents(self._history, self._panel, dict(named))
        if alike is None:
            return None
        return self._source(Expander(self._panel, alike))

    def _source(self, expander: Expander) -> Source:
        own = OwnForecasts(expander, self._run) if self._panel.recipe.recursive else None
        reading = expander if own is None else own.expander
        return Source(expander.history, reading, KeptFeatures(reading), own)
