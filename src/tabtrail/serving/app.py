"""The service: its routes, and what starts and stops with it. Routes only translate between HTTP and `Predictor`."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from tabtrail.config.load import load_config
from tabtrail.config.operation import Serve
from tabtrail.config.tree import Config
from tabtrail.contract.aliases import SegmentReading
from tabtrail.errors import TabtrailError
from tabtrail.serving import about, facades, forecast_routes, order_routes, scoring, series_routes, windows
from tabtrail.serving.drift_settings import WatchSettings
from tabtrail.serving.edge import Edge
from tabtrail.serving.jobs.desk import Jobs
from tabtrail.serving.jobs.routes import JOB_ROUTES
from tabtrail.serving.models import Fault
from tabtrail.serving.openapi import document, openapi
from tabtrail.serving.pages import FILE_PATHS, docs, file
from tabtrail.serving.problems import Refused, answer_failure, answer_http, answer_refused
from tabtrail.serving.state import Service, read_key
from tabtrail.version import __version__

logger = logging.getLogger("tabtrail.serve")
ROUTES: tuple[tuple[str, str, Any, str], ...] = (
    ("GET", "/", about.root, "What this service is, and where to go on"),
    ("GET", "/health", about.health, "Whether there is a model, and which"),
    ("GET", "/health/live", about.live, "Whether the process answers"),
    ("GET", "/health/ready", about.ready, "Whether a model is loaded, verified and warm"),
    ("POST", "/predict", scoring.predict, "Predict one row"),
    ("POST", "/predict/batch", scoring.predict_batch, "Predict many rows"),
    ("POST", "/predict/window", windows.predict_window, "Forecast the value after the last ones of a series"),
    ("POST", "/api/predict", windows.predict_window, "The same as /predict/window"),
    ("POST", order_routes.ORDER_PATH, order_routes.order, "What to order of series for the lead time"),
    ("GET", "/schema", about.schema, "What a row is"),
    ("GET", "/model", about.model, "The card of the model"),
    ("GET", "/series", series_routes.series, "The series that a model of demand knows"),
    ("GET", "/forecast", forecast_routes.forecast, "The stored forecast of a segment"),
    ("GET", "/forecast/segments", forecast_routes.segments, "The segments whose forecasts are stored"),
    ("GET", "/metrics", about.metrics, "Counters for Prometheus"),
    ("GET", "/v2", facades.server_metadata, "Open Inference Protocol: the server"),
    ("GET", "/v2/health/live", about.live, "Open Inference Protocol: liveness"),
    ("GET", "/v2/health/ready", about.ready, "Open Inference Protocol: readiness"),
    ("GET", "/v2/models/{model}", facades.model_metadata, "Open Inference Protocol: the tensors"),
    ("GET", "/v2/models/{model}/ready", facades.model_ready, "Open Inference Protocol: readiness of the model"),
    ("POST", "/v2/models/{model}/infer", facades.infer, "Open Inference Protocol: predict"),
    ("GET", "/v2/models/{model}/versions/{version}", facades.model_metadata, "Open Inference Protocol: a version"),
    (
        "GET",
        "/v2/models/{model}/versions/{version}/ready",
        facades.model_ready,
        "Open Inference Protocol: readiness of a version",
    ),
    ("POST", "/v2/models/{model}/versions/{version}/infer", facades.infer, "Open Inference Protocol: predict by a version"),
    ("GET", "/ping", facades.ping, "MLflow: whether there is a model"),
    ("POST", "/invocations", facades.invocations, "MLflow: predict"),
    *JOB_ROUTES,
)


DEMAND = "/demand"  # where the model of series answers, at the root too where there is none of rows


class Application(FastAPI):
    """FastAPI inside of the edge, which answers fixed paths before any layer of FastAPI's is reached.

    `demand` is the application of the model of series, under `/demand`: this one where it is the only model, so that what asks
    for demand need not know; None where there is a model of rows alone.
    """

    edge: Edge
    demand: "Application | None" = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or take part in the lifespan."""
        own: str = scope.get("path", "")
        inside = str(scope.get("root_path", "")).endswith(DEMAND)
        if self.demand is not None and not inside and (own == DEMAND or own.startswith(DEMAND + "/")):
            scope["path"], scope["root_path"] = own[len(DEMAND) :] or "/", scope.get("root_path", "") + DEMAND
            await self.demand(scope, receive, send)
            return
        scope["app"] = self
        await self.edge(scope, receive, send)


