"""The prediction log compared with the training every `serve.drift_minutes`, in a thread of its own: no request waits for it."""

import logging
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from tabtrail.bundle.logged import WATCH_STATE, log_files
from tabtrail.config.operation import Serve
from tabtrail.errors import TabtrailError
from tabtrail.monitor.check import check
from tabtrail.monitor.outcome import Compared, DriftReport
from tabtrail.monitor.reference import Reference
from tabtrail.serving.drift_settings import WatchSettings
from tabtrail.serving.models import Served, Watched
from tabtrail.serving.prometheus import Counters
from tabtrail.system.alert import send_alert
from tabtrail.workflows.drift_alert import drift_event
from tabtrail.workflows.drift_gather import gather
from tabtrail.workflows.drift_job import TRAINING
from tabtrail.workflows.log_watch import Watched as WatchedModel
from tabtrail.workflows.log_watch import logged_rows, look, read_reference, set_apart, state_of, today

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
        self._unwatched: str | None = None
        self._said = ""
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
            if served is None or served.reference is None:
                self._say_unwatched(served)
                continue
            if not self._is_my_turn():
                continue
            try:
                self._check(served, read_reference(served.reference))
            except (TabtrailError, OSError, ValueError) as error:
                said = error if isinstance(error, TabtrailError) else type(error).__name__
                logger.warning("the prediction log cannot be checked for drift: %s", said)

    def _say_unwatched(self, served: Served | None) -> None:
        """Log, once for each model, that its log cannot be checked."""
        if served is not None and self._unwatched != served.run_id:
            self._unwatched = served.run_id
            of_series = served.metadata.get("panel") is not None
            why = "it is one of series; compare periods of its dataset" if of_series else "it keeps no reference; train again"
            logger.warning("the prediction log is not checked for drift: of run %s, %s", served.run_id, why)

    def _is_my_turn(self) -> bool:
        try:
            age = time.time() - (self._folder / WATCH_STATE).stat().st_mtime
        except OSError:
            return bool(log_files(self._folder))
        return age >= _TURN * self._seconds

    def _check(self, served: Served, reference: Reference) -> None:
        reference = set_apart(reference, self._settings.drift.ignore)
        watched = WatchedModel(served.schema.features, reference, served.run_id, self._settings.seed)
        state = state_of(look(self._folder, watched))
        found = gather(reference, logged_rows(self._folder, watched, since=today() - self._settings.drift.window_days))
        result = check(reference, found.window, name="log", level=self._settings.drift.level)
        self._counters.drifted({each.name: each.psi for each in result.columns if each.rows}, alarm=state.alarmed)
        if state.alarmed:
            self._tell(served.run_id, DriftReport(_compared(self._models.name, served), result, alarm=True, martingale=state))

    def _tell(self, run_id: str, report: DriftReport) -> None:
        """Log the alarm of a model, and send it where the config says, each once; one that cannot be sent is tried again."""
        if self._alarmed != run_id:
            self._alarmed = run_id
            fields = {"columns": [each.name for each in report.check.alarming], "run_id": run_id, "rows": report.check.rows}
            logger.warning("drift: the rows are no longer like those of the training", extra={"fields": fields})
        if self._settings.alerts is None:
            return
        said = send_alert(self._settings.alerts, drift_event([report]), once=run_id)
        if said != self._said:
            self._said = said
            logger.warning("drift: %s", said)


def _compared(model: str, served: Served) -> Compared:
    now = datetime.now(UTC)
    return Compared(
        window=f"log_{now:%Y-%m-%d}",
        reference=TRAINING,
        source="log",
        model=model,
        target=served.schema.target,
        unit="",
        run_id=served.run_id,
        created=now.isoformat(timespec="seconds"),
        synthetic=bool(served.metadata["synthetic"]),
    )
