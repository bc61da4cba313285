"""Pooled direct models: one model for all series and horizons, the horizon being a feature."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tabtrail.bundle.demand.features import LEVEL, Array, FeatureRecipe
from tabtrail.config.section import Parameter
from tabtrail.errors import ConfigError, DataError, nearest, require_extra
from tabtrail.forecast.panel.nets.settings import NetSettings, TableSettings, WindowSettings, parse_net
from tabtrail.forecast.panel.nets.table_net import TableNet, chosen_numbers
from tabtrail.forecast.panel.nets.window_net import WindowNet
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.rows import Points, actual, chunks, frame, training_points
from tabtrail.modeling.candidates import Candidate, family_name, list_candidates
from tabtrail.modeling.estimators import clipped
from tabtrail.modeling.families import family_of
from tabtrail.modeling.fit import build_model, regressor_of
from tabtrail.modeling.preprocess import Recipe

_SCALE = "scale"
_PREDICTED = 65_536  # rows whose features are in memory at once


@dataclass(frozen=True)
class DirectCandidate:
    """A model to fit: `scaled` learns the target, and reads its past, over the level of the series. A net has its settings."""

    candidate: Candidate
    scaled: bool
    net: NetSettings | None = None

    @property
    def name(self) -> str:
        return self.candidate.name


def parse_candidates(configured: Mapping[str, dict[str, Parameter]]) -> list[DirectCandidate]:
    """Return the configured candidates.

    Raises `ConfigError` naming the key of what is wrong with one, and `MissingExtraError` for a net without PyTorch.
    """
    found = []
    for name, params in configured.items():
        scale = params.get(_SCALE, "none")
        if scale not in ("none", "level"):
            raise ConfigError(f"demand.candidates.{name}.scale: '{scale}' is unknown; write none or level")
        own = {key: value for key, value in params.items() if key != _SCALE}
        if (net := parse_net(name, own)) is not None:
            found.append(_net_candidate(Candidate(name, family_name(name), own), net, scaled=scale == "level"))
            continue
        try:
            (candidate,) = [each for each in list_candidates({name: own}) if each.name == name]
        except ConfigError as error:
            raise ConfigError(f"demand.{error}") from None
        scaled = scale == "level"
        found.append(DirectCandidate(replace(candidate, transform="level", reference=LEVEL) if scaled else candidate, scaled))
    return found


def _net_candidate(candidate: Candidate, net: NetSettings, *, scaled: bool) -> DirectCandidate:
    if scaled and isinstance(net, WindowSettings):
        raise ConfigError(
            f"demand.candidates.{candidate.name}.scale: a window is learned in standard deviations of its series; leave it out"
        )
    require_extra("torch", "torch")
    return DirectCandidate(candidate, scaled, net)


def default_candidates() -> dict[str, dict[str, Parameter]]:
    """Return what is tried where the config names nothing: a linear model, a forest, and boosted trees of three libraries with
    absolute and Tweedie errors, which a blend joins.

    Trees that minimise absolute errors forecast too little where most days sell nothing; those with Tweedie errors do not.
    """
    level: dict[str, Parameter] = {"scale": "level"}
    lightgbm: dict[str, Parameter] = {
        **level,
        "learning_rate": 0.05,
        "num_leaves": 63,
        "min_child_samples": 50,
        "subsample": 0.8,
        "subsample_freq": 1,
        "colsample_bytree": 0.7,
        "categories": "native",
    }
    xgboost: dict[str, Parameter] = {
        **level,
        "learning_rate": 0.07,
        "max_depth": 6,
        "min_child_weight": 20,
        "subsample": 0.8,
        "colsample_bytree": 0.7,
    }
    return {
        "LinearRegression": level,
        # Each tree sees a fifth of the rows: forests of all rows are no better, and cost and weigh five times as much.
        "RandomForest": {**level, "n_estimators": 30, "max_samples": 0.2, "max_features": 0.4, "min_samples_leaf": 20},
        "XGBoost_tweedie": {**xgboost, "objective": "reg:tweedie", "tweedie_variance_power": 1.3, "n_estimators": 120},
        "CatBoost_absolute": {**level, "loss_function": "MAE", "iterations": 150, "learning_rate": 0.1, "depth": 6},
        "LightGBM_absolute": {**lightgbm, "objective": "regression_l1", "n_estimators": 250},
        "LightGBM_tweedie": {**lightgbm, "objective": "tweedie", "tweedie_variance_power": 1.3, "n_estimators": 150},
        # In units of the target: at six origins of the pasta data it has RMSSE 0.671, over the level 0.677, with the same MAE.
        "LightGBM_tweedie_units": {
            **lightgbm,
            "scale": "none",
            "objective": "tweedie",
            "tweedie_variance_power": 1.5,
            "n_estimators": 200,
        },
    }


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
        parts = [
            np.asarray(self.estimator.predict(frame(panel, self.recipe, part, self.texts)), dtype=np.float64).ravel()
            for part in chunks(points, _PREDICTED)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)


def fit_direct(
    candidate: DirectCandidate, panel: Panel, recipe: FeatureRecipe, *, texts: tuple[str, ...], most: int, seed: int
) -> DirectModel:
    """Fit a candidate on rows of a panel that ends at the origin.

    Raises `ConfigError` for parameters that the library refuses, `DataError` for rows that the candidate cannot learn from.
    """
    recipe = replace(recipe, scaled=candidate.scaled)
    if isinstance(candidate.net, WindowSettings):
        recipe = replace(recipe, lags=tuple(range(1, candidate.net.window + 1)))
    points = training_points(panel, recipe, most=most, seed=seed)
    if not len(points):
        raise DataError(
            f"up to {panel.calendar.last_day(panel.last)} no series has a period of known demand after another: there is nothing"
            " to learn from; bring a longer history, or leave fewer periods out (closed, stockout, missing_periods)"
        )
    x, y = frame(panel, recipe, points, texts), actual(panel, points)
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
        raise DataError(f"demand.candidates.{candidate.name}: {error}") from None


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
