"""`/jobs`: trainings that are asked for over HTTP, each a process of its own. Off unless `serve.jobs` is set."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tabtrail.serving.body import JSON, decode_json, read_body, require_media_type
from tabtrail.serving.jobs.desk import Jobs, brief
from tabtrail.serving.jobs.desk import Request as Wanted
from tabtrail.serving.jobs.log_tail import read_tail
from tabtrail.serving.jobs.record import LOG, Job
from tabtrail.serving.problems import Refused

if TYPE_CHECKING:
    from tabtrail.serving.state import Service

_MOST_BODY_BYTES = 65_536
_EXPERIMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,99}")
_SETTINGS = ("experiment", "experiment_name", "force")
_NAMES = ("series", "categories")
_OFF = "training by HTTP is off; set serve.jobs: true and an API key (TABTRAIL_API_KEY or serve.api_key_file) to have it"
_POOLED = (
    "the models of this project are pooled: one model learns from all series, so that some of them cannot be trained alone;"
    " POST /jobs/train_all trains it"
)


async def list_jobs(request: Request) -> Response:
    """List the jobs that are known, the newest first."""
    service, jobs = _open(request)
    found = await service.aside(jobs.all)
    return JSONResponse({"jobs": [brief(each) for each in found]})


async def show_job(request: Request) -> Response:
    """Say how far a job is, and what came of it."""
    service, jobs = _open(request)
    return JSONResponse(await service.aside(lambda: _document(jobs.find(request.path_params["job"]), service)))


async def cancel_job(request: Request) -> Response:
    """Let a job end."""
    service, jobs = _open(request)
    found = await service.aside(lambda: _document(jobs.cancel(request.path_params["job"]), service))
    return JSONResponse(found, 202)


async def train_all(request: Request) -> Response:
    """Begin the training of everything that the config has."""
    service, jobs = _open(request)
    body = await _read(request, service, _SETTINGS)
    return await _begin(service, jobs, _wanted("train_all", body))


async def train(request: Request) -> Response:
    """Begin the training of the series that are named."""
    service, jobs = _open(request)
    body = await _read(request, service, (*_NAMES, *_SETTINGS))
    groups = _groups(service, jobs, body)
    return await _begin(service, jobs, replace(_wanted("train", body), groups=groups))


JOB_ROUTES: tuple[tuple[str, str, Any, str], ...] = (
    ("GET", "/jobs", list_jobs, "The trainings that were asked for"),
    ("POST", "/jobs/train", train, "Train some series"),
    ("POST", "/jobs/train_all", train_all, "Train everything"),
    ("POST", "/api/train", train, "Train some series"),
    ("POST", "/api/train_all", train_all, "Train everything"),
    ("GET", "/jobs/{job}", show_job, "How far a training is"),
    ("DELETE", "/jobs/{job}", cancel_job, "Cancel a training"),
)


def is_job_path(path: str) -> bool:
    """Tell whether a path is of these routes."""
    return any(path == each for _, each, _, _ in JOB_ROUTES)


def _open(request: Request) -> "tuple[Service, Jobs]":
    service: Service = request.app.state.service
    if service.jobs is None:
        raise Refused(404, _OFF)
    return service, service.jobs


async def _begin(service: "Service", jobs: Jobs, wanted: Wanted) -> Response:
    job = await service.aside(lambda: jobs.begin(wanted))
    link = f"/jobs/{job.id}"
    return JSONResponse({"id": job.id, "state": job.state, "link": link}, 202, {"Location": link})


async def _read(request: Request, service: "Service", known: tuple[str, ...]) -> dict[str, Any]:
    """Return the body, none standing for an empty one. Raises `Refused` for what is not an object of the known keys."""
    raw = await read_body(request, service, min(_MOST_BODY_BYTES, service.settings.max_body_bytes))
    if not raw.strip():
        return {}
    require_media_type(request, JSON)
    body = decode_json(raw)
    if not isinstance(body, dict):
        raise Refused(422, "the body is not an object")
    if unknown := [name[:100] for name in body if name not in known]:
        message = f"is not known here; what can be said is {', '.join(known)}"
        raise Refused(422, "the body has unknown keys", [(name, message) for name in unknown])
    return body


def _wanted(kind: str, body: Mapping[str, Any]) -> Wanted:
    experiment = body.get("experiment", body.get("experiment_name"))
    if experiment is not None and not (isinstance(experiment, str) and _EXPERIMENT.fullmatch(experiment)):
        message = "a name has up to 100 letters, digits, blanks, '_', '-' and '.', and begins with a letter, a digit or '_'"
        raise Refused(422, "the experiment cannot be called so", [("experiment", message)])
    force = body.get("force", False)
    if not isinstance(force, bool):
        raise Refused(422, "force is true or false", [("force", "must be true or false")])
    return Wanted(kind, experiment, force)


def _groups(service: "Service", jobs: Jobs, body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the groups of series that are named, each of which has a net of its own; none where all series are named.

    Raises `Refused` (422) for some of the series that a model learns from together.
    """
    named = [name for name in _NAMES if name in body]
    if not jobs.series:
        raise Refused(422, "this project has no series (`demand` in its config); POST /jobs/train_all trains its model")
    if len(named) != 1:
        raise Refused(422, "name the series in `series` or `categories`, or POST /jobs/train_all")
    keys = _keys(body[named[0]], jobs.series, named[0])
    served = service.models.served
    demand = None if served is None else served.predictor.demand
    if demand is None:
        raise Refused(422, _POOLED, [(named[0], "no model is served yet that knows the series")])
    known = {tuple(map(str, key)) for key in demand.history.keys}
    if unknown := len(keys - known):
        raise Refused(422, "some series are not known", [(named[0], f"{unknown:,} of {len(keys):,} are not known")])
    if keys == known:
        return ()
    per = None if served is None else (served.metadata.get("window") or {}).get("per")
    if per is None:
        raise Refused(422, _POOLED, [(named[0], f"names {len(keys):,} of {len(known):,} series")])
    of_key = dict(zip(map(tuple, demand.history.keys.tolist()), demand.texts_of(per), strict=True))
    groups = {of_key[key] for key in keys}
    if missing := sum(group in groups for group in of_key.values()) - len(keys):
        message = f"lacks {missing:,} series of the same {per}, whose net learns from all of them"
        raise Refused(422, "some series cannot be trained without others", [(named[0], message)])
    return tuple(sorted(groups))