def create_app(config: Config | None = None) -> FastAPI:
    """Return the service. Without a model it is up, and reports that; one that appears later is served from then on.

    Where no `config` is given, it is read when the service starts: from `TABTRAIL_CONFIG`, else `config_v2.yaml` in the working
    folder.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        tasks: list[asyncio.Task[None]] = []
        assert isinstance(app, Application)  # noqa: S101 - it is made below
        try:
            loaded = config or load_config()
            of_demand, key = loaded.for_demand(), read_key(loaded.serve)
            app.state.service = Service(
                loaded.serve,
                loaded.paths.served or loaded.paths.models_dir,
                loaded.model.name,
                key,
                public_key=loaded.bundle.public_key,
                output_dir=loaded.paths.output_dir,
                segments=SegmentReading.of(loaded.risk.segments, loaded.table_rules.reading, loaded.table_rules.aliases),
                jobs=Jobs(
                    loaded.paths.output_dir,
                    loaded.words,
                    kept=loaded.serve.jobs_kept,
                    series=() if loaded.demand is None else loaded.demand.series,
                )
                if loaded.serve.jobs
                else None,
                watch=WatchSettings(loaded.drift, loaded.model.random_state, loaded.alert_channel("drift")),
            )
            tasks = await app.state.service.start()
            if of_demand.is_view:
                app.demand = _application(None)
                place, name = of_demand.paths.served or of_demand.paths.models_dir, of_demand.model.name
                public_key = loaded.bundle.public_key
                app.demand.state.service = Service(
                    _beside(loaded.serve), place, name, key, public_key=public_key, beside=app.state.service
                )
                tasks += await app.demand.state.service.start()
            elif loaded.is_demand_only:
                app.demand = app
        except TabtrailError as error:
            logger.error("%s", error)  # the answers must not hold what the file holds
            app.state.service.models.fault = Fault("damaged", "the config cannot be used; the service's log says why")
        yield
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for each in {app, app.demand or app}:
            await each.state.service.stop()

    return _application(lifespan)


def _beside(serve: Serve) -> Serve:
    """Return the settings of a second model: no shadow, and a folder of its own in that of the log."""
    own = serve.prediction_log_dir
    return serve.model_copy(update={"shadow_dir": None, "prediction_log_dir": own and own / DEMAND[1:]})


def _application(lifespan: Any) -> Application:
    app = Application(
        title="tabtrail",
        version=__version__,
        lifespan=lifespan,
        description="Predictions of the deployed model, served from ONNX.",
        redirect_slashes=False,
        docs_url=None,  # FastAPI's own pages take their scripts from a public CDN
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.service = Service(Serve(), Path(), "model", None)
    for method, path, endpoint, summary in ROUTES:
        app.add_api_route(path, endpoint, methods=[method], summary=summary, response_model=None)
    pages = {"/docs": docs, **dict.fromkeys(FILE_PATHS, file)}
    for path, endpoint in pages.items():
        app.add_api_route(path, endpoint, methods=["GET"], include_in_schema=False, response_model=None)
    direct = {(method, path): endpoint for method, path, endpoint, _ in ROUTES if "{" not in path}
    direct.update({("GET", path): endpoint for path, endpoint in pages.items()})
    app.edge = Edge(super(Application, app).__call__, {**direct, ("GET", "/openapi.json"): openapi})
    app.add_exception_handler(Refused, answer_refused)
    app.add_exception_handler(HTTPException, answer_http)
    app.add_exception_handler(Exception, answer_failure)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    return app
