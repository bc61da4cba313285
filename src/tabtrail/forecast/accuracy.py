"""Errors of forecasts, safe where actual values are 0, with the number of points that each is over."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from tabtrail.modeling.metrics import rounded

Array = NDArray[np.float64]


class Accuracy(BaseModel):
    """Errors over `points` forecasts, in units of the series, in percent (mape, smape), or of the naive change (mase).

    `mape` leaves out periods whose actual value is 0, `smape` those whose actual value and forecast are both 0; how many
    points each is over is in `mape_points` and `smape_points`. A figure is null where it has no points.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    points: int
    rmse: float | None
    mae: float | None
    bias: float | None
    mape: float | None
    mape_points: int
    smape: float | None
    smape_points: int
    mase: float | None


def measure(actual: Array, forecast: Array, scale: float) -> Accuracy:
    """Return the errors over the cells where both are known.

    MAPE and sMAPE as in Hyndman and Athanasopoulos, 5.8 (sMAPE = 200 |y - f| / (|y| + |f|)). MASE: the mean absolute error
    over `scale`, the mean absolute change from period to period of the whole series (Hyndman and Koehler 2006); null where
    that is 0.
    """
    known = ~(np.isnan(actual) | np.isnan(forecast))
    y, f = actual[known], forecast[known]
    error = np.abs(y - f)
    size = np.abs(y) + np.abs(f)
    with np.errstate(all="ignore"):  # a percentage of next to nothing overflows, and is left out as that of nothing is
        percent = _finite(100 * error[y != 0] / np.abs(y[y != 0]))
        symmetric = _finite(200 * error[size > 0] / size[size > 0])
        square = float(np.mean(error**2)) if len(y) else np.nan
    mae = _mean(error)
    return Accuracy(
        points=len(y),
        rmse=rounded(float(np.sqrt(square))) if np.isfinite(square) else None,
        mae=mae,
        bias=_mean(f - y),
        mape=_mean(percent),
        mape_points=len(percent),
        smape=_mean(symmetric),
        smape_points=len(symmetric),
        mase=None if mae is None or scale <= 0 else rounded(mae / scale),
    )


def _finite(values: Array) -> Array:
    return values[np.isfinite(values)]


def _mean(values: Array) -> float | None:
    if not len(values):
        return None
    with np.errstate(over="ignore"):
        mean = float(np.mean(values))
    return rounded(mean) if np.isfinite(mean) else None
