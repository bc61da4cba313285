"""`POST /predict` and `POST /predict/batch`: rows in, predictions out."""

import json
from types import ModuleType
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tabtrail.bundle.predictor import Prediction
from tabtrail.bundle.rows import PayloadError
from tabtrail.errors import MissingExtraError, require_extra
from tabtrail.serving.body import (
    COLUMNAR,
    JSON,
    NDJSON,
    decode_json,
    decode_lines,
    read_body,
    read_json,
    require_media_type,
    require_rows,
)
from tabtrail.serving.edge import UNDER_WAY
from tabtrail.serving.models import Served
from tabtrail.serving.parted import Scored, score_by_key
from tabtrail.serving.problems import Refused
from tabtrail.serving.state import Service, refusal

_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))


async def predict(request: Request) -> Response:
    """Predict one row: a JSON object with every column of the model."""
    service: Service = request.app.state.service
    served = service.served()
    require_media_type(request, JSON)
    row = await read_json(request, service, service.settings.max_body_bytes)
    if not isinstance(row, dict):
        raise Refused(422, "the body is not a JSON object of columns and values")
    share = None
    try:
        checked = served.predictor.check([row])[0]
        if service.traffic is not None:
            (share,) = service.traffic.parted(served, [checked], request)
            served = share.served
        prediction = await service.batcher.predict(served, checked, request.scope.get(UNDER_WAY, ()))
    except PayloadError as error:
        raise refusal(error) from None
    service.record("/predict", request, served, [prediction], share)
    return _json(served.predictor.document(prediction))


async def predict_batch(request: Request) -> Response:
    """Predict many rows, all by one model: a JSON list, a JSON object a line, or the columns as Arrow IPC or Parquet.

    The answer has the form of the body, and its order. One row that is refused refuses them all.
    """
    service: Service = request.app.state.service
    served = service.served()
    media = require_media_type(request, JSON, *NDJSON, *COLUMNAR)
    body = await read_body(request, service, service.settings.max_batch_bytes)
    most = service.settings.max_batch_rows

    def work() -> tuple[Scored, bytes]:
        if media in COLUMNAR:
            rows = _arrow_bodies().read_rows(body, media, served.schema, most)
        else:
            rows = require_rows(decode_json(body) if media == JSON else decode_lines(body), most)
        scored = score_by_key(service, served, rows, request)
        return scored, _encode(served, scored.predictions, media, scored.models)

    scored, answer = await service.aside(work)
    scored.record(service, "/predict/batch", request)
    return Response(answer, media_type=media, headers={"X-Model-Run": served.run_id})


def row_answer(prediction: Prediction) -> dict[str, Any]:
    """Return the answer for one row of a batch."""
    interval = None if prediction.interval is None else vars(prediction.interval)
    return {"prediction": prediction.value, "interval": interval, "warnings": prediction.warnings, **prediction.ahead}


def _encode(served: Served, predictions: list[Prediction], media: str, models: list[Served] | None = None) -> bytes:
    """Return the answer; `models` are those of the rows, where the traffic is parted: each row then names its own."""
    if media in COLUMNAR:
        answer: bytes = _arrow_bodies().write_answer(served, predictions, media, models)
        return answer
    traces = (
        [{}] * len(predictions)
        if models is None
        else [{"model_name": each.model, "mlflow_run_id": each.run_id} for each in models]
    )
    rows = [{**row_answer(each), **trace} for each, trace in zip(predictions, traces, strict=True)]
    if media in NDJSON:
        return b"".join(json.dumps(each).encode() + b"\n" for each in rows)
    return json.dumps(
        {
            "currency": served.metadata["currency"],
            "model_name": served.model,
            "mlflow_run_id": served.run_id,
            "predictions": rows,
        },
        ensure_ascii=False,
    ).encode()


def _arrow_bodies() -> ModuleType:
    try:
        require_extra("arrow", "pyarrow")
    except MissingExtraError as error:
        raise Refused(415, str(error)) from None
    from tabtrail.serving import arrow_bodies  # needs pyarrow, an optional extra

    return arrow_bodies


def _json(value: dict[str, Any]) -> Response:
    return Response(_ENCODER.encode(value), media_type=JSON)
