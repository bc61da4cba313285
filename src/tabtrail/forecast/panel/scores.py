"""How forecasts of many series are judged: errors over all periods that are known, per series, by horizon, in money."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tabtrail.bundle.demand.features import Array
from tabtrail.bundle.demand.intervals import CLASSES, demand_classes
from tabtrail.forecast.panel.panel import Panel
from tabtrail.modeling.metrics import rounded


@dataclass(frozen=True)
class Scales:
    """The in-sample changes of each series [series] from one period to the next, up to the first origin: mean square and mean
    size; NaN where fewer than two neighbouring periods are known.
    """

    square: Array
    size: Array


def scales(panel: Panel, origin: int) -> Scales:
    """Return the denominators of RMSSE and MASE, from what was known at an origin."""
    changes = np.diff(panel.target[:, : origin + 1], axis=1)
    known = ~np.isnan(changes)
    counts = known.sum(axis=1)
    with np.errstate(all="ignore"):
        square = np.where(known, changes**2, 0.0).sum(axis=1) / counts
        size = np.where(known, np.abs(changes), 0.0).sum(axis=1) / counts
    return Scales(square, size)


METRICS = ("mae", "rmse", "r2", "wape", "mape", "rmsse", "mase", "bias")


def score(actual: Array, forecast: Array, scale: Scales, money: Array | None = None) -> dict[str, float | int | None]:
    """Return the errors of forecasts [series, periods] over the cells where demand and forecast are known.

    - `mae`, `rmse` in units of demand; `r2` = 1 - Σ(y - f)² / Σ(y - ȳ)².
    - `wape` = Σ|f - y| / Σ|y|; `bias` = Σ(f - y) / Σ|y|, above zero where forecasts are too high.
    - `mape`: mean of |f - y| / |y| over the `mape_share` of the cells whose demand is not 0.
    - `rmsse`: √(mean squared error of a series over its in-sample mean squared change), averaged over the `rmsse_series` series
      where that is defined; `mase` the same with absolute values (Hyndman & Koehler 2006; M5's RMSSE, Makridakis et al. 2022).
      `rmsse_undefined` series never changed, or have no known period.
    - `wape_money`, `bias_money`: the same in units of `money` [series, periods], the price.
    """
    known = ~(np.isnan(actual) | np.isnan(forecast))
    error = np.where(known, forecast - actual, 0.0)
    size = np.where(known, np.abs(actual), 0.0)
    cells = int(known.sum())
    found: dict[str, float | int | None] = {"cells": cells}
    if not cells:
        return found | dict.fromkeys(METRICS)
    y = actual[known]
    spread = float(np.sum((y - y.mean()) ** 2))
    square, total = float(np.sum(error**2)), float(size.sum())
    some = known & (actual != 0)
    found |= {
        "mae": float(np.abs(error).sum()) / cells,
        "rmse": float(np.sqrt(square / cells)),
        "r2": 1 - square / spread if spread > 0 else None,
        "wape": float(np.abs(error).sum()) / total if total > 0 else None,
        "bias": float(error.sum()) / total if total > 0 else None,
        "mape": float(np.mean(np.abs(error[some]) / np.abs(actual[some]))) if some.any() else None,
        "mape_share": float(some.sum()) / cells,
    }
    found |= _scaled(error, known, scale)
    if money is not None:
        priced = known & ~np.isnan(money)
        worth = float(np.sum(np.where(priced, size * money, 0.0)))
        weighted = np.where(priced, error * money, 0.0)
        found["wape_money"] = float(np.abs(weighted).sum()) / worth if worth > 0 else None
        found["bias_money"] = float(weighted.sum()) / worth if worth > 0 else None
    return {name: rounded(value) if isinstance(value, float) else value for name, value in found.items()}


def _scaled(error: Array, known: NDArray[np.bool_], scale: Scales) -> dict[str, float | int | None]:
    counts = known.sum(axis=1)
    with np.errstate(all="ignore"):
        roots = np.sqrt((error**2).sum(axis=1) / counts / scale.square)
        sizes = np.abs(error).sum(axis=1) / counts / scale.size
    defined = (counts > 0) & (scale.square > 0)
    return {
        "rmsse": float(roots[defined].mean()) if defined.any() else None,
        "mase": float(sizes[defined].mean()) if defined.any() else None,
        "rmsse_series": int(defined.sum()),
        "rmsse_undefined": int((~defined).sum()),
    }


def pinball(actual: Array, quantile: Array, level: float) -> float | None:
    """Mean pinball loss of a quantile forecast: (y - q)·level where y is above q, else (q - y)·(1 - level).

    Koenker & Bassett, Regression Quantiles, Econometrica 46 (1978).
    """
    known = ~(np.isnan(actual) | np.isnan(quantile))
    if not known.any():
        return None
    above = actual[known] - quantile[known]
    return rounded(float(np.mean(np.maximum(level * above, (level - 1) * above))))


def series_classes(panel: Panel, origin: int) -> list[str]:
    """Return the class of each series by its past: smooth, intermittent, erratic or lumpy; `none` where nothing was sold."""
    return [CLASSES[code] for code in demand_classes(panel.target[:, : origin + 1])]


def by_group(
    actual: Array, forecast: Array, scale: Scales, groups: Mapping[str, NDArray[np.int64]], money: Array | None = None
) -> dict[str, dict[str, float | int | None]]:
    """Return the errors within groups of series, each given as places [series of the group]; `money` as `score` has it."""
    return {
        name: score(
            actual[rows],
            forecast[rows],
            Scales(scale.square[rows], scale.size[rows]),
            None if money is None else money[rows],
        )
        for name, rows in groups.items()
    }
