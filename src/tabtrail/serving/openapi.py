"""The OpenAPI document, made from the model that is served at the time."""

import json
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import Response

from tabtrail.bundle.demand.window import window_size
from tabtrail.bundle.orders import lead_time_of
from tabtrail.serving.body import COLUMNAR, JSON, NDJSON
from tabtrail.serving.demand_schema import (
    AHEAD,
    INTERVAL,
    list_answer,
    list_parameters,
    order_answer,
    order_body,
    window_answer,
    window_body,
)
from tabtrail.serving.facades import CSV
from tabtrail.serving.jobs.routes import is_job_path
from tabtrail.serving.jobs.schema import complete_job
from tabtrail.serving.models import Served
from tabtrail.serving.order_routes import ORDER_PATH
from tabtrail.serving.problems import MEDIA_TYPE, PROBLEM_SCHEMA, TITLES
from tabtrail.serving.state import Service
from tabtrail.serving.windows import WINDOW_PATHS

Document = dict[str, Any]
_NUMBER, _TEXT, _OBJECT = {"type": "number"}, {"type": "string"}, {"type": "object"}
_ROW_ANSWER: Document = {
    "type": "object",
    "required": ["prediction", "interval", "warnings"],
    "properties": {"prediction": _NUMBER, "interval": INTERVAL, "warnings": {"type": "array", "items": _TEXT}},
}
_TRACE = {"currency": _TEXT, "model_name": _TEXT, "mlflow_run_id": _TEXT}
_BODY_ERRORS = (408, 413, 415, 422)


async def openapi(request: Request) -> Response:
    """Return the document, which is made once for each model that is served and each path that it is under."""
    state, root = request.app.state, request.scope.get("root_path", "")
    served = state.service.models.served
    if getattr(state, "documents", None) is None or state.documents[0] is not served:
        state.documents = (served, {})
    documents: dict[str, bytes] = state.documents[1]
    if root not in documents:
        tree = request.app.openapi()
        documents[root] = json.dumps({**tree, "servers": [{"url": root}]} if root else tree).encode()
    return Response(documents[root], media_type=JSON)


def document(app: FastAPI) -> Document:
    """Return the document; without a model the bodies are any JSON."""
    service: Service = app.state.service
    served = service.models.served
    tree = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    if served is None or served.predictor.demand is None:
        tree["paths"].pop("/series", None)
    tree["components"] = {"schemas": {"Problem": PROBLEM_SCHEMA, "Row": served.row_schema if served else _OBJECT}}
    if served is None or lead_time_of(served.predictor) is None:
        tree["paths"].pop(ORDER_PATH, None)
    if service.key is not None:
        tree["components"]["securitySchemes"] = {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}
    if service.jobs is None:
        tree["paths"] = {path: operations for path, operations in tree["paths"].items() if not is_job_path(path)}
    if served is None or window_size(served.metadata) is None:
        tree["paths"] = {path: each for path, each in tree["paths"].items() if path not in WINDOW_PATHS}
    for path, operations in tree["paths"].items():
        for method, operation in operations.items():
            if is_job_path(path):
                complete_job(operation, path, method)
            else:
                _complete(operation, path, method, service, served)
    return tree


def _complete(operation: Document, path: str, method: str, service: Service, served: Served | None) -> None:
    bodies = _bodies(path, service, served) if method == "post" else None
    if bodies:
        operation["requestBody"] = {"required": True, "content": bodies}
    looked_up = path in ("/forecast", "/series")
    errors = [
        *(_BODY_ERRORS if bodies else ()),
        *((404,) if "{" in path or path in (*WINDOW_PATHS, ORDER_PATH) else (404, 422) if looked_up else ()),
        503,
    ]
    closed = service.key is not None and path not in ("/health", "/health/live", "/health/ready", "/ping")
    if closed and "/v2/health" not in path:
        operation["security"] = [{"key": []}]
        errors.append(401)
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    operation["responses"] = {
        "200": {"description": "Answered", "content": _answer(path, bodies or {}, served)},
        **{str(status): {"description": TITLES[status], "content": problem} for status in sorted(errors)},
    }
    if path == "/forecast":
        names = {**dict.fromkeys(service.segments.readings, _TEXT), "steps": {"type": "integer", "minimum": 1, "maximum": 120}}
        operation["parameters"] = [{"name": name, "in": "query", "schema": schema} for name, schema in names.items()]
        return
    if path == "/series" and served is not None and served.predictor.demand is not None:
        operation["parameters"] = list_parameters(served.predictor.demand)
        return
    known = {"model": service.name, "version": served.run_id if served else ""}
    operation["parameters"] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "enum": [value]}}
        for name, value in known.items()
        if f"{{{name}}}" in path
    ]


