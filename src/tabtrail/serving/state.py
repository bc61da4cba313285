"""What the routes share: settings, the watched bundle, the counters, and where else predictions go."""

import asyncio
import gc
import hmac
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from starlette.requests import Request

from tabtrail.bundle.predictor import Prediction
from tabtrail.bundle.rows import PayloadError, Row
from tabtrail.config.operation import Serve
from tabtrail.contract.aliases import SegmentReading
from tabtrail.errors import ConfigError, require_extra
from tabtrail.serving.access_log import AccessLog
from tabtrail.serving.batching import RowBatcher
from tabtrail.serving.drift_settings import WatchSettings
from tabtrail.serving.jobs.desk import Jobs
from tabtrail.serving.models import Served, Watched
from tabtrail.serving.pace import Pace
from tabtrail.serving.pages import FILE_PATHS
from tabtrail.serving.problems import Refused
from tabtrail.serving.prometheus import Counters
from tabtrail.serving.shadow import Answered, Shadow
from tabtrail.serving.traffic import RowShare, Traffic
from tabtrail.storage.copies import Copy

if TYPE_CHECKING:
    from tabtrail.serving.drift_watch import DriftWatch
    from tabtrail.serving.prediction_log import PredictionLog

PACED_PATHS = (
    "/",
    "/docs",
    "/openapi.json",
    "/metrics",
    "/schema",
    "/model",
    "/series",
    "/forecast",
    "/forecast/segments",
    "/jobs",
    *FILE_PATHS,
)
KEY = "tabtrail.key"  # in the scope of a request: the key that it carries, as it came in
KEY_VARIABLE = "TABTRAIL_API_KEY"
MOST_BUFFERED = 256_000_000  # bytes of unfinished bodies of all clients together
T = TypeVar("T")


