"""The features of a forecast: one numpy kernel for training and for serving, so that both compute the same bits.

A row is (series, origin, horizon): what is forecast is the period `origin + horizon`, and all that is read of the past ends with
the origin. Sums run in one fixed order (`np.add.accumulate` from the latest value back), so that a row's features do not depend
on the rows beside it. A value that is not known (before a series' first period, closed, sold out, missing) is NaN and takes no
part in a sum or a count.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tabtrail.contract.periods import Calendar, Frequency, Periods

Array = NDArray[np.float64]
LEVEL = "level"
HORIZON = "horizon"
ZEROS = "share_of_zeros"
SINCE_SALE = "since_sale"
RUN, LEFT = "_run", "_left"  # after the name of a flag
HOLIDAYS = "holidays"
_MANY = 500  # rows from which it is cheaper to go through the places in Python
_OWN_UNIT = (LEVEL, ZEROS, SINCE_SALE)  # features of the past that are not divided by the level


@dataclass(frozen=True)
class FeatureRecipe:
    """What is computed for a row.

    Of the target's past, with the origin as its latest period: its values `lags` periods back (1 is the origin itself), means
    over `windows`, the standard deviation over the first of them, the share of zeros and the periods since the last sale within
    the longest. `level` is the mean over `level_window`: the size of a series. Where `scaled`, its other values are divided by
    it.

    At the same place in the season as the target (the same weekday, week or month): the latest value, the mean of the `seasons`
    latest, and the mean of the `matches` latest at which every flag was what it will be, no further back than `reach` seasons.

    Known ahead, at the target's period: `flags` (0 or 1) as they are, and for how many periods before and after it each is the
    same, `around` at most (0: left out); `prices` as they are and over their mean in the `price_window` up to the origin. Of the
    columns of `lagged`, which are not known ahead, the value at the origin and that mean are read. `holidays` are the days of a
    country's holidays in their order, as days since 1970-01-01: a day is one, or the eve of one; of a week or month they are
    counted.

    A `recursive` model forecasts the next period alone, and further ones with its own forecasts as their past: of its rows all
    horizons are 1.
    """

    frequency: Frequency
    horizon: int
    lags: tuple[int, ...]
    windows: tuple[int, ...]
    level_window: int
    price_window: int
    seasons: int
    matches: int
    reach: int
    scaled: bool = True
    flags: tuple[str, ...] = ()
    prices: tuple[str, ...] = ()
    holidays: tuple[int, ...] = ()
    lagged: tuple[str, ...] = ()
    around: int = 0
    recursive: bool = False

    @property
    def calendar(self) -> Calendar:
        return Calendar(self.frequency)

    @property
    def furthest(self) -> int:
        """The longest horizon of a row."""
        return 1 if self.recursive else self.horizon

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns beside the target whose past is read."""
        return (*self.flags, *self.prices, *self.lagged)

    @property
    def recent(self) -> int:
        """Periods up to the origin that the features of the recent past read."""
        return max(*self.lags, *self.windows, self.level_window, self.price_window)

    @property
    def past(self) -> int:
        """Periods up to the origin that a row reads."""
        return max(self.recent, self.reach * self.calendar.season)

    @property
    def names(self) -> tuple[str, ...]:
        """The features in their order."""
        empty = np.zeros(0, dtype=np.int64)
        nothing = np.zeros((0, self.past))
        known = {name: np.zeros(0) for name in (*self.flags, *self.prices)}
        nearby = {name: np.zeros((0, 2 * self.around)) for name in self.flags}
        window = Window(nothing, dict.fromkeys(self.columns, nothing))
        return tuple(compute(self, window, Targets(empty, empty, known, nearby)))

    @property
    def nearby(self) -> Periods:
        """Where the periods lie whose flags are compared with the target's, relative to it: backwards, then forwards."""
        steps = np.arange(1, self.around + 1, dtype=np.int64)
        return np.concatenate([-steps, steps])

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Rebuild a recipe from its JSON form."""
        own: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in value.items()}
        return cls(**own)


@dataclass(frozen=True)
class Window:
    """The past of rows up to their origins, latest first: of the target and of each column known ahead [rows, past]."""

    target: Array
    known: Mapping[str, Array]


@dataclass(frozen=True)
class Targets:
    """What is forecast: the origins and horizons [rows], the columns known ahead at the target's period [rows], and the flags of
    the periods around it [rows, `FeatureRecipe.nearby`], NaN where no plan says.
    """

    origin: Periods
    horizon: Periods
    known: Mapping[str, Array]
    nearby: Mapping[str, Array] = field(default_factory=dict)


def compute(recipe: FeatureRecipe, window: Window, targets: Targets) -> dict[str, Array]:
    """Return every feature [rows] by its name: of the recent past, of the same place in the season, of the plan, of the day.

    Each group reads no more than its name says, so that what a group gave can be kept for rows that share it.
    """
    recent, unit = of_recent_past(recipe, window)
    places, inside = season_places(recipe, targets.horizon)
    rows = np.arange(len(places))[:, None]
    alike = Window(
        np.where(inside, window.target[rows, places], np.nan),
        {name: np.where(inside, window.known[name][rows, places], np.nan) for name in recipe.flags},
    )
    season = of_season(recipe, alike, targets.known, unit)
    planned = of_plan(recipe, targets.known, usual_prices(recipe, window)) | of_runs(recipe, targets.known, targets.nearby)
    return recent | season | planned | of_day(recipe, targets)


def of_recent_past(recipe: FeatureRecipe, window: Window) -> tuple[dict[str, Array], Array]:
    """Return what the periods up to the origin give, whatever is forecast; and the unit of the values: the level, or NaN."""
    found = _recent(recipe, window.target[:, : recipe.recent])
    unit = found[LEVEL] if recipe.scaled else np.full(len(window.target), np.nan)
    found = {name: values if name in _OWN_UNIT else _over(values, unit) for name, values in found.items()}
    for name in recipe.lagged:
        found[f"{name}_lag_1"] = window.known[name][:, 0]
        found[f"{name}_mean_{recipe.price_window}"] = _usual(recipe, window, name)
    return found, unit


def season_places(recipe: FeatureRecipe, horizon: Periods) -> tuple[Periods, NDArray[np.bool_]]:
    """Return how far before the origin lie the periods at the target's place in the season [rows, reach], latest first, and
    which of them are read; 0 stands for the others.
    """
    season = recipe.calendar.season
    places = ((-horizon) % season)[:, None] + season * np.arange(recipe.reach, dtype=np.int64)[None, :]
    inside = places < recipe.past
    return np.where(inside, places, 0), inside


def of_season(recipe: FeatureRecipe, alike: Window, known: Mapping[str, Array], unit: Array) -> dict[str, Array]:
    """Return what the periods at the target's place in the season give [rows, reach], latest first; of those the ones, too, at
    which every flag was what it will be.
    """
    past = alike.target
    some = ~np.isnan(past)
    found = {"season_1": past[:, 0], f"season_mean_{recipe.seasons}": _mean_of_first(past, some, recipe.seasons)}
    if recipe.flags:
        same = some.copy()
        for name in recipe.flags:
            same &= alike.known[name] == known[name][:, None]
        found[f"season_flags_mean_{recipe.matches}"] = _mean_of_first(past, same, recipe.matches)
    return {name: _over(values, unit) for name, values in found.items()}


def usual_prices(recipe: FeatureRecipe, window: Window) -> dict[str, Array]:
    """Return the mean of each price in the periods up to the origin."""
    return {name: _usual(recipe, window, name) for name in recipe.prices}


def _usual(recipe: FeatureRecipe, window: Window, name: str) -> Array:
    past = window.known[name][:, : recipe.price_window]
    return _mean_of_first(past, ~np.isnan(past), recipe.price_window)


def _recent(recipe: FeatureRecipe, past: Array) -> dict[str, Array]:
    known = ~np.isnan(past)
    sums = np.add.accumulate(np.where(known, past, 0.0), axis=1)
    counts = np.add.accumulate(known, axis=1, dtype=np.int64)
    found = {LEVEL: _divided(sums[:, recipe.level_window - 1], counts[:, recipe.level_window - 1])}
    found |= {f"lag_{lag}": past[:, lag - 1] for lag in recipe.lags}
    means = {width: _divided(sums[:, width - 1], counts[:, width - 1]) for width in recipe.windows}
    found |= {f"mean_{width}": mean for width, mean in means.items()}
    short, longest = recipe.windows[0], recipe.windows[-1]
    found[f"std_{short}"] = _deviation(past[:, :short], known[:, :short], means[short])
    zeros = np.add.accumulate(past[:, :longest] == 0, axis=1, dtype=np.int64)[:, -1]
    found[ZEROS] = _divided(zeros.astype(np.float64), counts[:, longest - 1])
    sold = past[:, :longest] > 0
    found[SINCE_SALE] = np.where(sold.any(axis=1), sold.argmax(axis=1), longest).astype(np.float64)
    return found


def of_plan(recipe: FeatureRecipe, known: Mapping[str, Array], usual: Mapping[str, Array]) -> dict[str, Array]:
    """Return the columns known ahead at the target's period, and prices over the usual ones."""
    found = {name: known[name] for name in recipe.flags}
    for name in recipe.prices:
        found[name] = known[name]
        found[f"{name}_change"] = _over(known[name], usual[name])
    return found


