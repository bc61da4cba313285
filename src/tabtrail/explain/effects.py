"""What a model makes of one column while the others stay as they are: partial dependence and its single rows.

Friedman, "Greedy function approximation" (Ann. Statist. 29, 2001, section 8.2); single rows (ICE): Goldstein et al., "Peeking
inside the black box" (J. Comput. Graph. Stat. 24, 2015).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabtrail.modeling.metrics import Array, rounded

_GRID = 20
_MOST_TEXTS = 12
_ROWS = 200
_SHOWN = 30


@dataclass(frozen=True)
class Effect:
    """Predictions (units of the target) with `column` set to each place of `grid` (numbers, or texts) in turn.

    `mean` is over `rows` rows, `lines` [shown rows, grid] are some of them one by one.
    """

    column: str
    grid: tuple[float, ...] | tuple[str, ...]
    mean: tuple[float, ...]
    lines: tuple[tuple[float, ...], ...]
    rows: int

    @property
    def is_text(self) -> bool:
        return bool(self.grid) and isinstance(self.grid[0], str)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "Effect":
        """Rebuild an effect from its JSON form."""
        lists = {"grid": tuple(value["grid"]), "mean": tuple(value["mean"]), "lines": tuple(map(tuple, value["lines"]))}
        return cls(**{**value, **lists})


def partial_dependence(predict: Callable[[pd.DataFrame], Array], rows: pd.DataFrame, columns: Sequence[str]) -> list[Effect]:
    """Return the effect of each column over up to 200 rows, evenly spread over those given.

    Numbers go through 20 quantiles of what the rows hold, texts through the 12 most frequent.
    """
    rows = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, _ROWS).round().astype(int))]
    return [effect for name in columns if (effect := _effect(predict, rows, name)) is not None]


def _effect(predict: Callable[[pd.DataFrame], Array], rows: pd.DataFrame, name: str) -> Effect | None:
    grid = _grid(rows[name])
    if not grid:
        return None
    stacked = pd.concat([rows] * len(grid), ignore_index=True)
    stacked[name] = np.repeat(np.array(grid, dtype=object if isinstance(grid[0], str) else np.float64), len(rows))
    found = predict(stacked).reshape(len(grid), len(rows))
    lines = tuple(tuple(rounded(value) for value in line) for line in found[:, :: max(1, len(rows) // _SHOWN)].T.tolist())
    return Effect(name, tuple(grid), tuple(rounded(value) for value in found.mean(axis=1).tolist()), lines, len(rows))


def _grid(values: "pd.Series[Any]") -> list[Any]:
    if values.dtype != np.float64:
        counts = values.astype(str).value_counts()
        return sorted(sorted(counts.index, key=lambda text: (-counts[text], text))[:_MOST_TEXTS])
    known = values.dropna().to_numpy()
    distinct = np.unique(known)
    if len(distinct) > _GRID:
        distinct = np.unique(np.quantile(known, np.linspace(0, 1, _GRID), method="nearest"))
    return [float(value) for value in distinct]