class Service:
    """One worker's state, or that of a second model `beside` it, which counts with it.

    `in_flight` counts requests, less those that wait for the rest of their body, `buffered` the bytes of such bodies; the event
    loop alone changes them.
    """

    def __init__(
        self,
        settings: Serve,
        models_dir: Path | Copy,
        name: str,
        key: bytes | None,
        *,
        public_key: Path | None = None,
        output_dir: Path | None = None,
        segments: SegmentReading | None = None,
        beside: "Service | None" = None,
        jobs: Jobs | None = None,
        watch: WatchSettings | None = None,
    ) -> None:
        self.settings, self.name, self.key, self.output_dir = settings, name, key, output_dir
        self.segments, self.jobs = segments or SegmentReading(), jobs
        self.models = Watched(models_dir, name, public_key, lambda good: self.counters.reloaded(good))
        self.counters: Counters = Counters(lambda: self.models.served) if beside is None else beside.counters
        if beside is not None:
            self.counters.describe(lambda: self.models.served)
        self.log: PredictionLog | None = None
        self.drift: DriftWatch | None = None
        if settings.prediction_log_dir:
            self.log, self.drift = _prediction_log(self, watch)
        self.shadow = self._shadow(Watched(settings.shadow_dir, name, public_key)) if settings.shadow_dir else None
        self.traffic = Traffic.of(settings, self.shadow.watched if self.shadow else None)
        self.access = AccessLog() if logging.getLogger("tabtrail.access").isEnabledFor(logging.INFO) else None
        self.paces = {path: Pace(settings.pages_per_second) for path in PACED_PATHS}
        self.in_flight = 0
        self.buffered = 0
        self.batcher = RowBatcher()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="batch")

    def opens(self, given: bytes) -> bool:
        """Tell whether a request with this key (b"" for none) may ask for everything."""
        return self.key is None or hmac.compare_digest(given, self.key)

    def served(self) -> Served:
        """Return the model to use from here to the end of a request. Raises `Refused` (503) where there is none."""
        served = self.models.served
        if served is None:
            fault = self.models.fault
            raise Refused(503, fault.detail if fault else "there is no model", headers={"Retry-After": "1"})
        return served

    def overload(self) -> Refused | None:
        """Return what to answer where too many requests are in flight, else None."""
        if self.in_flight <= self.settings.max_in_flight:
            return None
        return Refused(503, "too many requests are in flight; try again", headers={"Retry-After": "1"})

    async def aside(self, work: Callable[[], T]) -> T:
        """Do longer work in a thread, so that other requests are answered meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _shadow(self, challenger: Watched) -> Shadow:
        """Return what compares with a challenger. Where the traffic is parted, the log gets what both predict."""
        parted = self.settings.challenger_share > 0 and self.log is not None
        return Shadow(challenger, self.models, self.counters, self.log.offer if parted and self.log else None)

    def record(
        self,
        route: str,
        request: Request,
        served: Served,
        predictions: list[Prediction],
        share: RowShare | None = None,
    ) -> None:
        """Count predictions of one model and hand them to the shadow and the log, which work later."""
        self.counters.predicted(route, len(predictions))
        for prediction in predictions:
            for column in prediction.unseen:
                self.counters.unseen(column)
        answered = Answered(str(request.scope.get("request_id", "")), served, predictions, share)
        if self.shadow is not None:
            self.shadow.offer(answered)
        if self.log is not None and share is None:
            self.log.offer(answered)

    async def start(self) -> list[asyncio.Task[None]]:
        """Load the bundle and watch it; return the tasks to cancel before `stop`."""
        watched = [self.models, *([self.shadow.watched] if self.shadow else [])]
        for each in watched:
            await asyncio.to_thread(each.refresh)
        tasks = [asyncio.create_task(each.watch(self.settings.reload_seconds)) for each in watched]
        if self.shadow is not None:
            self.shadow.start()
        if self.log is not None:
            self.log.start()
        if self.drift is not None:
            self.drift.start()
        gc.collect()
        gc.freeze()  # what is loaded stays until `stop`: searching it for garbage would slow requests down
        return tasks

    async def stop(self) -> None:
        """Write what is left of the log, and undo what `start` did."""
        gc.unfreeze()
        self._threads.shutdown(wait=True)
        if self.shadow is not None:
            await asyncio.to_thread(self.shadow.stop)
        if self.drift is not None:
            await asyncio.to_thread(self.drift.stop)
        if self.log is not None:
            await asyncio.to_thread(self.log.stop)
        if self.access is not None:
            await asyncio.to_thread(self.access.stop)


def _prediction_log(service: Service, watch: WatchSettings | None) -> "tuple[PredictionLog, DriftWatch | None]":
    require_extra("arrow", "pyarrow")
    from tabtrail.serving import drift_watch, prediction_log  # both need pyarrow, an optional extra

    settings, counters = service.settings, service.counters
    log = prediction_log.PredictionLog(settings, counters)
    if watch is None or not settings.drift_minutes:
        return log, None
    return log, drift_watch.DriftWatch(settings, watch, service.models, counters)


def score(served: Served, rows: list[Row]) -> list[Prediction]:
    """Predict rows. Raises `Refused` (422) naming what the contract does not allow."""
    try:
        return served.predictor.predict(rows)
    except PayloadError as error:
        raise refusal(error) from None


def refusal(error: PayloadError) -> Refused:
    """Return what to answer for a row that the contract does not allow."""
    errors = [(problem.column or "", problem.message) for problem in error.problems]
    return Refused(422, "the row does not keep the contract of the data", errors)


def read_key(settings: Serve) -> bytes | None:
    """Return the key that requests must carry, from the environment, else from the file; None where neither is configured.

    Raises `ConfigError` for a key that cannot be read or is empty, and for none where trainings may be asked for: a service that
    should be closed must not open.
    """
    text, file = os.environ.get(KEY_VARIABLE), settings.api_key_file
    if text is None and file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"serve.api_key_file: {file} cannot be read") from None
    if text is None:
        if settings.jobs:
            raise ConfigError(
                "serve.jobs: whoever reaches the service could train without an API key; set one in the environment variable"
                f" {KEY_VARIABLE} or in the file that serve.api_key_file names"
            )
        return None
    if not text.strip():
        raise ConfigError(f"the API key is empty; write one into {KEY_VARIABLE} or the file that serve.api_key_file names")
    return text.strip().encode()
