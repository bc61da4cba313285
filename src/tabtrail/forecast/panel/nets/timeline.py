"""What both kinds of nets read of their rows: texts, the last part of the training (which early stopping
looks at), and what trains them.
"""

from types import ModuleType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabtrail.forecast.panel.nets.settings import Budget


def cut_of(periods: NDArray[np.int64], budget: Budget) -> int:
    """Number of the last period that is learned from: all of them without patience, or where the rest would be too few."""
    first, last = int(periods.min()), int(periods.max())
    cut = last - max(1, round((last - first + 1) * budget.held_out)) if budget.patience else last
    return cut if cut > first else last


def held_out(periods: NDArray[np.int64], budget: Budget) -> NDArray[np.bool_]:
    """Return which rows [rows] early stopping looks at."""
    return periods > cut_of(periods, budget)


def training() -> ModuleType:
    """Return the module that trains nets."""
    from tabtrail.forecast.panel.nets import training  # imports PyTorch, an optional extra: seconds that only a fit is worth

    return training


def texts_of(x: pd.DataFrame, name: str) -> NDArray[np.object_]:
    """Return a text column [rows]; what is missing is "", as it enters a graph."""
    return np.array([text if isinstance(text, str) else "" for text in x[name]], dtype=object)
