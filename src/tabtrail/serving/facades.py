"""The model for clients of other tools: the Open Inference Protocol v2 (KServe, Triton) and MLflow's scoring server."""

import base64
import csv
import io
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tabtrail.bundle.rows import Row
from tabtrail.serving.body import BIG, JSON, decode_json, read_body, read_json, require_media_type, require_rows
from tabtrail.serving.models import Served
from tabtrail.serving.parted import Scored, score_by_key, score_by_one
from tabtrail.serving.problems import Refused
from tabtrail.serving.state import Service
from tabtrail.version import __version__

CSV = "text/csv"
_BOUNDS = ("low", "high")
_MODEL = "mlflow_run_id"  # of each row, where the traffic is parted
_AS_IT_IS = (None, "str", "np", "pd")
_FEW = 100  # rows that are scored in less time than a thread takes over
_NUMBERS = frozenset({"BOOL", "FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8"})


async def server_metadata(_: Request) -> Response:
    """Name the server and its version."""
    return JSONResponse({"name": "tabtrail", "version": __version__, "extensions": []})


async def model_metadata(request: Request) -> Response:
    """Describe the tensors of the model."""
    service: Service = request.app.state.service
    served = _named(service, request)
    inputs = [
        {
            "name": each.name,
            "datatype": "FP64" if each.kind == "numeric" else "BYTES",
            "shape": [-1],
            **({"parameters": {"optional": True}} if each.optional else {}),
        }
        for each in served.schema.features
    ]
    outputs = [{"name": name, "datatype": "FP64", "shape": [-1]} for name in _output_names(served)]
    body = {
        "name": service.name,
        "versions": [served.run_id],
        "platform": "onnxruntime_onnx",
        "inputs": inputs,
        "outputs": outputs,
    }
    return JSONResponse(body)


async def model_ready(request: Request) -> Response:
    """Answer 200 where the model is ready, else 503."""
    service: Service = request.app.state.service
    _named(service, request)
    return JSONResponse({"name": service.name, "ready": True})


async def infer(request: Request) -> Response:
    """Predict rows given as tensors, a column each, shape [N] or [N, 1]; texts and dates are BYTES, numbers may be."""
    service: Service = request.app.state.service
    served = _named(service, request)
    require_media_type(request, JSON)
    body = await read_json(request, service, service.settings.max_batch_bytes)
    if not isinstance(body, dict) or not isinstance(body.get("id", ""), str):
        raise Refused(422, "the body is not a JSON object with `inputs` (and a text as `id`, where it has one)")
    rows = require_rows(_tensor_rows(body.get("inputs"), served, body.get("parameters")), service.settings.max_batch_rows)
    # A version that the address names is the one that answers, whoever asks.
    parted = service.traffic is not None and "version" not in request.path_params
    wanted = _wanted(body.get("outputs", []), [*_output_names(served), *([_MODEL] if parted else [])])
    work = partial(score_by_key, service, served, rows, request) if parted else partial(score_by_one, served, rows)
    scored = work() if len(rows) < _FEW else await service.aside(work)
    scored.record(service, "/v2/infer", request)
    columns: dict[str, list[Any]] = {"prediction": [each.value for each in scored.predictions], _MODEL: scored.run_ids or []}
    for name in _BOUNDS:
        columns[name] = [getattr(each.interval, name, None) for each in scored.predictions]
    outputs = [
        {"name": name, "datatype": "BYTES" if name == _MODEL else "FP64", "shape": [len(rows)], "data": columns[name]}
        for name in wanted
    ]
    runs = set(scored.run_ids or ())
    version = runs.pop() if len(runs) == 1 else served.run_id
    answer: dict[str, Any] = {"model_name": service.name, "model_version": version, "outputs": outputs}
    if "id" in body:
        answer["id"] = body["id"][:256].encode("utf-8", "replace").decode()
    return JSONResponse(answer)


async def ping(request: Request) -> Response:
    """Answer 200 where there is a model, else 503."""
    service: Service = request.app.state.service
    service.served()
    return JSONResponse({})


async def invocations(request: Request) -> Response:
    """Predict rows in a form of MLflow's scoring server: dataframe_split, dataframe_records, instances, inputs, CSV."""
    service: Service = request.app.state.service
    served = service.served()
    media = require_media_type(request, JSON, CSV)
    body = await read_body(request, service, service.settings.max_batch_bytes)
    most = service.settings.max_batch_rows

    def work() -> Scored:
        rows = csv_rows(body, most) if media == CSV else frame_rows(decode_json(body))
        return score_by_key(service, served, require_rows(rows, most), request)

    scored = work() if len(body) < BIG else await service.aside(work)
    scored.record(service, "/invocations", request)
    named = {} if scored.run_ids is None else {"mlflow_run_ids": scored.run_ids}
    return JSONResponse({"predictions": [each.value for each in scored.predictions], **named})


def frame_rows(body: Any) -> list[Any]:
    """Return the rows of one of MLflow's four JSON forms. Raises `Refused` (422) for any other."""
    forms = ("dataframe_split", "dataframe_records", "instances", "inputs")
    given = [name for name in forms if isinstance(body, dict) and name in body]
    if len(given) != 1:
        raise Refused(422, f"the body is a JSON object with one of {', '.join(forms)}")
    value = body[given[0]]
    if given[0] == "dataframe_split":
        return _split_rows(value)
    if given[0] == "inputs" and isinstance(value, dict):
        return _column_rows(value)
    if not isinstance(value, list):
        raise Refused(422, f"{given[0]} is a list of rows")
    return value


