"""A chart as the data that the page's script draws it from, where a person wants to read a point: numbers on both axes."""

import json
import math
from datetime import date
from typing import Any

from tabtrail.report.charts import Axis, Band, Bars, Boxes, Cells, Chart, Columns, Layer, Line, Points, Values
from tabtrail.report.scales import colours_of, span

_EPOCH = date(1970, 1, 1).toordinal()
_DAY = 86_400  # seconds
_DIGITS = 7  # of a value: as many as the files of a run have


def chart_data(chart: Chart) -> str | None:
    """Return a chart as JSON, None for one with categories or a matrix, which is drawn as it stands."""
    if chart.x.categories or chart.y.categories or any(isinstance(each, Bars | Boxes | Cells) for each in chart.layers):
        return None
    layers = [_layer(layer, chart.x, kind) for layer, kind in zip(chart.layers, colours_of(chart), strict=True)]
    axes = {name: _axis(chart, name) for name in ("x", "y")}
    return json.dumps({**axes, "layers": layers}, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _axis(chart: Chart, name: str) -> dict[str, Any]:
    axis: Axis = getattr(chart, name)
    return {"label": axis.label, "dates": axis.dates, "whole": axis.whole, "span": _along(span(chart, name), axis)}


def _layer(layer: Layer, x: Axis, kind: int | None) -> dict[str, Any]:
    own: dict[str, Any]
    match layer:
        case Points():
            own = {"x": _along(layer.x, x), "y": _rounded(layer.y), "texts": layer.texts, "shade": layer.shade}
        case Line():
            look = {"dashed": layer.dashed, "faint": layer.faint, "dots": layer.dots}
            own = {"x": _along(layer.x, x), "y": _rounded(layer.y), **look}
        case Band():
            own = {"x": _along(layer.x, x), "low": _rounded(layer.low), "high": _rounded(layer.high)}
        case Columns():
            own = {"x": _along(layer.edges, x), "y": _rounded(layer.heights), "texts": layer.texts}
        case _:
            raise ValueError(layer)
    said = {key: value for key, value in {**own, "label": layer.label}.items() if value}
    return {"kind": type(layer).__name__.lower(), "colour": kind, **said}


def _along(values: Values, axis: Axis) -> list[float | None]:
    """Days become seconds since 1970, as the script counts time."""
    return [(each - _EPOCH) * _DAY for each in values] if axis.dates else _rounded(values)


def _rounded(values: Values) -> list[float | None]:
    return [_short(each) if math.isfinite(each) else None for each in values]


def _short(value: float) -> float:
    rounded = float(f"{value:.{_DIGITS}g}")
    return int(rounded) if rounded == int(rounded) else rounded
