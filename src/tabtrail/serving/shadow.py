"""A challenger beside the champion: it scores the same rows after they are answered, and only the differences are counted."""

import logging
import queue
import threading

from tabtrail.bundle.predictor import Prediction
from tabtrail.errors import TabtrailError
from tabtrail.serving.models import Watched
from tabtrail.serving.prometheus import Counters

logger = logging.getLogger("tabtrail.serve")
_MOST_WAITING = 200  # answers that wait for the shadow; more are left out, so that it never holds much memory
_LOG_EVERY = 1000
_TINY = 1e-9  # stands in for predictions of 0 in relative differences


class Shadow:
    """Scores in one thread of its own. Rows that come faster than it can are left out and counted."""

    def __init__(self, watched: Watched, counters: Counters) -> None:
        self.watched = watched
        self._counters = counters
        self._waiting: queue.Queue[list[Prediction] | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)
        self._rows, self._sum, self._largest = 0, 0.0, 0.0

    def offer(self, predictions: list[Prediction]) -> None:
        """Take what was answered; never waits."""
        try:
            self._waiting.put_nowait(predictions)
        except queue.Full:
            self._counters.shadow_rows.labels("left_out").inc(len(predictions))

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Score what waits, log, and end the thread."""
        self._waiting.put(None)
        self._thread.join(10)

    def _work(self) -> None:
        while (predictions := self._waiting.get()) is not None:
            try:
                self._compare(predictions)
            except Exception:
                logger.exception("the shadow failed")
        self._log()

    def _compare(self, predictions: list[Prediction]) -> None:
        served = self.watched.served
        if served is None:
            self._counters.shadow_rows.labels("no_model").inc(len(predictions))
            return
        try:
            others = served.predictor.predict_inputs([each.inputs for each in predictions])
        except TabtrailError:
            self._counters.shadow_rows.labels("refused").inc(len(predictions))
            return
        self._counters.shadow_rows.labels("scored").inc(len(predictions))
        for champion, challenger in zip(predictions, others, strict=True):
            difference = abs(challenger.value - champion.value) / max(abs(champion.value), _TINY)
            self._counters.shadow_difference.observe(difference)
            self._rows += 1
            self._sum += difference
            self._largest = max(self._largest, difference)
            if self._rows >= _LOG_EVERY:
                self._log()

    def _log(self) -> None:
        if self._rows and (served := self.watched.served):
            fields = {
                "rows": self._rows,
                "mean_relative_difference": self._sum / self._rows,
                "largest_relative_difference": self._largest,
                "shadow_run_id": served.run_id,
            }
            logger.info("shadow compared", extra={"fields": fields})
        self._rows, self._sum, self._largest = 0, 0.0, 0.0