def csv_rows(body: bytes, most: int) -> list[Row]:
    """Return the rows of a CSV with a header, as texts. Raises `Refused` (422, 413)."""
    try:
        reader = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        header = next(reader, [])
        if len(set(header)) < len(header):
            raise Refused(422, "a column is there twice in the header")
        rows: list[Row] = []
        for line in reader:
            if len(line) != len(header):
                raise Refused(422, f"line {reader.line_num} has {len(line)} fields instead of {len(header)}")
            rows.append(dict(zip(header, line, strict=True)))
            if len(rows) > most:
                raise Refused(413, f"there are more than {most:,} rows")
    except (UnicodeDecodeError, csv.Error):
        raise Refused(422, "the body is not CSV in UTF-8") from None
    return rows


def _split_rows(value: Any) -> list[Row]:
    columns, data = (value.get("columns"), value.get("data")) if isinstance(value, dict) else (None, None)
    if not isinstance(columns, list) or not isinstance(data, list) or not all(isinstance(name, str) for name in columns):
        raise Refused(422, "dataframe_split has `columns`, a list of names, and `data`, a list of lists")
    if len(set(columns)) < len(columns):
        raise Refused(422, "dataframe_split names a column twice")
    if not all(isinstance(row, list) and len(row) == len(columns) for row in data):
        raise Refused(422, "each row of dataframe_split.data is a list with a value for each column")
    return [dict(zip(columns, row, strict=True)) for row in data]


def _column_rows(columns: dict[str, Any]) -> list[Row]:
    lengths = {len(values) if isinstance(values, list) else -1 for values in columns.values()}
    if len(lengths) != 1 or -1 in lengths:
        raise Refused(422, "the columns are lists of one length")
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _tensor_rows(tensors: Any, served: Served, parameters: Any = None) -> list[Row]:
    if not isinstance(tensors, list) or not all(isinstance(each, dict) and isinstance(each.get("name"), str) for each in tensors):
        raise Refused(422, "`inputs` is a list of tensors, each with name, datatype, shape and data")
    columns: dict[str, Any] = {}
    kinds = {feature.name: feature.kind for feature in served.schema.features}
    for tensor in tensors:
        name, data, shape = tensor["name"], tensor.get("data"), tensor.get("shape")
        if name in columns:
            raise Refused(422, "a tensor is there twice in `inputs`")
        if not isinstance(data, list):
            raise Refused(422, "the data of a tensor is a list of values; the binary extension is not served")
        if shape not in ([len(data)], [len(data), 1]):
            raise Refused(422, "the shape of a tensor is [N] or [N, 1], with its N values in data")
        numeric = kinds.get(name, "numeric") == "numeric"
        if (datatype := str(tensor.get("datatype"))) != "BYTES" and not (numeric and datatype in _NUMBERS):
            raise Refused(
                422, "a number is of datatype FP64 (or any other of numbers, or BYTES as text), a text or date of BYTES"
            )
        values = [each[0] if isinstance(each, list) and len(each) == 1 else each for each in data]
        if datatype == "BYTES" and numeric and not all(each is None or isinstance(each, str) for each in values):
            raise Refused(422, "the data of a BYTES tensor are texts")
        if datatype == "BOOL" and not all(each is None or isinstance(each, bool) for each in values):
            raise Refused(422, "the data of a BOOL tensor are truth values")
        columns[name] = _decoded(values, tensor.get("parameters"), parameters, numeric=datatype != "BYTES")
    return _column_rows(columns)


def _decoded(values: list[Any], own: Any, of_request: Any, *, numeric: bool) -> list[Any]:
    """Return the values of a tensor by its `content_type`, else the request's (MLServer's content types)."""
    kinds = [each["content_type"] for each in (own, of_request) if isinstance(each, dict) and each.get("content_type")]
    kind = kinds[0] if kinds else None
    if kind in _AS_IT_IS:
        return values
    if kind != "base64" or numeric:
        raise Refused(422, "content_type is str, np, pd, or for texts and dates base64")
    try:
        return [None if each is None else base64.b64decode(each, validate=True).decode() for each in values]
    except (TypeError, ValueError):
        raise Refused(422, "a value of a tensor is not base64 of text in UTF-8, as its content_type says") from None


def _wanted(outputs: Any, known: list[str]) -> list[str]:
    names = [each.get("name") if isinstance(each, dict) else None for each in outputs] if isinstance(outputs, list) else [None]
    if not all(isinstance(name, str) and name in known for name in names):
        raise Refused(422, f"`outputs` is a list of objects whose name is one of {', '.join(known)}")
    return list(dict.fromkeys(map(str, names))) or known


def _output_names(served: Served) -> list[str]:
    return ["prediction", *(_BOUNDS if served.predictor.interval_level else ())]


def _named(service: Service, request: Request) -> Served:
    if request.path_params["model"] != service.name:
        raise Refused(404, "there is no model of this name; GET /model names the one that is served")
    served = service.served()
    if request.path_params.get("version", served.run_id) != served.run_id:
        raise Refused(404, "this version is not served; GET /model names the one that is")
    return served
