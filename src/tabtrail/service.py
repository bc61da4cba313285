"""HTTP v2: the deployed model, served from ONNX. Routes only translate between HTTP and `Predictor`."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from starlette.exceptions import HTTPException

from tabtrail import __version__
from tabtrail.bundle import load_bundle
from tabtrail.config import Config, load_config
from tabtrail.errors import BundleError, NotTrainedError, TabtrailError
from tabtrail.predictor import PayloadError, Predictor, Problem
from tabtrail.schema import Feature

_PROBLEM = "application/problem+json"
_TITLES = {
    404: "Not found",
    405: "Method not allowed",
    413: "Body too large",
    415: "Not JSON",
    422: "Row refused",
    503: "No model",
}


class Health(BaseModel):
    """Whether there is a model, and which."""

    status: Literal["ok", "not_trained", "damaged"]
    model_name: str | None = None
    mlflow_run_id: str | None = None
    features: list[str] = []
    detail: str | None = None


class IntervalResponse(BaseModel):
    """Bounds that hold the actual value in a share `level` of rows like those of the training, in units of `currency`."""

    level: float
    low: float
    high: float


class PredictionResponse(BaseModel):
    """A prediction, in units of `currency`, and all that is needed to trace it."""

    prediction: float
    interval: IntervalResponse | None
    currency: str
    model_name: str
    mlflow_run_id: str
    inputs: dict[str, int | float | str | None]
    warnings: list[str]


class ProblemResponse(BaseModel):
    """An error as RFC 9457 has it; `errors` names columns, never their values."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] = []


class Served:
    """A loaded model and the request model made from its schema."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.request_model = build_request_model(predictor)


class Refused(Exception):  # noqa: N818 - an HTTP answer, not a failure of ours
    """A request that is answered with a problem document."""

    def __init__(self, status: int, detail: str, errors: list[dict[str, str]] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, errors or []


def create_app(config: Config | None = None) -> FastAPI:
    """Return the service. The model is loaded when the service starts; without one it answers `not_trained`, never crashes.

    `config` is read from `TABTRAIL_CONFIG`, else `config_v2.yaml` of the working folder, where none is given.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            load_model(app, config or load_config())
        except TabtrailError as error:
            print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the answer must not hold what the file holds
            app.state.problem = Health(status="damaged", detail="the config cannot be used; the service's log says why")
        yield

    app = FastAPI(
        title="tabtrail",
        version=__version__,
        lifespan=lifespan,
        description="Predictions of the deployed model, served from ONNX.",
    )
    app.state.served = None
    app.state.problem = Health(status="not_trained", detail="the service has not started yet")
    app.state.max_body_bytes = 0
    app.add_api_route("/health", health, methods=["GET"], summary="Whether there is a model, and which")
    app.add_api_route(
        "/predict",
        predict,
        methods=["POST"],
        response_model=PredictionResponse,
        summary="Predict one row",
        responses={status: _problem_document(status) for status in (413, 415, 422, 503)},
    )
    for kind in (Refused, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, answer_problem)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def load_model(app: FastAPI, config: Config) -> None:
    """Load and verify the bundle that the config names; on failure the service stays up and says what is wrong."""
    app.state.max_body_bytes = config.serve.max_body_bytes
    try:
        app.state.served = Served(Predictor(load_bundle(config.paths.models_dir, config.model.name, config.bundle.public_key)))
    except NotTrainedError as error:
        app.state.problem = Health(status="not_trained", detail=_without_folder(error, config.paths.models_dir))
    except BundleError as error:
        app.state.problem = Health(status="damaged", detail=_without_folder(error, config.paths.models_dir))


async def health(request: Request) -> Health:
    """Tell whether there is a model, and which."""
    served: Served | None = request.app.state.served
    if served is None:
        problem: Health = request.app.state.problem
        return problem
    metadata = served.predictor.metadata
    return Health(
        status="ok", model_name=metadata["model"], mlflow_run_id=metadata["run_id"], features=served.predictor.schema.names
    )


