"""What series learn from one another: which forecaster erred least over all of them, by class of series."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tabtrail.forecast.local.origins import Trials

Array = NDArray[np.float64]
Places = NDArray[np.int64]
CLASSES = ("smooth", "intermittent", "erratic", "lumpy")
# What a series of each class is forecast by where nothing is shown to be better. An average of an intermittent one, most of whose
# values are 0, is never near a 0.
DEFAULTS = ("combination", "seasonal_naive", "combination", "seasonal_naive")
# Gains are over what every history with a value has, on the periods that both have.
_REFERENCE = "average"
# A class with fewer series says little of its own: it takes the order of its like, those with or without empty periods.
_ENOUGH = 5
# As for one series (`choice.MIN_PAIRS`): a standard error from fewer periods is itself uncertain by more than a quarter.
_MIN_PERIODS = 8
# And over a season: what is good in summer need not be in winter. Few series say something only over two.
_MIN_SEASONS = 2
# Squared coefficient of variation of the sizes of sales from which they are erratic: Syntetos, Boylan and Croston, J. Oper. Res.
# Soc. 56, 2005.
_ERRATIC = 0.49
# How many standard errors a pooled gain must be above zero. One: it is over many series, of which each adds to the evidence.
_ERRORS = 1.0


@dataclass(frozen=True)
class Neighbours:
    """The forecasters that are better than the default of a class over all its series, the best first, by periods left.

    All series end with the data, so that the periods left are one day for all. The order with `left` periods left is from errors
    that were known by then, and chooses nothing with what came after. `share` of empty periods makes a series intermittent.
    """

    series: int = 0
    share: float = 0.5
    orders: Mapping[str, Sequence[tuple[str, ...]]] = field(default_factory=dict)

    def order(self, y: Array, left: int) -> tuple[str, ...]:
        """Return the order for a history with `left` periods of the data after it; empty where nothing was shown by then."""
        orders = self.orders.get(CLASSES[class_places(y, self.share)[-1]], ()) if len(y) else ()
        return orders[left] if left < len(orders) else ()


ALONE = Neighbours()


def class_places(y: Array, share: float) -> Places:
    """Return the place in `CLASSES` of the history up to each value [n]: how often it is 0, and how much its sales differ."""
    seen, sold = np.arange(1, len(y) + 1), np.cumsum(y != 0)
    with np.errstate(all="ignore"):  # before the first sale
        variation = np.cumsum(y**2) / sold / (np.cumsum(y) / sold) ** 2 - 1
    places: Places = ((seen - sold) / seen > share).astype(np.int64) + 2 * (variation > _ERRATIC)
    return places


def learn(found: Iterable[Trials], share: float) -> Neighbours:
    """Return what the forecasters came to over several series that end with the same period."""
    trials = [each for each in found if each.origins]
    if not trials:
        return ALONE
    names = tuple(name for name, trial in trials[0].by_name.items() if trial.forecaster.cheap)
    reach = max(len(each.y) - each.origins[0] for each in trials) + 1
    overlap = max(each.overlap for each in trials)
    seasons = 1 if len(trials) >= _ENOUGH else _MIN_SEASONS
    least = max(_MIN_PERIODS, seasons * trials[0].season)
    gains = sum((_gains(each, names, reach, share) for each in trials), start=np.zeros((2, len(CLASSES), len(names), reach)))
    members = sum((_members(each, reach, share) for each in trials), start=np.zeros((len(CLASSES), reach)))
    orders = {}
    for place, name in enumerate(CLASSES):
        alike = gains[:, place % 2] + gains[:, place % 2 + 2]
        own, wide = (
            _ranked(each[0], each[1], names.index(DEFAULTS[place]), overlap=overlap, least=least)
            for each in (gains[:, place], alike)
        )
        ranks = np.where(members[place] >= _ENOUGH, own, wide)
        orders[name] = [tuple(names[at] for at in np.argsort(-column) if column[at] > -np.inf) for column in ranks.T]
    return Neighbours(len(trials), share, orders)


def _ranked(sums: Array, counts: Array, default: int, *, overlap: int, least: int) -> Array:
    """Return how much better each forecaster surely was [names, left]; minus infinity where it was not better than the default.

    `sums` and `counts` [names, left] are of gains in the period with as many left. Sure is the mean gain less its standard error,
    so that of two with like means the steadier one is preferred.
    """
    with np.errstate(all="ignore"):
        means = np.where(counts > 0, sums / counts, np.nan)
    gain, error, periods = _so_far(means - means[default], overlap)
    sure, spread, _ = _so_far(means, overlap)
    return np.where((periods >= least) & (gain > _ERRORS * error), sure - spread, -np.inf)


def _so_far(values: Array, overlap: int) -> tuple[Array, Array, Array]:
    """Return mean, its standard error, and number of the values known with as many periods left [names, left] or more."""
    known = ~np.isnan(values)
    count, total, square = (
        np.cumsum(each[:, ::-1], axis=1)[:, ::-1]
        for each in (known.astype(np.float64), np.where(known, values, 0.0), np.where(known, values**2, 0.0))
    )
    with np.errstate(all="ignore"):
        mean = total / count
        variance = np.maximum(square / count - mean**2, 0.0) / (count - 1)
        return np.nan_to_num(mean), np.nan_to_num(np.sqrt(variance * np.minimum(overlap, count))), count


def _gains(trials: Trials, names: tuple[str, ...], reach: int, share: float) -> Array:
    """Return sums and numbers [2, classes, names, left] of a series' gains over the reference, in its mean changes until then."""
    n = len(trials.y)
    origins = np.array(trials.origins)
    at = origins[:, None] + np.arange(trials.horizon)[None, :]
    changes = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(trials.y)))]) / np.maximum(np.arange(n), 1)
    scale = np.broadcast_to(changes[origins - 1][:, None], at.shape)
    places = np.broadcast_to(class_places(trials.y, share)[origins - 1][:, None], at.shape)
    reference = np.abs(trials.errors(_REFERENCE))
    found = np.zeros((2, len(CLASSES), len(names), reach))
    for row, name in enumerate(names):
        gain = reference - np.abs(trials.errors(name))
        known = ~np.isnan(gain) & (scale > 0)
        cell = places[known] * reach + n - 1 - at[known]
        for part, weights in enumerate((gain[known] / scale[known], None)):
            found[part, :, row] = np.bincount(cell, weights, len(CLASSES) * reach).reshape(len(CLASSES), reach)
    return found


def _members(trials: Trials, reach: int, share: float) -> Array:
    """Return 1 at the class [classes, left] that a series had with as many periods left, 0 elsewhere."""
    seen = len(trials.y) - np.arange(reach)
    places = class_places(trials.y, share)[np.maximum(seen, 1) - 1]
    return np.asarray((np.arange(len(CLASSES))[:, None] == places) & (seen > 0), dtype=np.float64)
