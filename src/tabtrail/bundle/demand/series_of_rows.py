"""The series of many rows: how each distinct one stands, in arrays for those that are simply known."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabtrail.bundle.alike import alike_rows
from tabtrail.bundle.demand.expander import Rows
from tabtrail.bundle.demand.standing import Source, Standing, Standings


@dataclass(frozen=True)
class SeriesOfRows:
    """Which of the distinct series each row is of [rows]; the place of each in the history, -1 for a new one, and in what it is
    answered from [series]; and how those stand of which there is more to say (by number).
    """

    which: Rows
    own: Rows
    places: Rows
    others: Mapping[int, Standing]
    known: Source

    def values(self, of_known: NDArray[Any], of_other: Callable[[Standing], Any]) -> NDArray[Any]:
        """Return for each row what its series has [rows], by what those of the history have [series]."""
        found = of_known[self.places]
        for number, standing in self.others.items():
            found[number] = of_other(standing)
        return found[self.which]

    def constant(self, value: Any, of_other: Callable[[Standing], Any]) -> NDArray[Any]:
        """Return for each row what its series has [rows], where all that are simply known have the same."""
        found = np.full(len(self.places), value)
        for number, standing in self.others.items():
            found[number] = of_other(standing)
        return found[self.which]

    def sources(self) -> Iterator[tuple[Source, Rows]]:
        """Yield what series are answered from, and which those are (by number)."""
        by_source: dict[Source, list[int]] = {}
        for number, standing in self.others.items():
            if standing.source is not None:
                by_source.setdefault(standing.source, []).append(number)
        plain = np.setdiff1d(np.arange(len(self.places)), [*self.others], assume_unique=True)
        if len(plain) or self.known in by_source:
            yield self.known, np.concatenate([plain, by_source.pop(self.known, [])]).astype(np.int64)
        yield from ((source, np.array(numbers)) for source, numbers in by_source.items())


class SeriesLookup:
    """Finds the series of rows, by columns as `ColumnScorer` has them; `of_one` tells how one stands."""

    def __init__(self, stand: Standings, of_one: Callable[[tuple[str | None, ...]], Standing]) -> None:
        self._stand, self._of_one = stand, of_one
        self._last: tuple[list[Any], SeriesOfRows | None] = [], None

    def __call__(self, columns: Mapping[str, Any], rows: int) -> SeriesOfRows:
        """Return the series of rows; kept until other columns are asked for."""
        there = [columns[name] for name in self._stand.columns if name in columns]
        before, found = self._last
        same = len(before) == len(there) and all(
            a.codes is b.codes and a.values == b.values for a, b in zip(before, there, strict=True)
        )
        if found is None or not same:
            found = self._find(columns, rows)
            self._last = there, found
        return found

    def _find(self, columns: Mapping[str, Any], rows: int) -> SeriesOfRows:
        there = {name: columns[name] for name in self._stand.columns if name in columns}
        one, which = alike_rows([each.codes for each in there.values()], rows)
        texts = [
            [there[name].values[code] for code in there[name].codes[one].tolist()] if name in there else [None] * len(one)
            for name in self._stand.columns
        ]
        own = self._stand.places(texts)
        others = {number: self._of_one(tuple(each[number] for each in texts)) for number in np.flatnonzero(own < 0).tolist()}
        places = own.copy()
        for number, standing in others.items():
            own[number], places[number] = standing.own_place, standing.place
        return SeriesOfRows(which, own, places, others, self._stand.known)