def of_runs(recipe: FeatureRecipe, known: Mapping[str, Array], nearby: Mapping[str, Array]) -> dict[str, Array]:
    """Return for how many periods right before and right after the target's each flag is what it is there.

    NaN where a period that no plan covers comes first.
    """
    found = {}
    for name in recipe.flags if recipe.around else ():
        found[f"{name}{RUN}"] = _run(known[name], nearby[name][:, : recipe.around])
        found[f"{name}{LEFT}"] = _run(known[name], nearby[name][:, recipe.around :])
    return found


def _run(own: Array, near: Array) -> Array:
    other = near != own[:, None]  # NaN is no flag's value
    first = np.where(other.any(axis=1), other.argmax(axis=1), near.shape[1])
    ends = near[np.arange(len(near)), np.minimum(first, near.shape[1] - 1)]
    unknown = np.isnan(own) | ((first < near.shape[1]) & np.isnan(ends))
    return np.where(unknown, np.nan, first.astype(np.float64))


def of_day(recipe: FeatureRecipe, targets: Targets) -> dict[str, Array]:
    """Return the calendar of the target's period, and how far ahead it is."""
    calendar = recipe.calendar
    period = targets.origin + targets.horizon
    first = calendar.first_days(period)
    known = np.asarray(recipe.holidays, dtype=np.int64)
    day = first.astype(np.int64)
    month = first.astype("datetime64[M]").astype(np.int64)
    year_start = first.astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
    found: dict[str, NDArray[Any]] = {
        HORIZON: targets.horizon,
        "month": month % 12 + 1,
        "week_of_year": (day - year_start) // 7 + 1,
    }
    if calendar.frequency == "D":
        weekday = (day + 3) % 7  # Monday is 0
        start = first.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        end = (first.astype("datetime64[M]") + 1).astype("datetime64[D]").astype(np.int64) - 1
        found |= {
            "day_of_week": weekday,
            "day_of_month": day - start + 1,
            "is_weekend": weekday >= 5,
            "is_month_start": day == start,
            "is_month_end": day == end,
        }
        if recipe.holidays:
            found |= {"is_holiday": np.isin(day, known), "is_holiday_eve": np.isin(day + 1, known)}
    elif recipe.holidays:
        after = calendar.first_days(period + 1).astype(np.int64)
        found[HOLIDAYS] = np.searchsorted(known, after) - np.searchsorted(known, day)
    return {name: np.asarray(values, dtype=np.float64) for name, values in found.items()}


