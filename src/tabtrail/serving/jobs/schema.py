"""What the OpenAPI document says of the jobs."""

from typing import Any

from tabtrail.serving.body import JSON
from tabtrail.serving.problems import MEDIA_TYPE, TITLES

Document = dict[str, Any]
_TEXT = {"type": "string"}
_SETTINGS: Document = {
    "experiment": {"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_. -]{0,99}$", "description": "Of MLflow."},
    "force": {"type": "boolean", "description": "Train although nothing changed."},
}
_SERIES: Document = {"type": "array", "minItems": 1, "items": {"anyOf": [_TEXT, {"type": "object"}]}}
_ERRORS = {"get": (401, 404, 503), "delete": (401, 404, 409, 503), "post": (401, 408, 409, 413, 415, 422, 503)}


def complete_job(operation: Document, path: str, method: str) -> None:
    """Add to an operation of a job what it takes and answers."""
    operation["security"] = [{"key": []}]
    if method == "post":
        named = {} if path.endswith("_all") else {"series": _SERIES, "categories": _SERIES}
        schema = {"type": "object", "properties": {**named, **_SETTINGS}, "additionalProperties": False}
        operation["requestBody"] = {"required": bool(named), "content": {JSON: {"schema": schema}}}
    if "{job}" in path:
        operation["parameters"] = [{"name": "job", "in": "path", "required": True, "schema": _TEXT}]
    answer = {"description": "Answered", "content": {JSON: {"schema": {"type": "object"}}}}
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    operation["responses"] = {
        "200" if method == "get" else "202": answer,
        **{str(status): {"description": TITLES[status], "content": problem} for status in _ERRORS[method]},
    }
