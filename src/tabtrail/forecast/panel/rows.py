"""Rows (series, origin, horizon) of a panel, and their features."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabtrail.bundle.demand.features import LEFT, RUN, Array, FeatureRecipe, Targets, Window, compute
from tabtrail.forecast.panel.panel import Panel, Rows

# Rows whose past is looked at at once: 20,000 × 182 days × 8 bytes are 29 MB a column.
_CHUNK = 20_000
# Share of the rows to learn from whose plan ends with the target's period. With it, models of pasta (six origins before those
# that are judged, absolute and Tweedie errors) have a MAE of 2.18 and 2.23 from a whole plan and 2.23 and 2.33 from the target's
# period alone; models that never read the plan around 2.24 and 2.33.
_UNPLANNED = 0.1


@dataclass(frozen=True)
class Points:
    """What is forecast: series, origin (a place in the panel's periods) and horizon of each row [rows]."""

    series: Rows
    origin: Rows
    horizon: Rows

    def __len__(self) -> int:
        return len(self.series)

    @property
    def target(self) -> Rows:
        """The places of the periods that are forecast [rows]."""
        return self.origin + self.horizon

    def take(self, chosen: Rows) -> "Points":
        """Return some of the rows."""
        return Points(self.series[chosen], self.origin[chosen], self.horizon[chosen])

    @classmethod
    def at(cls, panel: Panel, origin: int, horizons: range) -> "Points":
        """Return all series at one origin, the horizons of a series one after the other."""
        count = panel.count
        steps = np.asarray(horizons, dtype=np.int64)
        return cls(np.repeat(np.arange(count), len(steps)), np.full(count * len(steps), origin), np.tile(steps, count))


def training_points(panel: Panel, recipe: FeatureRecipe, *, most: int, seed: int) -> Points:
    """Return at most `most` rows to learn from, drawn at random where there are more: those whose target is known, and whose
    series has a level at the origin.

    Everything of a row, its target too, lies within the panel: cut it with `until` first.
    """
    generator = np.random.default_rng(seed)
    steps = np.arange(1, recipe.furthest + 1)
    usable = ~np.isnan(panel.target)
    begun = np.maximum.accumulate(usable, axis=1)
    count, periods = usable.shape
    # As many draws as rows are wanted, or every row where there are fewer in all.
    if count * periods * len(steps) <= 4 * most:
        series, origin, horizon = (
            each.ravel() for each in np.meshgrid(np.arange(count), np.arange(periods), steps, indexing="ij")
        )
    else:
        draws = 4 * most
        series, horizon = generator.integers(0, count, draws), generator.integers(1, recipe.furthest + 1, draws)
        origin = generator.integers(0, periods, draws)
    inside = origin + horizon < periods
    series, origin, horizon = series[inside], origin[inside], horizon[inside]
    good = np.flatnonzero(begun[series, origin] & usable[series, origin + horizon])
    if len(good) > most:
        good = np.sort(generator.choice(good, most, replace=False))
    return Points(series[good], origin[good], horizon[good])


def features(panel: Panel, recipe: FeatureRecipe, points: Points) -> dict[str, Array]:
    """Return every feature of the recipe [rows]. What is read of the target ends with each row's origin."""
    parts = [
        _chunk(panel, recipe, points.take(np.arange(at, min(at + _CHUNK, len(points))))) for at in range(0, len(points), _CHUNK)
    ]
    names = parts[0] if parts else dict.fromkeys(recipe.names)
    return {name: np.concatenate([part[name] for part in parts]) if parts else np.zeros(0) for name in names}


def _chunk(panel: Panel, recipe: FeatureRecipe, points: Points) -> dict[str, Array]:
    places = points.origin[:, None] - np.arange(recipe.past)[None, :]
    inside = places >= 0
    places = np.where(inside, places, 0)
    rows = points.series[:, None]
    known = {name: panel.known[name] for name in recipe.columns}
    window = Window(
        np.where(inside, panel.target[rows, places], np.nan),
        {name: np.where(inside, values[rows, places], np.nan) for name, values in known.items()},
    )
    ahead = {name: _at(known[name], points) for name in (*recipe.flags, *recipe.prices)}
    nearby = {name: _near(known[name], points, recipe) for name in recipe.flags if recipe.around}
    return compute(recipe, window, Targets(points.origin + panel.first, points.horizon, ahead, nearby))


def _at(values: Array, points: Points) -> Array:
    """Values at the target's period; NaN beyond the plan."""
    inside = points.target < values.shape[1]
    return np.where(inside, values[points.series, np.where(inside, points.target, 0)], np.nan)


def _near(values: Array, points: Points, recipe: FeatureRecipe) -> Array:
    """Values around the target's period [rows, `FeatureRecipe.nearby`]; NaN before the panel and beyond the plan."""
    places = points.target[:, None] + recipe.nearby[None, :]
    inside = (places >= 0) & (places < values.shape[1])
    return np.where(inside, values[points.series[:, None], np.where(inside, places, 0)], np.nan)


def frame(panel: Panel, recipe: FeatureRecipe, points: Points, texts: tuple[str, ...]) -> pd.DataFrame:
    """Return features and static columns as the table that a pipeline of scikit-learn takes."""
    columns = {**features(panel, recipe, points), **{name: panel.static[name][points.series] for name in texts}}
    return pd.DataFrame(columns)


def training_frame(panel: Panel, recipe: FeatureRecipe, points: Points, texts: tuple[str, ...], seed: int) -> pd.DataFrame:
    """Return the table of rows to learn from. Of some the plan around the target is hidden, as it is where only the target's
    period is sent: a model learns to forecast with it and without.
    """
    x = frame(panel, recipe, points, texts)
    hidden = np.random.default_rng(seed).random(len(points)) < _UNPLANNED
    for name in recipe.flags if recipe.around else ():
        x.loc[hidden, f"{name}{LEFT}"] = np.nan
        # Of the next period everything before it is known, except where that is a recursive model's own way ahead.
        x.loc[hidden & (recipe.recursive | (points.horizon > 1)), f"{name}{RUN}"] = np.nan
    return x


def actual(panel: Panel, points: Points) -> Array:
    """Return the demand of each row's target; NaN where it is not known."""
    return _at(panel.target, points)


def chunks(points: Points, size: int) -> Iterator[Points]:
    """Cut rows into parts."""
    for at in range(0, len(points), size):
        yield points.take(np.arange(at, min(at + size, len(points))))
