"""Every model at the same rolling origins, refitted at each: what it would have forecast, and how far off it was."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from tabtrail.bundle.demand.features import Array, FeatureRecipe
from tabtrail.errors import DataError
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.scores import Scales, scales, score

Forecaster = Callable[[Panel, int], Array]
"""Forecast [series, horizon] at the end of a panel; the panel's plan goes on. The number is that of the origin, for seeds."""


@dataclass(frozen=True)
class Origins:
    """Places of the origins in a panel's periods, oldest first, with how many periods ahead is judged after a gap."""

    places: tuple[int, ...]
    horizon: int
    gap: int = 0

    def judged(self, origin: int) -> slice:
        """The periods that a forecast at an origin is judged on."""
        return slice(origin + 1 + self.gap, origin + 1 + self.gap + self.horizon)


def rolling_origins(periods: int, horizon: int, *, count: int, step: int | None = None, gap: int = 0, least: int = 1) -> Origins:
    """Return the latest `count` origins whose whole horizon is known, `step` periods apart, fewer where history is short.

    `least` periods stay before the first. Raises `DataError` where not one origin fits.
    """
    step = step or horizon
    last = periods - 1 - horizon - gap
    places = [last - step * back for back in range(count)]
    kept = tuple(sorted(place for place in places if place + 1 >= least))
    if not kept:
        raise DataError(
            f"{periods:,} periods are too few to judge a forecast of {horizon:,}: at least {least + horizon + gap:,} are needed;"
            " set a shorter demand.horizon, or bring a longer history"
        )
    return Origins(kept, horizon, gap)


def require_judged(panel: Panel, origins: Origins) -> None:
    """Raise `DataError` where no judged period has a known demand, or most are in a pause of all series, before any fit."""
    _require_rows(panel, origins)
    if np.isnan(observed(panel, origins)).all():
        first, last = origins.judged(origins.places[0]).start, origins.judged(origins.places[-1]).stop - 1
        calendar = panel.calendar
        raise DataError(
            f"from {calendar.first_day(panel.first + first)} to {calendar.last_day(panel.first + last)}, where forecasts are"
            " judged, no demand is known: all of it is closed, sold out or missing (demand.closed, demand.stockout,"
            " demand.missing_periods); bring later rows, or set more demand.origins"
        )


def _require_rows(panel: Panel, origins: Origins) -> None:
    pause = range(0) if panel.account is None else panel.account.idle
    periods = {panel.first + each for origin in origins.places for each in range(*origins.judged(origin).indices(panel.periods))}
    inside = sum(each in pause for each in periods)
    if 2 * inside > len(periods):
        calendar = panel.calendar
        raise DataError(
            f"{inside:,} of the {len(periods):,} {calendar.name}s in which forecasts are judged have no demand of any series, as"
            f" all from {calendar.first_day(pause.start)} to {calendar.last_day(pause.stop - 1)}: is a date after them wrong?"
            " cleaning.plausible_years sets its row aside; a pause that is real has rows, with a condition for demand.closed"
        )


@dataclass(frozen=True)
class Evaluated:
    """The forecasts of one model at all origins [series, origins × horizon], and its scores."""

    name: str
    forecast: Array
    scores: Mapping[str, float | int | None]
    baseline: bool = False
    by_horizon: tuple[Mapping[str, float | int | None], ...] = field(default=())


def observed(panel: Panel, origins: Origins) -> Array:
    """Return the demand of all judged periods [series, origins × horizon]."""
    return judged_periods(panel.target, origins)


def judged_periods(values: Array, origins: Origins) -> Array:
    """Return of values [series, periods] those of all judged periods [series, origins × horizon]."""
    return np.concatenate([values[:, origins.judged(origin)] for origin in origins.places], axis=1)


def evaluate(
    name: str, forecaster: Forecaster, panel: Panel, origins: Origins, *, baseline: bool = False, money: Array | None = None
) -> Evaluated:
    """Forecast at each origin with what was known then, and score. `money` [series, periods] is the price of all periods."""
    parts = [
        forecaster(panel.until(origin), number)[:, origins.gap : origins.gap + origins.horizon]
        for number, origin in enumerate(origins.places)
    ]
    return scored(name, np.concatenate(parts, axis=1), panel, origins, baseline=baseline, money=money)


