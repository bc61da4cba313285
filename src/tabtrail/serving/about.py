"""What the service reports about itself and its model: health, schema, card, counters."""

from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tabtrail.bundle.orders import lead_time_of
from tabtrail.serving.models import Served
from tabtrail.serving.order_routes import ORDER_PATH
from tabtrail.serving.pages import page, wants_page
from tabtrail.serving.state import KEY, Service
from tabtrail.version import __version__

_LINKS = {
    "documentation": "/docs",
    "openapi": "/openapi.json",
    "health": "/health",
    "schema": "/schema",
    "model": "/model",
    "predict": "/predict",
    "predict_batch": "/predict/batch",
    "forecast": "/forecast",
    "metrics": "/metrics",
}
_CARD = (
    "model",
    "family",
    "target",
    "currency",
    "run_id",
    "created",
    "synthetic",
    "metrics",
    "held_out",
    "refit",
    "parity",
    "leakage",
    "versions",
)


async def root(request: Request) -> Response:
    """Tell what this service is, what it serves, and where to go on: a browser gets a page with a form."""
    if wants_page(request.scope):
        return page()
    service: Service = request.app.state.service
    served, here = service.models.served, request.scope.get("root_path", "")
    links = {name: here + path for name, path in _LINKS.items()}
    if served is not None and served.predictor.demand is not None:
        links["series"] = here + "/series"
        if lead_time_of(served.predictor) is not None:
            links["order"] = here + ORDER_PATH
    if getattr(request.app, "demand", None) is not None:
        links["demand"] = "/demand"
    return JSONResponse(
        {
            "name": "tabtrail",
            "version": __version__,
            "model": {"name": service.name, "family": served.model, "mlflow_run_id": served.run_id} if served else None,
            "links": links,
        },
        headers={"Vary": "Accept"},
    )


async def health(request: Request) -> Response:
    """Describe for people whether there is a model, and which; always 200."""
    service: Service = request.app.state.service
    served, fault = service.models.served, service.models.fault
    status = "ok" if served else fault.status if fault else "not_trained"
    if not service.opens(request.scope[KEY]):
        return JSONResponse({"status": status, "model_loaded": served is not None})
    if served is None:
        return JSONResponse({"status": status, "model_loaded": False, "detail": fault.detail if fault else ""})
    body: dict[str, Any] = {
        "status": status,
        "model_loaded": True,
        "model_name": served.model,
        "mlflow_run_id": served.run_id,
        "features": served.schema.names,
        **_of_demand(served),
    }
    if fault is not None:
        body["detail"] = f"a newer bundle was refused: {fault.detail}"
    return JSONResponse(body)


def _of_demand(served: Served) -> dict[str, Any]:
    """Return what only a model of series says: the last known day, and how many periods after it are forecast."""
    demand = served.predictor.demand
    if demand is None:
        return {}
    known, recipe = demand.panel, demand.panel.recipe
    return {
        "as_of": demand.as_of,
        "horizon": recipe.horizon,
        "period": recipe.calendar.name,
        "series": list(known.series),
        "known_ahead": list(demand.known_ahead),
        "parents": list(known.parents),
    }


async def live(_: Request) -> Response:
    """Answer 200 where the process answers at all."""
    return JSONResponse({"status": "ok", "live": True})


async def ready(request: Request) -> Response:
    """Answer 200 where a model is loaded, verified and warm, else 503."""
    service: Service = request.app.state.service
    run_id = service.served().run_id
    ready = {"status": "ok", "ready": True}
    return JSONResponse({**ready, "mlflow_run_id": run_id} if service.opens(request.scope[KEY]) else ready)


async def schema(request: Request) -> Response:
    """Return the columns of a row, what training saw of them, and the JSON Schema of a row."""
    service: Service = request.app.state.service
    served = service.served()
    body = {"model_name": served.model, **served.schema.to_dict(), "example": served.schema.example}
    return JSONResponse({**body, **_of_demand(served), "json_schema": served.row_schema})


async def model(request: Request) -> Response:
    """Return the card of the model: what it is, how it was measured and proven, and from what it was made."""
    service: Service = request.app.state.service
    served = service.served()
    metadata, history = served.metadata, served.history
    card = {key: metadata.get(key) for key in (*_CARD, "data_sha256", "config_sha256")}
    files = {kind: entry["sha256"] for kind, entry in metadata["files"].items()}
    of_history = {} if history is None else {"known_series": history.series, "history_data_sha256": history.data_sha256}
    own = {**_of_demand(served), **of_history}
    level = served.predictor.interval_level
    return JSONResponse({"name": service.name, **card, "interval_level": level, **own, "sha256": files})


async def metrics(request: Request) -> Response:
    """Return counters for Prometheus."""
    service: Service = request.app.state.service
    service.counters.in_flight.set(service.in_flight)
    return Response(service.counters.text(), media_type=CONTENT_TYPE_LATEST)
