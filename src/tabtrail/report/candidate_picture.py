"""One picture of a candidate, under the same name in the run of each, so that MLflow shows those of several runs side by side."""

from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from tabtrail.config.model import Model
from tabtrail.report.charts import Axis, Band, Chart, Line, Values
from tabtrail.report.svg import picture_file

CANDIDATE_PICTURE = "predicted_actual.svg"  # at the top: the comparison lists no folders
_TENTHS = 10
Array = NDArray[np.float64]


def candidate_picture(predicted: Array, actual: Array, model: Model) -> str | None:
    """Return an SVG file of what the target was where a candidate predicted little and where it predicted much [rows].

    None where too few rows were predicted for tenths of them. NaN is a row that no fold predicted.
    """
    known = ~np.isnan(predicted)
    if known.sum() < _TENTHS:
        return None
    order = np.argsort(predicted[known], kind="stable")
    tenths = list(
        zip(np.array_split(predicted[known][order], _TENTHS), np.array_split(actual[known][order], _TENTHS), strict=True)
    )
    x, y = _values([each.mean() for each, _ in tenths]), _values([each.mean() for _, each in tenths])
    low, high = (_values([np.quantile(each, share) for _, each in tenths]) for share in (0.1, 0.9))
    ends, unit = (x[0], x[-1]), f", {model.currency}" if model.currency else ""
    alt = (
        f"Mean {model.target} of each tenth of the rows by what was predicted of them out of fold. On the dashed line it is what"
        " was predicted; the band holds 80 % of the rows."
    )
    layers = (Band(x, low, high), Line(x, y, "mean actual", dots=True), Line(ends, ends, "equal", dashed=True))
    style = files("tabtrail.report").joinpath("templates/charts.css").read_text(encoding="utf-8")
    chart = Chart(f"{model.target}, predicted and actual", alt, Axis(f"predicted{unit}"), Axis(f"actual{unit}"), layers)
    return picture_file(chart, style)


def _values(numbers: list[np.floating]) -> Values:
    return tuple(round(float(each), 6) for each in numbers)
