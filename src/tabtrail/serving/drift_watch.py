"""The prediction log compared with the training every `serve.drift_minutes`, in a thread of its own: no request waits for it."""

import logging
import threading
import time
from pathlib import Path

from tabtrail.bundle.logged import WATCH_STATE, log_files
from tabtrail.config.operation import Serve
from tabtrail.errors import TabtrailError
from tabtrail.monitor.check import check
from tabtrail.monitor.reference import Reference
from tabtrail.serving.drift_settings import WatchSettings
from tabtrail.serving.models import Served, Watched
from tabtrail.serving.prometheus import Counters
from tabtrail.workflows.drift_gather import gather
from tabtrail.workflows.log_watch import Watched as WatchedModel
from tabtrail.workflows.log_watch import logged_rows, look, read_reference, set_apart, today

logger = logging.getLogger("tabtrail.serve")
_MINUTE = 60
_TURN = 0.5  # of the time between two checks: a younger state was left by another worker, whose turn it was


class DriftWatch:
    """Checks the log of the model that is served, and shows what it found in the counters. Of several workers one checks."""

    def __init__(self, serve: Serve, settings: WatchSettings, models: Watched, counters: Counters) -> None:
        assert serve.prediction_log_dir is not None  # noqa: S101 - made only where it is configured
        self._folder: Path = serve.prediction_log_dir
        self._seconds = serve.drift_minutes * _MINUTE
        self._settings, self._models, self._counters = settings, models, counters
        self._alarmed: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="drift-watch", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, soon; a check under way is not waited for."""
        self._stopping.set()
        self._thread.join(1)

    def _work(self) -> None:
        while not self._stopping.wait(self._seconds):
            served = self._models.served
            if served is None or served.reference is None or not self._is_my_turn():
                continue
            try:
                self._check(served, read_reference(served.reference))
            except (TabtrailError, OSError, ValueError) as error:
                said = error if isinstance(error, TabtrailError) else type(error).__name__
                logger.warning("the prediction log cannot be checked for drift: %s", said)

    def _is_my_turn(self) -> bool:
        try:
            age = time.time() - (self._folder / WATCH_STATE).stat().st_mtime
        except OSError:
            return bool(log_files(self._folder))
        return age >= _TURN * self._seconds

    def _check(self, served: Served, reference: Reference) -> None:
        reference = set_apart(reference, self._settings.drift.ignore)
        watched = WatchedModel(served.schema.features, reference, served.run_id, self._settings.seed)
        alarmed = look(self._folder, watched).alarmed
        found = gather(reference, logged_rows(self._folder, watched, since=today() - self._settings.drift.window_days))
        result = check(reference, found.window, name="log", level=self._settings.drift.level)
        self._counters.drifted({each.name: each.psi for each in result.columns if each.rows}, alarm=alarmed)
        if alarmed and self._alarmed != served.run_id:
            self._alarmed = served.run_id
            fields = {"columns": [each.name for each in result.alarming], "run_id": served.run_id, "rows": result.rows}
            logger.warning("drift: the rows are no longer like those of the training", extra={"fields": fields})