async def predict(request: Request) -> Response:
    """Predict one row: a JSON object with every column of the model."""
    served: Served | None = request.app.state.served
    if served is None:
        raise Refused(503, request.app.state.problem.detail)
    row = _parse(served, await _read_body(request))
    try:
        answer = served.predictor.predict([row])[0]
    except PayloadError as error:
        raise Refused(422, "the row does not keep the contract of the data", [_error(each) for each in error.problems]) from None
    metadata = served.predictor.metadata
    body = PredictionResponse(
        prediction=answer.value,
        interval=None if answer.interval is None else IntervalResponse(**vars(answer.interval)),
        currency=metadata["currency"],
        model_name=metadata["model"],
        mlflow_run_id=metadata["run_id"],
        inputs=answer.inputs,
        warnings=list(answer.warnings),
    )
    return Response(body.model_dump_json(), media_type="application/json")


def build_request_model(predictor: Predictor) -> type[BaseModel]:
    """Return the request model of a bundle: its original column names, types, bounds, and an example that works."""
    fields: dict[str, Any] = {f"c{index}": _field(feature) for index, feature in enumerate(predictor.schema.features)}
    config = ConfigDict(
        extra="forbid", strict=True, validate_by_alias=True, json_schema_extra={"examples": [dict(predictor.schema.example)]}
    )
    return create_model("Row", __config__=config, **fields)


def _field(feature: Feature) -> tuple[Any, Any]:
    rule = feature.rule
    schema: dict[str, Any] = {"type": "integer"} if rule.dtype == "int" and not rule.nullable else {}
    if rule.allowed is not None:
        schema["enum"] = list(rule.allowed)
    seen = f"seen in training: {feature.seen_range}" if feature.seen_range is not None else ""
    if feature.kind == "date":
        schema["format"] = "date"
    if feature.kind == "categorical":
        seen = f"seen in training: {', '.join(feature.categories[:30])}"
    description = "; ".join(text for text in (rule.description, seen) if text)
    kind: Any = Annotated[float, Field(ge=rule.min, le=rule.max, allow_inf_nan=False)] if feature.kind == "numeric" else str
    annotation = kind | None if rule.nullable else kind
    extra: Any = schema or None
    return annotation, Field(
        alias=feature.name,
        title=feature.name,
        examples=[feature.example],
        description=description or None,
        json_schema_extra=extra,
    )


def _parse(served: Served, body: bytes) -> dict[str, Any]:
    try:
        row = served.request_model.model_validate_json(body)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        if details[0]["type"] == "json_invalid":
            raise Refused(422, "the body is not JSON") from None
        errors = [{"column": ".".join(map(str, each["loc"]))[:100], "message": each["msg"]} for each in details]
        raise Refused(422, "the row does not keep the contract of the data", errors) from None
    return row.model_dump(by_alias=True)


async def _read_body(request: Request) -> bytes:
    most: int = request.app.state.max_body_bytes
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "send the row as JSON, with Content-Type: application/json")
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > most:
            raise Refused(413, f"the body is larger than {most:,} bytes")
    return bytes(body)


async def answer_problem(_request: Request, error: Exception) -> JSONResponse:
    """Answer an error as `application/problem+json`, without a word of what was sent."""
    status = error.status if isinstance(error, Refused) else error.status_code if isinstance(error, HTTPException) else 422
    detail = error.detail if isinstance(error, Refused | HTTPException) else "the request is not of the documented form"
    body = ProblemResponse(
        title=_TITLES.get(status, "Error"),
        status=status,
        detail=str(detail),
        errors=getattr(error, "errors", []) if isinstance(error, Refused) else [],
    )
    headers = error.headers if isinstance(error, HTTPException) else None
    return JSONResponse(body.model_dump(), status, headers=headers, media_type=_PROBLEM)


def _problem_document(status: int) -> dict[str, Any]:
    return {"description": _TITLES[status], "content": {_PROBLEM: {"schema": ProblemResponse.model_json_schema()}}}


def _error(problem: Problem) -> dict[str, str]:
    return {"column": problem.column or "", "message": problem.message}


def _without_folder(error: BundleError, folder: Path) -> str:
    """Keep the folders of this machine out of an answer."""
    return str(error).replace(str(folder) + os.sep, "").replace(str(folder), folder.name)


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with the request model of the bundle that is served now."""
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    served: Served | None = app.state.served
    if served is not None:
        schema = served.request_model.model_json_schema(by_alias=True)
        media = {"schema": schema, "example": served.predictor.schema.example}
        document["paths"]["/predict"]["post"]["requestBody"] = {"required": True, "content": {"application/json": media}}
    return document
