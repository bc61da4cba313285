"""What each column (of a forecast: each group of features) adds to one prediction of the deployed bundle.

The bundle's own graph is asked, with numpy: no pickle is opened and nothing that trains is imported.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tabtrail.bundle.predictor import Prediction, Predictor
from tabtrail.dashboard.explained import value_text
from tabtrail.data.dates import to_doubles
from tabtrail.explain.coalitions import Array, Columns, Game, share_out
from tabtrail.explain.groups import group_features, group_text

_REFERENCES = 50  # rows that unknown columns are taken from: the error of a mean of 50 is a seventh of one row's
_COALITIONS = 400  # of the columns: 20,000 rows of the graph, a tenth of a second


@dataclass(frozen=True)
class Contributions:
    """`base_value` + the contributions of `parts` (name, value in words, contribution) = `prediction`, in units of the target."""

    parts: tuple[tuple[str, str, float], ...]
    base_value: float
    prediction: float
    references: int


def contributions(predictor: Predictor, served: Prediction, reference: Columns) -> Contributions:
    """Return what each column of a row, or each group of features of a forecast, adds to the prediction that was served, relative
    to the mean prediction of the reference rows.
    """
    own = {name: values.ravel() for name, values in predictor.graph_inputs([served.inputs]).items()}
    groups = _groups(predictor)
    game = Game(_graph(predictor), reference, tuple(map(tuple, groups.values())))
    found = share_out(game, own, coalitions=_COALITIONS, seed=0)
    texts = [_text(predictor, served, name, own, features) for name, features in groups.items()]
    parts = tuple(zip(groups, texts, found.values[0].tolist(), strict=True))
    return Contributions(parts, found.base_value, float(found.predictions[0]), game.references)


def _groups(predictor: Predictor) -> dict[str, list[str]]:
    """Return what shares a prediction, by name: each column alone, of a model of series the groups of its features."""
    if predictor.demand is None:
        return {name: [name] for name in predictor.schema.names}
    return group_features(predictor.demand.panel.recipe, predictor.demand.panel.texts)


def _text(predictor: Predictor, served: Prediction, name: str, own: Columns, features: Sequence[str]) -> str:
    if predictor.demand is None:
        return value_text(served.inputs[name])
    return group_text(name, features, own, served, predictor.demand)


def _graph(predictor: Predictor) -> Callable[[Columns], Array]:
    def predict(columns: Columns) -> Array:
        found = predictor.run_graph({name: values.reshape(-1, 1) for name, values in columns.items()})
        return np.asarray(found, dtype=np.float64)

    return predict


def reference_of(rows: pl.DataFrame, predictor: Predictor) -> Columns:
    """Return rows of the dataset, or explained ones, as the model takes them: doubles (dates as days), texts ("" for missing); at
    most 50 of them, evenly spread.
    """
    kept = rows[np.unique(np.linspace(0, rows.height - 1, _REFERENCES).round().astype(np.int64))]
    columns = {}
    for feature in predictor.schema.features:
        own = kept.get_column(feature.name)
        if feature.kind == "categorical":
            columns[feature.name] = own.cast(pl.String).fill_null("").to_numpy().astype(object)
        else:
            columns[feature.name] = to_doubles(own)
    return columns


def reference_of_series(predictor: Predictor) -> Columns:
    """Return forecasts of known series, evenly spread, as of one horizon before the last known period: what the model takes."""
    demand = predictor.demand
    assert demand is not None  # noqa: S101 - of a model of series
    horizon, series = demand.panel.recipe.horizon, demand.history.series
    steps = np.unique(np.linspace(1, horizon, 5).round().astype(np.int64))
    chosen = np.unique(np.linspace(0, series - 1, max(1, _REFERENCES // len(steps))).round().astype(np.int64))
    origin = max(demand.history.first, demand.history.as_of - horizon)
    return {name: values.ravel() for name, values in demand.feed_of(chosen, origin, steps).items()}
