"""The history of a panel as the bundle stores it: the latest periods that the features of a forecast read."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabtrail.bundle.demand.expander import Asked, Expander
from tabtrail.bundle.demand.expander import Panel as PanelInputs
from tabtrail.bundle.demand.features import Array, FeatureRecipe
from tabtrail.bundle.demand.history import ANSWERED, History
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.rows import Points, chunks, features
from tabtrail.modeling.proof import Tried

_CHUNK = 20_000  # rows that are compared at once
_OTHER_BITS = 1e9  # the difference that is stated where one side is not a number


def history_of(panel: Panel, recipe: FeatureRecipe, name: str, data_sha256: str, state: Mapping[str, Any]) -> History:
    """Return what a model of this recipe reads of a panel, and the plan after its last period."""
    kept = min(panel.periods, recipe.past + ANSWERED)
    start = panel.periods - kept
    keys = np.column_stack([panel.static[column].astype(str) for column in panel.series])
    return History(
        name=name,
        first=panel.first + start,
        as_of=panel.last,
        keys=keys,
        target=np.ascontiguousarray(panel.target[:, start:]),
        known={column: np.ascontiguousarray(panel.known[column][:, start:]) for column in recipe.columns},
        static={column: values.astype(str) for column, values in panel.static.items() if column not in panel.series},
        data_sha256=data_sha256,
        state=dict(state),
        shut=panel.shut if panel.shut is not None and panel.shut.any() else None,
    )


def prove_served(panel: Panel, inputs: PanelInputs, history: History) -> Tried:
    """Compare the features that a stored history gives with those of the training, on every row that it can answer.

    Differences are relative to the training's value. Anything above 0 is a fault: both come from one kernel, bit for bit.
    """
    expander = Expander(inputs, history)
    points = _answered(panel, inputs.recipe, expander.earliest)
    most, worst, rows = 0.0, "no row", 0
    for part in chunks(points, _CHUNK):
        known = {name: _planned(panel.known[name], part) for name in (*inputs.recipe.flags, *inputs.recipe.prices)}
        served = expander.features(Asked(part.series, part.target + panel.first, known))
        for name, trained in features(panel, inputs.recipe, part).items():
            own = np.ascontiguousarray(served[name])
            differs = own.view(np.int64) != np.ascontiguousarray(trained).view(np.int64)
            if differs.any():
                found, index = _largest(own, trained, differs)
                if found > most:
                    most, worst = found, f"{name} of series {part.series[index]}, horizon {part.horizon[index]}"
        rows += len(part)
    return Tried(rows, 0, most, most, worst if most else "no row differs")


def _answered(panel: Panel, recipe: FeatureRecipe, earliest: int) -> Points:
    """Return the rows that a history answers: a period ahead of each that it holds, and all horizons after its last."""
    count, last = panel.count, panel.periods - 1
    origins = np.arange(max(earliest - 1 - panel.first, 0), last, dtype=np.int64)
    within = Points(
        np.repeat(np.arange(count), len(origins)),
        np.tile(origins, count),
        np.ones(count * len(origins), dtype=np.int64),
    )
    after = Points.at(panel, last, range(1, recipe.furthest + 1))
    return Points(
        np.concatenate([within.series, after.series]),
        np.concatenate([within.origin, after.origin]),
        np.concatenate([within.horizon, after.horizon]),
    )


def _planned(values: Array, points: Points) -> Array:
    inside = points.target < values.shape[1]
    return np.where(inside, values[points.series, np.where(inside, points.target, 0)], np.nan)


def _largest(served: Array, trained: Array, differs: NDArray[np.bool_]) -> tuple[float, int]:
    with np.errstate(all="ignore"):
        difference = np.abs(served - trained) / np.maximum(np.abs(trained), 1.0)
    stated = np.where(differs, np.where(np.isfinite(difference), np.maximum(difference, np.finfo(float).tiny), _OTHER_BITS), 0.0)
    index = int(np.argmax(stated))
    return float(stated[index]), index
