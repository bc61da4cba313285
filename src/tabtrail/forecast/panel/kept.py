"""What a chosen model forecast at its origins beside what came, kept so that a later model can be held to it."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tabtrail.bundle.demand.features import Array
from tabtrail.contract.periods import Calendar
from tabtrail.forecast.panel.evaluate import Evaluated, Origins, observed
from tabtrail.forecast.panel.panel import Panel

Texts = NDArray[np.str_]


@dataclass(frozen=True)
class Kept:
    """Forecasts and demand [series, origins × horizon] of the series `keys` [series, columns].

    `origins` are the last known periods (numbers of the calendar), whose horizon begins after `gap` periods.
    """

    calendar: Calendar
    keys: Texts
    origins: NDArray[np.int64]
    gap: int
    actual: Array
    forecast: Array

    @property
    def horizon(self) -> int:
        """Periods that are judged after each origin."""
        return int(self.actual.shape[1]) // len(self.origins)

    def to_bytes(self) -> bytes:
        """Return the npz file of it."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            frequency=np.array(self.calendar.frequency),
            gap=np.array(self.gap),
            keys=self.keys,
            origins=self.origins,
            actual=self.actual,
            forecast=self.forecast,
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Rebuild from the npz file. Raises `ValueError` or `KeyError` for one that is not."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(
                Calendar(str(arrays["frequency"])),  # type: ignore[arg-type]  # one of another kind shares nothing
                arrays["keys"],
                arrays["origins"],
                int(arrays["gap"]),
                arrays["actual"],
                arrays["forecast"],
            )


def keep(panel: Panel, origins: Origins, chosen: Evaluated) -> Kept:
    """Return what is kept of a chosen model."""
    keys = np.column_stack([panel.static[column].astype(str) for column in panel.series])
    places = np.asarray(origins.places, dtype=np.int64) + panel.first
    return Kept(panel.calendar, keys, places, origins.gap, observed(panel, origins), chosen.forecast)


@dataclass(frozen=True)
class Shared:
    """What two models both forecast at the same origins [cells]; `groups` are series and origin of each cell, `origins` days."""

    actual: Array
    champion: Array
    challenger: Array
    groups: NDArray[np.object_]
    origins: tuple[str, ...]


def shared(champion: Kept, challenger: Kept) -> Shared | None:
    """Return the periods that both models were judged on at the same origins and by the same demand; None where there are none.

    An origin at which the demand of a series that both have is not the same counts for neither: the data was corrected since.
    """
    if champion.calendar != challenger.calendar or champion.keys.shape[1] != challenger.keys.shape[1]:
        return None
    places = {tuple(key): place for place, key in enumerate(champion.keys.tolist())}
    pairs = [(places[tuple(key)], place) for place, key in enumerate(challenger.keys.tolist()) if tuple(key) in places]
    if not pairs:
        return None
    theirs, ours = np.array(pairs).T
    found = list(_origins(champion, challenger, theirs, ours))
    if not found:
        return None
    parts = [np.concatenate([each[place] for each in found]) for place in range(1, 5)]
    actual, first, second, groups = parts
    days = tuple(champion.calendar.last_day(each[0]).isoformat() for each in found)
    return Shared(actual, first, second, groups.astype(object), days)


def _origins(
    champion: Kept, challenger: Kept, theirs: NDArray[np.int64], ours: NDArray[np.int64]
) -> Iterator[tuple[int, Array, Array, Array, NDArray[np.int64]]]:
    """Yield for each shared origin its number, and demand, both forecasts and group [cells] of what both forecast."""
    start, end = max(champion.gap, challenger.gap), min(each.gap + each.horizon for each in (champion, challenger))
    for origin in np.intersect1d(champion.origins, challenger.origins).tolist() if start < end else ():
        one, other = (_columns(each, origin, start, end) for each in (champion, challenger))
        actual = challenger.actual[ours][:, other]
        if not np.array_equal(champion.actual[theirs][:, one], actual, equal_nan=True):
            continue
        first, second = champion.forecast[theirs][:, one], challenger.forecast[ours][:, other]
        known = ~(np.isnan(actual) | np.isnan(first) | np.isnan(second))
        if known.any():
            series = np.broadcast_to(np.arange(len(ours))[:, None], actual.shape)
            yield origin, actual[known], first[known], second[known], origin * len(ours) + series[known]


def _columns(own: Kept, origin: int, start: int, end: int) -> slice:
    number = own.origins.tolist().index(origin)
    return slice(number * own.horizon + start - own.gap, number * own.horizon + end - own.gap)
