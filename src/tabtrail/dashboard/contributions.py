"""What each column (of a forecast: each group of features) adds to one prediction of the deployed bundle.

The bundle's own graph is asked, with numpy: no pickle is opened and nothing that trains is imported.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from tabtrail.bundle.predictor import Prediction, Predictor
from tabtrail.dashboard.explained import value_text
from tabtrail.data.dates import to_doubles
from tabtrail.explain.coalitions import Array, Columns, Game, Shares, explain_one, reference_rows, share_out
from tabtrail.explain.groups import group_features, group_text

_SERIES, _STEPS = 10, 5  # of which the forecasts are that a forecast is compared with


@dataclass(frozen=True)
class Contributions:
    """`base_value` + the contributions of `parts` (name, value in words, contribution) = `prediction`, in units of the target."""

    parts: tuple[tuple[str, str, float], ...]
    base_value: float
    prediction: float


def contributions(predictor: Predictor, served: Prediction, background: Columns) -> Contributions:
    """Return what each column of a row, or each group of features of a forecast, adds to the prediction that was served, relative
    to predictions of the rows of `background`.
    """
    own = {name: values.ravel() for name, values in predictor.graph_inputs([served.inputs]).items()}
    if predictor.demand is not None:
        return _of_groups(predictor, served, background, own)
    found = explain_one(_graph(predictor), background, {name: own[name] for name in background})
    return _told(found, [(name, value_text(served.inputs[name])) for name in background])


def _of_groups(predictor: Predictor, served: Prediction, background: Columns, own: Columns) -> Contributions:
    demand, graph = predictor.demand, _graph(predictor)
    assert demand is not None  # noqa: S101 - of a model of series
    groups = group_features(demand.panel.recipe, demand.panel.texts)
    game = Game(graph, reference_rows(graph, background), tuple(map(tuple, groups.values())))
    found = share_out(game, own, coalitions=1 << len(groups), seed=0)
    return _told(found, [(name, group_text(name, each, own, served, demand)) for name, each in groups.items()])


def _told(found: Shares, named: list[tuple[str, str]]) -> Contributions:
    parts = tuple((name, text, value) for (name, text), value in zip(named, found.values[0].tolist(), strict=True))
    return Contributions(parts, found.base_value, float(found.predictions[0]))


def _graph(predictor: Predictor) -> Callable[[Columns], Array]:
    def predict(columns: Columns) -> Array:
        found = predictor.run_graph({name: values.reshape(-1, 1) for name, values in columns.items()})
        return np.asarray(found, dtype=np.float64)

    return predict


def background_of(rows: pl.DataFrame, predictor: Predictor) -> Columns:
    """Return rows of the dataset as the model takes them: doubles (dates as days since 1970-01-01), texts ("" for missing)."""
    return {
        feature.name: rows[feature.name].cast(pl.String).fill_null("").to_numpy().astype(np.object_)
        if feature.kind == "categorical"
        else to_doubles(rows[feature.name])
        for feature in predictor.schema.features
    }


def background_of_series(predictor: Predictor) -> Columns:
    """Return forecasts of known series, evenly spread, as of one horizon before the last known period: what the model takes."""
    demand = predictor.demand
    assert demand is not None  # noqa: S101 - of a model of series
    horizon, series = demand.panel.recipe.horizon, demand.history.series
    steps = np.unique(np.linspace(1, horizon, _STEPS).round().astype(np.int64))
    chosen = np.unique(np.linspace(0, series - 1, _SERIES).round().astype(np.int64))
    origin = max(demand.history.first, demand.history.as_of - horizon)
    return {name: values.ravel() for name, values in demand.feed_of(chosen, origin, steps).items()}