def scored(
    name: str, forecast: Array, panel: Panel, origins: Origins, *, baseline: bool = False, money: Array | None = None
) -> Evaluated:
    """Score forecasts [series, origins × horizon] that were made at the origins."""
    actual, scale = observed(panel, origins), scales(panel, origins.places[0])
    prices = None if money is None else judged_periods(money, origins)
    steps = tuple(
        score(each(actual), each(forecast), scale, None if prices is None else each(prices))
        for each in (partial(_at, step, origins.horizon) for step in range(origins.horizon))
    )
    return Evaluated(name, forecast, score(actual, forecast, scale, prices), baseline, steps)


def _at(step: int, horizon: int, values: Array) -> Array:
    """Return the columns of a number of periods ahead [series, origins]."""
    return values[:, step::horizon]


def choose(evaluated: Sequence[Evaluated], metric: str, max_bias: float | None) -> tuple[Evaluated, str]:
    """Return the model that is best by a metric among those within a bias, and in words what the constraint did.

    Where none is within it, the one with the least |bias|. Baselines are not chosen. Raises `DataError` where nothing can be.
    """
    able = [each for each in evaluated if not each.baseline and each.scores.get(metric) is not None]
    if not able:
        raise DataError(f"no model has a {metric.upper()} at the origins that are judged")
    best = min(able, key=lambda each: (_value(each, metric), each.name))
    if max_bias is None:
        return best, f"the least {metric.upper()}; no bound on the bias"
    within = [each for each in able if abs(_value(each, "bias")) <= max_bias]
    if not within:
        least = min(able, key=lambda each: (abs(_value(each, "bias")), each.name))
        return least, f"no model's |bias| is within {max_bias:.0%}: this one has the least, {_value(least, 'bias'):+.1%}"
    chosen = min(within, key=lambda each: (_value(each, metric), each.name))
    if chosen is best:
        return chosen, f"the least {metric.upper()}, and its bias of {_value(best, 'bias'):+.1%} is within {max_bias:.0%}"
    return chosen, (
        f"the least {metric.upper()} among those with |bias| within {max_bias:.0%}; {best.name} has"
        f" {_value(best, metric):.4g} instead of {_value(chosen, metric):.4g}, and would order"
        f" {abs(_value(best, 'bias')):.1%} too {'little' if _value(best, 'bias') < 0 else 'much'}"
    )


def best_baseline(evaluated: Sequence[Evaluated], metric: str, max_bias: float | None) -> Evaluated | None:
    """Return the baseline that a model has to beat: the best by the metric among those that could be chosen as it was.

    One that forecasts far too little has small errors where most days sell nothing; it is no rival of a model that may not.
    """
    able = [each for each in evaluated if each.baseline and each.scores.get(metric) is not None]
    within = [each for each in able if max_bias is None or abs(_value(each, "bias")) <= max_bias]
    return min(within or able, key=lambda each: (_value(each, metric), each.name), default=None)


def _value(each: Evaluated, metric: str) -> float:
    value = each.scores.get(metric)
    return float("inf") if value is None else float(value)


def money_of(panel: Panel, price: str | None) -> Array | None:
    """Return the price of each period with demand [series, periods], None where no price is named."""
    return None if price is None else panel.known[price][:, : panel.periods]


def scales_at(panel: Panel, origins: Origins) -> Scales:
    """Return the denominators of the scaled errors, from the first origin."""
    return scales(panel, origins.places[0])


def default_recipe(frequency: str, horizon: int, flags: tuple[str, ...], prices: tuple[str, ...]) -> FeatureRecipe:
    """Return the features of a frequency: of days up to eight weeks back, of weeks and months up to a year and more."""
    settings = {
        "D": {
            "lags": (1, 7, 14, 21, 28),
            "windows": (7, 14, 28, 56),
            "level_window": 56,
            "price_window": 28,
            "reach": 26,
            "around": 7,
        },
        "W": {
            "lags": (1, 2, 4, 8, 13),
            "windows": (4, 8, 13, 26),
            "level_window": 26,
            "price_window": 13,
            "reach": 3,
            "around": 2,
        },
        "MS": {"lags": (1, 2, 3, 6, 12), "windows": (3, 6, 12), "level_window": 12, "price_window": 6, "reach": 4, "around": 1},
    }[frequency]
    seasons, matches = (8, 6) if frequency == "D" else (2, 2)
    return FeatureRecipe(frequency, horizon, seasons=seasons, matches=matches, flags=flags, prices=prices, **settings)  # type: ignore[arg-type]
