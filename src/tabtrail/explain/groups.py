"""The features of a pooled model in the groups that people know, and what a group holds in words. numpy alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tabtrail.bundle.demand.features import HOLIDAYS, HORIZON, LEVEL, FeatureRecipe
from tabtrail.bundle.demand.inputs import DemandInputs
from tabtrail.bundle.predictor import Prediction

SIZE, PAST, SEASON = "size of the series", "past of the series", "season"
PLAN, CALENDAR, SERIES = "promotion and price", "calendar and horizon", "which series it is"
_CALENDAR = (HORIZON, "month", "week_of_year", "day_of_", "is_", HOLIDAYS)
_SHOWN = 2  # features that stand for a group of the past


def group_features(recipe: FeatureRecipe, texts: Sequence[str]) -> dict[str, list[str]]:
    """Return the features of each group, those of the past where nothing else is known of one; empty groups are left out.

    The level is a group of its own where the other features are divided by it: it is then the size of the series.
    """
    found: dict[str, list[str]] = {name: [] for name in (SIZE, PAST, SEASON, PLAN, CALENDAR, SERIES)}
    for name in (*recipe.names, *texts):
        found[_group_of(name, recipe, texts)].append(name)
    return {name: own for name, own in found.items() if own}


def _group_of(name: str, recipe: FeatureRecipe, texts: Sequence[str]) -> str:
    if name in texts:
        return SERIES
    if any(name == known or name.startswith(f"{known}_") for known in (*recipe.flags, *recipe.prices, *recipe.lagged)):
        return PLAN
    if name.startswith("season_"):
        return SEASON
    if name.startswith(_CALENDAR):
        return CALENDAR
    return SIZE if name == LEVEL and recipe.scaled else PAST


def group_text(group: str, features: Sequence[str], row: Mapping[str, Any], served: Prediction, demand: DemandInputs) -> str:
    """Say in a few words what a group holds of a forecast that was served; `row` has the features of that one row."""
    if group == SERIES:
        return " · ".join(str(np.ravel(row[name])[0]) for name in features)
    if group == CALENDAR:
        ahead = 0 if served.forecast is None else served.forecast.horizon
        return f"{served.inputs[demand.panel.date]}, {ahead} ahead"
    if group == PLAN:
        return ", ".join(f"{name} {_number(np.ravel(row[name])[0])}" for name in features if name in demand.known_ahead)
    if group == SIZE:
        return f"{_number(np.ravel(row[features[0]])[0])} a {demand.panel.recipe.calendar.name}"
    return ", ".join(f"{name} {_number(np.ravel(row[name])[0])}" for name in features[:_SHOWN])


def _number(value: float) -> str:
    return "unknown" if np.isnan(value) else f"{value:.4g}"
