"""The history of a panel as the bundle stores it: the latest periods that the features of a forecast read."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tabtrail.bundle.demand.features import FeatureRecipe
from tabtrail.bundle.demand.history import History
from tabtrail.forecast.panel.panel import Panel

# Periods before the latest that can be asked for: two months of days, so that what was forecast lately can be looked at.
_ANSWERED = 61


def history_of(panel: Panel, recipe: FeatureRecipe, name: str, data_sha256: str, state: Mapping[str, Any]) -> History:
    """Return what a model of this recipe reads of a panel, and the plan after its last period."""
    kept = min(panel.periods, recipe.past + _ANSWERED)
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
    )