def _bodies(path: str, service: Service, served: Served | None) -> Document:
    row: Document = {"$ref": "#/components/schemas/Row"}
    example = served.schema.example if served else {}
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": service.settings.max_batch_rows}
    binary = {"schema": {"type": "string", "format": "binary"}}
    if path == "/predict":
        return {JSON: {"schema": row, "example": example}}
    if path == "/predict/batch":
        columns = dict.fromkeys(COLUMNAR, binary)
        return {JSON: {"schema": rows, "example": [example]}, NDJSON[0]: {"schema": _TEXT}, **columns}
    if path in WINDOW_PATHS:
        return {JSON: window_body(served)}
    if path == ORDER_PATH:
        return {JSON: order_body(served)}
    if path == "/invocations":
        forms = [
            {"type": "object", "required": [name], "properties": {name: rows}} for name in ("dataframe_records", "instances")
        ]
        split = {"type": "object", "required": ["columns", "data"], "properties": {"columns": {"type": "array"}}}
        forms.append({"type": "object", "required": ["dataframe_split"], "properties": {"dataframe_split": split}})
        forms.append({"type": "object", "required": ["inputs"]})
        return {JSON: {"schema": {"oneOf": forms}, "example": {"dataframe_records": [example]}}, CSV: {"schema": _TEXT}}
    return {JSON: {"schema": _infer_schema(), "example": _infer_example(served)}}


def _infer_schema() -> Document:
    tensor = {
        "type": "object",
        "required": ["name", "datatype", "shape", "data"],
        "properties": {
            "name": _TEXT,
            "datatype": _TEXT,
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "maxItems": 2},
            "data": {"type": "array", "minItems": 1},
        },
    }
    outputs = {"type": "array", "items": {"type": "object", "required": ["name"], "properties": {"name": _TEXT}}}
    properties = {"id": _TEXT, "inputs": {"type": "array", "items": tensor, "minItems": 1}, "outputs": outputs}
    return {"type": "object", "required": ["inputs"], "properties": properties}


def _infer_example(served: Served | None) -> Document:
    features = [each for each in served.schema.features if not each.optional] if served else []
    kinds = {feature.name: "FP64" if feature.kind == "numeric" else "BYTES" for feature in features}
    return {
        "inputs": [{"name": each.name, "datatype": kinds[each.name], "shape": [1], "data": [each.example]} for each in features]
    }


def _answer(path: str, bodies: Document, served: Served | None) -> Document:
    ahead = AHEAD if served is not None and served.predictor.demand is not None else {}
    row: Document = {
        **_ROW_ANSWER,
        "required": [*_ROW_ANSWER["required"], *ahead],
        "properties": {**_ROW_ANSWER["properties"], **ahead},
    }
    if path == "/metrics":
        return {"text/plain": {"schema": _TEXT}}
    if path == "/predict":
        version = {"model_version": _TEXT} if ahead else {}
        fields = {**row["properties"], **_TRACE, **version, "inputs": _OBJECT}
        return {JSON: {"schema": {"type": "object", "required": sorted(fields), "properties": fields}}}
    if path in WINDOW_PATHS:
        return {JSON: {"schema": window_answer(_TRACE)}}
    if path == ORDER_PATH:
        return {JSON: {"schema": order_answer()}}
    if path == "/series":
        return {JSON: {"schema": list_answer()}}
    if path == "/predict/batch":
        fields = {**_TRACE, "predictions": {"type": "array", "items": row}}
        schema = {"type": "object", "required": sorted(fields), "properties": fields}
        return {media: {"schema": schema if media == JSON else _TEXT} for media in bodies}
    if path == "/invocations":
        fields = {"predictions": {"type": "array", "items": _NUMBER}}
        return {JSON: {"schema": {"type": "object", "required": ["predictions"], "properties": fields}}}
    return {JSON: {"schema": {} if path == "/ping" else _OBJECT}}
