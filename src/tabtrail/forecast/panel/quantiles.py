"""Quantiles beside a forecast: LightGBM with the quantile loss, from the features that the forecast's model reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabtrail.bundle.demand.features import Array, FeatureRecipe
from tabtrail.bundle.demand.quantiles import probabilities_of
from tabtrail.config.section import Parameter
from tabtrail.forecast.panel.candidates import parse_candidates
from tabtrail.forecast.panel.direct import fit_direct
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.rows import Points, chunks, frame
from tabtrail.forecast.panel.task import Task
from tabtrail.modeling.estimators import WithQuantiles

# Those of the default candidates with absolute errors, the quantile of one half.
_PARAMETERS: dict[str, Parameter] = {
    "objective": "quantile",
    "learning_rate": 0.1,
    "n_estimators": 125,
    "num_leaves": 63,
    "min_child_samples": 50,
    "subsample": 0.8,
    "subsample_freq": 1,
    "colsample_bytree": 0.7,
    "categories": "native",
}
_PREDICTED = 65_536  # rows whose features are in memory at once


@dataclass(frozen=True)
class Quantiles:
    """Fitted models of the quantiles of the ascending `probabilities`."""

    probabilities: tuple[float, ...]
    models: tuple[Any, ...]

    def beside(self, point: Any) -> WithQuantiles:
        """Return a fitted model with these quantiles."""
        return WithQuantiles(point, self.probabilities, self.models)

    def at_end(self, texts: tuple[str, ...], recipe: FeatureRecipe, known: Panel) -> Array:
        """Return the quantiles [series, horizon, probabilities] at the end of a panel."""
        model = self.beside(None)
        points = Points.at(known, known.periods - 1, range(1, recipe.horizon + 1))
        parts = [model.predict_quantiles(frame(known, recipe, part, texts)) for part in chunks(points, _PREDICTED)]
        return np.concatenate(parts).reshape(known.count, recipe.horizon, -1)


def fit_quantiles(task: Task, panel: Panel, *, levels: Sequence[float], recipe: FeatureRecipe, at: int) -> Quantiles:
    """Return the quantiles that intervals of some levels need, fitted on a panel.

    `recipe` is that of the features of the forecast's model: a graph takes each once. `at` numbers the origin, for seeds.
    """
    demand, scale = task.demand, "level" if recipe.scaled else "none"
    probabilities = probabilities_of(levels)
    models = []
    for probability in probabilities:
        parameters = _PARAMETERS | {"alpha": probability, "scale": scale}
        (candidate,) = parse_candidates({f"LightGBM_quantile_{100 * probability:g}": parameters})
        seed = demand.random_state + at
        models.append(fit_direct(candidate, panel, recipe, texts=task.texts, most=demand.max_rows, seed=seed).estimator)
    return Quantiles(probabilities, tuple(models))