def _mean_of_first(values: Array, taken: NDArray[np.bool_], most: int) -> Array:
    """Return the mean [rows] of the first `most` values that are taken, latest first; NaN where none is.

    Both ways add the same numbers in the same order, which gives the same bits.
    """
    if len(values) >= _MANY:
        return _mean_by_places(values, taken, most)
    rank = np.add.accumulate(taken, axis=1, dtype=np.int64)
    kept = taken & (rank <= most)
    sums = np.add.accumulate(np.where(kept, values, 0.0), axis=1)
    return _divided(sums[:, -1], np.minimum(rank[:, -1], most))


def _mean_by_places(values: Array, taken: NDArray[np.bool_], most: int) -> Array:
    """Return the mean as `_mean_of_first` does, one place of all rows after another: numpy does not accumulate in bulk."""
    rank, sums = np.zeros(len(values), dtype=np.int64), None
    for column, own in zip(np.ascontiguousarray(values.T), np.ascontiguousarray(taken.T), strict=True):
        rank += own
        kept = np.where(own & (rank <= most), column, 0.0)
        sums = kept if sums is None else sums + kept  # zero before the first would turn -0.0 into 0.0
    assert sums is not None  # noqa: S101 - a recipe reads at least one place
    return _divided(sums, np.minimum(rank, most))


def _deviation(past: Array, known: NDArray[np.bool_], mean: Array) -> Array:
    """Standard deviation of a sample (n - 1) of the known values; NaN where fewer than two are known."""
    squares = np.add.accumulate(np.where(known, (past - mean[:, None]) ** 2, 0.0), axis=1)[:, -1]
    freedom = np.add.accumulate(known, axis=1, dtype=np.int64)[:, -1] - 1
    return np.sqrt(_divided(squares, freedom))


def _divided(values: Array, counts: NDArray[Any]) -> Array:
    with np.errstate(all="ignore"):
        return np.where(counts > 0, values / counts, np.nan)


def _over(values: Array, unit: Array) -> Array:
    """Values in a unit; as they are where that is not above zero or not known."""
    with np.errstate(all="ignore"):
        return np.where(unit > 0, values / unit, values)
