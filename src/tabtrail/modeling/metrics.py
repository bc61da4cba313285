"""The errors of a regression, in units of the target, and how they are rounded."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tabtrail.errors import DataError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Errors over `rows` rows; `r2` is None where the target does not vary."""

    rows: int
    rmse: float
    mae: float
    r2: float | None


def score(actual: Array, predicted: Array) -> Scores:
    """Return RMSE and MAE (units of the target, ≥ 0) and R² (≤ 1), each rounded to seven significant digits.

    R² = 1 - Σ(y - ŷ)² / Σ(y - ȳ)² with ȳ the mean of the scored rows (Draper & Smith, Applied Regression Analysis, 3rd ed.,
    section 1.3). Raises `DataError` for predictions that are not finite or no rows.
    """
    if not len(actual):
        raise DataError("there are no rows to score")
    if not np.isfinite(predicted).all():
        raise DataError("the model predicts values that are not finite")
    error = predicted - actual
    spread = float(np.sum((actual - actual.mean()) ** 2))
    return Scores(
        rows=len(actual),
        rmse=rounded(float(np.sqrt(np.mean(error**2)))),
        mae=rounded(float(np.mean(np.abs(error)))),
        r2=rounded(1 - float(np.sum(error**2)) / spread) if spread > 0 else None,
    )


def score_strata(actual: Array, predicted: Array, strata: Mapping[str, NDArray[np.bool_]]) -> dict[str, Scores]:
    """Return the scores within each stratum that has rows."""
    return {name: score(actual[rows], predicted[rows]) for name, rows in strata.items() if rows.any()}


def rounded(value: float) -> float:
    """Round to seven significant digits: what is shown, stored and logged is one and the same number."""
    return float(f"{value:.7g}")