def _keys(value: Any, columns: tuple[str, ...], name: str) -> set[tuple[str, ...]]:
    """Return the series that are named: texts where one column makes a series, else objects of the columns."""
    form = "a text" if len(columns) == 1 else f"an object with {', '.join(columns)}"
    refused = Refused(422, f"{name} is a list that is not empty, each of it {form}", [(name, f"each is {form}")])
    if not isinstance(value, list) or not value:
        raise refused
    found = set()
    for each in value:
        row = {columns[0]: each} if isinstance(each, str) and len(columns) == 1 else each
        if not isinstance(row, dict) or set(row) != set(columns) or not all(isinstance(text, str) for text in row.values()):
            raise refused
        found.add(tuple(row[column] for column in columns))
    return found


def _document(job: Job, service: "Service") -> dict[str, Any]:
    tail, result = read_tail(job.folder / LOG, job.exit_code), _result(job.result, service)
    return {
        **brief(job),
        "step": job.step,
        "progress": tail.progress if job.at_work else None,
        "run_id": tail.run_id if result is None else result["run_id"],
        "result": result,
        "exit_code": job.exit_code,
        "detail": job.detail,
        "log_tail": list(tail.lines),
    }


def _result(printed: Mapping[str, Any] | None, service: "Service") -> dict[str, Any] | None:
    """Return what a training found: its run, the model that it chose, by which metric, and whether that is served now."""
    if printed is None:
        return None
    rows = printed.get("models") or printed.get("candidates") or []
    model, metric = printed.get("champion"), str(printed.get("metric"))
    row: Mapping[str, Any] = next((each for each in rows if model in (each.get("model"), each.get("candidate"))), {})
    run_id = printed.get("run_id") or printed.get("parent_run_id")
    served = service.models.served
    return {
        "run_id": run_id,
        "model": model,
        "metric": metric,
        "value": row.get(metric, row.get(f"cv_{metric}")),
        "served": served is not None and served.run_id in (run_id, row.get("run_id")),
    }
