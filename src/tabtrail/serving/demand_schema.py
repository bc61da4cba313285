"""What the OpenAPI document says of a model of series: forecasts, windows of values, orders, the list of series."""

from typing import Any

from tabtrail.bundle.demand.inputs import DemandInputs
from tabtrail.bundle.demand.intervals import SERVED
from tabtrail.bundle.demand.window import VALUES, window_size
from tabtrail.bundle.orders import LEVEL, PERIODS, PLAN, lead_time_of
from tabtrail.serving.models import Served
from tabtrail.serving.series_routes import MOST_LISTED

Document = dict[str, Any]
_NUMBER, _TEXT, _OBJECT = {"type": "number"}, {"type": "string"}, {"type": "object"}
_DAY = {"type": "string", "format": "date"}
_WORDS = {"type": "array", "items": _TEXT}
_SPAN: Document = {
    "type": "object",
    "required": ["level", "low", "high"],
    "properties": dict.fromkeys(("level", "low", "high"), _NUMBER),
}
INTERVAL = {
    "description": "Holds the actual value in a share `level` of rows like those of the training, in units of `currency`.",
    "anyOf": [_SPAN, {"type": "null"}],
}
INTERVALS = {
    "type": "array",
    "items": _SPAN,
    "description": "One for each of `demand.interval_levels`, the last also as `interval`; none where no errors were measured.",
}
AHEAD: Document = {
    "horizon": {"type": "integer", "minimum": 1, "description": "Periods after `as_of`."},
    "as_of": {**_DAY, "description": "The last known day that the forecast starts from."},
    "intervals": INTERVALS,
}


def list_parameters(demand: DemandInputs) -> list[Document]:
    """Return the parameters of a list of series: the page, and the values that columns must have."""
    columns = dict.fromkeys((*demand.panel.series, *demand.history.static), _TEXT)
    names = {"limit": {"type": "integer", "minimum": 1, "maximum": MOST_LISTED}, "offset": {"type": "integer", "minimum": 0}}
    return [{"name": name, "in": "query", "schema": schema} for name, schema in {**columns, **names}.items()]


def list_answer() -> Document:
    """Return the schema of a list of series."""
    day = {"anyOf": [_DAY, {"type": "null"}]}
    one = _complete({"series": _OBJECT, "static": _OBJECT, "first": day, "last": day})
    whole = {"type": "integer"}
    fields = {"model_name": _TEXT, "as_of": _DAY, "horizon": whole, "total": whole}
    return _complete({**fields, "series": {"type": "array", "items": one}, "next_offset": {"type": ["integer", "null"]}})


def window_body(served: Served | None) -> Document:
    """Return schema and example of the last values of a series."""
    size = (window_size(served.metadata) if served else None) or 1
    demand = served.predictor.demand if served else None
    series = dict.fromkeys(demand.panel.series, _TEXT) if demand else {}
    key = dict(zip(series, map(str, demand.history.keys[0]), strict=True)) if demand else {}
    values = {"type": "array", "items": {"type": ["number", "null"]}, "minItems": size, "maxItems": size}
    schema = {"type": "object", "required": [*series, VALUES], "properties": {**series, VALUES: values}}
    return {"schema": schema, "example": {**key, VALUES: [1.0] * size}}


def window_answer(trace: Document) -> Document:
    """Return the schema of the value after a window."""
    whole = {"type": "integer"}
    return _complete({**trace, "prediction": _NUMBER, "horizon": whole, "window": whole, "warnings": _WORDS})


def order_body(served: Served | None) -> Document:
    """Return schema and examples of what is to be ordered: one series, a list of them, or a list with what goes for all."""
    demand = served.predictor.demand if served else None
    if served is None or demand is None:
        return {"schema": {"type": ["object", "array"]}}
    columns: Document = served.row_schema["properties"]
    required, ahead = served.row_schema["required"], (demand.panel.date, *demand.known_ahead)
    row = {name: columns[name] for name in ahead}
    plan = {
        "type": ["array", "null"],
        "items": {**_closed(row), "required": [demand.panel.date]},
        "description": "Else the stored one.",
    }
    stated = {
        LEVEL: {
            "type": ["number", "null"],
            "minimum": SERVED[0],
            "maximum": SERVED[1],
            "description": "Else `demand.service_level`.",
        },
        PERIODS: {"enum": [lead_time_of(served.predictor), None], "description": "The one that sums were calibrated for."},
    }
    own = {name: schema for name, schema in columns.items() if name not in ahead}
    one = {**_closed({**own, PLAN: plan, **stated}), "required": [name for name in required if name in own]}
    many = {"type": "array", "items": one, "minItems": 1}
    several = {**_closed({"series": many, **stated}), "required": ["series"]}
    example = {name: value for name, value in served.schema.example.items() if name in required}
    key = {name: value for name, value in example.items() if name in own}
    planned = {**key, LEVEL: 0.9, PLAN: [{name: value for name, value in example.items() if name in ahead}]}
    examples = {"one series by the stored plan": key, "another plan and service level": planned}
    shown = {**examples, "several": {"series": [key], LEVEL: 0.9}}
    return {"schema": {"anyOf": [one, many, several]}, "examples": {name: {"value": value} for name, value in shown.items()}}


def order_answer() -> Document:
    """Return the schema of orders."""
    one = _complete(
        {
            "series": _OBJECT,
            "as_of": AHEAD["as_of"],
            "until": {**_DAY, "description": "The last day of the lead time."},
            PERIODS: {"type": "integer", "minimum": 1, "description": "Periods after `as_of` whose demand is summed."},
            "sum": {**_NUMBER, "description": "The forecast of the sum."},
            "interval": INTERVAL,
            "intervals": INTERVALS,
            LEVEL: _NUMBER,
            "order_quantity": {"type": ["number", "null"], "description": "Enough in a share `service_level` of such times."},
            "currency": _TEXT,
            "model_version": _TEXT,
            "warnings": _WORDS,
        }
    )
    return {"anyOf": [one, _complete({"orders": {"type": "array", "items": one}})]}


def _complete(fields: Document) -> Document:
    return {"type": "object", "required": sorted(fields), "properties": fields}


def _closed(fields: Document) -> Document:
    return {"type": "object", "additionalProperties": False, "properties": fields}
