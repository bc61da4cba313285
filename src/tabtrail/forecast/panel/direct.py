"""Pooled models: one for all series and horizons, the horizon being a feature, or a recursive one of the next period alone."""

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from tabtrail.bundle.demand.features import LEVEL, Array, FeatureRecipe
from tabtrail.errors import ConfigError, DataError, nearest
from tabtrail.forecast.panel.candidates import DirectCandidate
from tabtrail.forecast.panel.nets.settings import TableSettings, WindowSettings
from tabtrail.forecast.panel.nets.table_net import TableNet, chosen_numbers
from tabtrail.forecast.panel.nets.window_net import WindowNet
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.recursion import forecast_points
from tabtrail.forecast.panel.rows import Points, actual, training_frame, training_points
from tabtrail.modeling.candidates import Candidate
from tabtrail.modeling.estimators import clipped
from tabtrail.modeling.families import family_of
from tabtrail.modeling.fit import build_model, regressor_of
from tabtrail.modeling.preprocess import Recipe


@dataclass(frozen=True)
class DirectModel:
    """A fitted model with the recipe of its features; `texts` are the static columns that it takes."""

    name: str
    recipe: FeatureRecipe
    texts: tuple[str, ...]
    estimator: Any
    rows: int

    def predict(self, panel: Panel, points: Points) -> Array:
        """Return the forecast of each row [rows], in units of the target."""
        return forecast_points(self.estimator.predict, panel, points, recipe=self.recipe, texts=self.texts)


def fit_direct(
    candidate: DirectCandidate, panel: Panel, recipe: FeatureRecipe, *, texts: tuple[str, ...], most: int, seed: int
) -> DirectModel:
    """Fit a candidate on rows of a panel that ends at the origin.

    Raises `ConfigError` for parameters that the library refuses, `DataError` for rows that the candidate cannot learn from.
    """
    recipe = replace(recipe, scaled=candidate.scaled, recursive=candidate.recursive)
    if isinstance(candidate.net, WindowSettings):
        recipe = replace(recipe, lags=tuple(range(1, candidate.net.window + 1)))
    points = training_points(panel, recipe, most=most, seed=seed)
    if not len(points):
        raise DataError(
            f"up to {panel.calendar.last_day(panel.last)} no series has a period of known demand after another: there is nothing"
            " to learn from; bring a longer history, or leave fewer periods out (closed, stockout, missing_periods)"
        )
    x, y = training_frame(panel, recipe, points, texts, seed), actual(panel, points)
    numbers = tuple(name for name in x.columns if name not in texts)
    least = 0.0 if not (panel.target < 0).any() else None
    if candidate.net is not None:
        net = _build_net(candidate, recipe, numbers, texts, seed).fit(x, y, points.target + panel.first)
        return DirectModel(candidate.name, recipe, texts, clipped(net, (least, None)), len(points))
    inputs = Recipe(numbers, texts, numbers, {}, one_hot=texts, seed=seed, clip=(least, None))
    estimator = _fitted(candidate.candidate, build_model(candidate.candidate, inputs), x, y)
    if (family := family_of(regressor_of(estimator))) is not None:
        family.make_canonical(regressor_of(estimator))
    return DirectModel(candidate.name, recipe, texts, estimator, len(points))


def _fitted(candidate: Candidate, model: Any, x: pd.DataFrame, y: Array) -> Any:
    try:
        return model.fit(x, y)
    except candidate.errors as error:
        reason = str(error).strip().splitlines()[0][:300]
        raise ConfigError(f"demand.candidates.{candidate.name} cannot be fitted: {reason}") from None
    except DataError as error:
        unscaled = "scale: level divides by the size of a series, and none is above zero; leave it out, or mend the signs"
        reason = unscaled if candidate.reference == LEVEL else str(error)
        raise DataError(f"demand.candidates.{candidate.name}: {reason}") from None


def _build_net(
    candidate: DirectCandidate, recipe: FeatureRecipe, numbers: tuple[str, ...], texts: tuple[str, ...], seed: int
) -> TableNet | WindowNet:
    net = candidate.net
    if isinstance(net, TableSettings):
        own = chosen_numbers(net, numbers, (*recipe.flags, *recipe.prices))
        return TableNet(net, own, texts, unit=LEVEL if candidate.scaled else None, seed=seed)
    assert isinstance(net, WindowSettings)  # noqa: S101 - there are two kinds
    if net.per is not None and net.per not in texts:
        raise ConfigError(
            f"demand.candidates.{candidate.name}.per: '{net.per}' is neither in demand.series nor in demand.static"
            f"{nearest(net.per, list(texts))}"
        )
    return WindowNet(net, texts, recipe.horizon, seed)
