"""The counters of the service, for Prometheus. No value of a row is ever a label."""

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from tabtrail.serving.models import Served

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_TIMES_ITS_COST = 20  # for so many times as long as it took to make, the text of the counters is given again
_DIFFERENCES = (1e-9, 1e-6, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 1, 10)
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable in which prometheus_client finds the folder that workers share."""


class Counters:
    """Counters of one worker, or of all where PROMETHEUS_MULTIPROC_DIR names the folder that they share."""

    def __init__(self, served: Callable[[], Served | None]) -> None:
        self._text, self._fresh_until = b"", 0.0
        self._shared = bool(os.environ.get(SHARED_FOLDER))
        self._registry = CollectorRegistry()
        self._info = _ModelInfo([served])
        self._requests = Counter(
            "tabtrail_requests", "Answers by route and status.", ["route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "tabtrail_request_seconds", "From headers to answer.", ["route"], buckets=_SECONDS, registry=self._registry
        )
        self._predictions = Counter("tabtrail_predictions", "Rows predicted, by route.", ["route"], registry=self._registry)
        self._unseen = Counter(
            "tabtrail_unseen_categories", "Rows with a category that training did not have.", ["column"], registry=self._registry
        )
        self._reloads = Counter("tabtrail_reloads", "Bundles that were found, by result.", ["result"], registry=self._registry)
        self.in_flight = Gauge("tabtrail_in_flight", "Requests under way.", multiprocess_mode="livesum", registry=self._registry)
        self.shadow_rows = Counter("tabtrail_shadow_rows", "Rows that the shadow scored.", ["result"], registry=self._registry)
        self.shadow_difference = Histogram(
            "tabtrail_shadow_difference",
            "Absolute difference of shadow and champion over the champion's prediction.",
            buckets=_DIFFERENCES,
            registry=self._registry,
        )
        self.log_rows = Counter("tabtrail_prediction_log_rows", "Rows for the log.", ["result"], registry=self._registry)
        self._psi = Gauge(
            "tabtrail_drift_psi",
            "PSI of the newest rows of the prediction log against the training.",
            ["column"],
            multiprocess_mode="mostrecent",
            registry=self._registry,
        )
        self._psi_columns = set[str]()
        self._alarm = Gauge(
            "tabtrail_drift_alarm",
            "1 where the martingale over all rows since the deployment has alarmed, else 0.",
            multiprocess_mode="mostrecent",
            registry=self._registry,
        )
        if not self._shared:
            self._alarm.set(math.nan)  # until there was a check; of several workers the one that checks sets it
        self._answered = cache(self._answered_children)
        self._predicted = cache(self._predictions.labels)
        if not self._shared:
            self._registry.register(self._info)

    def describe(self, served: Callable[[], Served | None]) -> None:
        """Show another model of this worker in `tabtrail_model_info`."""
        self._info.models.append(served)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        requests, histogram = self._answered(route, status)
        requests.inc()
        histogram.observe(seconds)

    def predicted(self, route: str, rows: int) -> None:
        """Count predicted rows."""
        self._predicted(route).inc(rows)

    def unseen(self, column: str) -> None:
        """Count a row with a category that training did not have."""
        self._unseen.labels(column).inc()

    def reloaded(self, good: bool) -> None:
        """Count a bundle that was loaded or refused."""
        self._reloads.labels("loaded" if good else "refused").inc()

    def drifted(self, psi: Mapping[str, float], *, alarm: bool) -> None:
        """Show what a check of the prediction log found; a column of an earlier model is not a number from then on."""
        for column in self._psi_columns - psi.keys():
            self._psi.labels(column).set(math.nan)
        for column, value in psi.items():
            self._psi.labels(column).set(value)
        self._psi_columns |= psi.keys()
        self._alarm.set(float(alarm))

    def text(self) -> bytes:
        """Return the exposition format; making it takes at most a twentieth of the worker's time, so it can be that old."""
        start = time.monotonic()
        if start >= self._fresh_until:
            self._text = self._made()
            end = time.monotonic()
            self._fresh_until = end + _TIMES_ITS_COST * (end - start)
        return self._text

    def _made(self) -> bytes:
        if not self._shared:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        registry.register(self._info)
        return generate_latest(registry)

    def _answered_children(self, route: str, status: int) -> tuple[Counter, Histogram]:
        return self._requests.labels(route, str(status)), self._seconds.labels(route)


class _ModelInfo(Collector):
    """`tabtrail_model_info`: the models of the worker that answers."""

    def __init__(self, models: list[Callable[[], Served | None]]) -> None:
        self.models = models

    def collect(self) -> Iterator[Metric]:
        info = InfoMetricFamily("tabtrail_model", "The model that is served.")
        for served in filter(None, (each() for each in self.models)):
            info.add_metric([], {"model": served.model, "run_id": served.run_id, "created": str(served.metadata["created"])})
        yield info
        age = GaugeMetricFamily("tabtrail_history_age_periods", "Periods since the last one of the history.", labels=["model"])
        for served in filter(None, (each() for each in self.models)):
            if (periods := served.history_age()) is not None:
                age.add_metric([served.model], float(periods))
        if age.samples:
            yield age
