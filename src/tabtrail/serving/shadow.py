"""A challenger beside the champion: each scores what the other answered, after it is answered, and the two are compared."""

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from tabtrail.bundle.predictor import Prediction
from tabtrail.errors import TabtrailError
from tabtrail.serving.models import Served, Watched
from tabtrail.serving.prometheus import Counters
from tabtrail.serving.traffic import RowShare

logger = logging.getLogger("tabtrail.serve")
_MOST_WAITING = 200  # answers that wait for the shadow; more are left out, so that it never holds much memory
_LOG_EVERY = 1000
_TINY = 1e-9  # stands in for predictions of 0 in relative differences


@dataclass(frozen=True)
class Answered:
    """Predictions of one request by one model: all of its rows, or those of `share`, where the traffic is parted."""

    request_id: str
    served: Served
    predictions: list[Prediction]
    share: RowShare | None = None


@dataclass(frozen=True)
class Other:
    """What the other of champion and challenger predicts for answered rows, and its run."""

    run_id: str
    values: list[float]


class Shadow:
    """Scores in one thread of its own. Rows that come faster than it can are left out and counted.

    What it scored of a parted traffic, or left out (None), is handed on to `scored`, where there is one.
    """

    def __init__(
        self,
        watched: Watched,
        champion: Watched,
        counters: Counters,
        scored: Callable[[Answered, Other | None], None] | None = None,
    ) -> None:
        self.watched = watched
        self._champion, self._counters, self._scored = champion, counters, scored
        self._waiting: queue.Queue[Answered | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)
        self._rows, self._sum, self._largest = 0, 0.0, 0.0

    def offer(self, answered: Answered) -> None:
        """Take what was answered; never waits."""
        try:
            self._waiting.put_nowait(answered)
        except queue.Full:
            self._counters.shadow_rows.labels("left_out").inc(len(answered.predictions))
            self._hand_on(answered, None)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Score what waits, log, and end the thread."""
        self._waiting.put(None)
        self._thread.join(10)

    def _work(self) -> None:
        while (answered := self._waiting.get()) is not None:
            other = None
            try:
                other = self._compare(answered)
            except Exception:
                logger.exception("the shadow failed")
            self._hand_on(answered, other)
        self._log()

    def _hand_on(self, answered: Answered, other: Other | None) -> None:
        if self._scored is not None and answered.share is not None:
            self._scored(answered, other)

    def _compare(self, answered: Answered) -> Other | None:
        own = self.watched.served
        served = self._champion.served if answered.served is own else own
        predictions = answered.predictions
        if served is None:
            self._counters.shadow_rows.labels("no_model").inc(len(predictions))
            return None
        try:
            others = served.predictor.predict_inputs([each.inputs for each in predictions])
        except TabtrailError:
            self._counters.shadow_rows.labels("refused").inc(len(predictions))
            return None
        self._counters.shadow_rows.labels("scored").inc(len(predictions))
        for answer, other in zip(predictions, others, strict=True):
            champion = other.value if served is self._champion.served else answer.value
            difference = abs(other.value - answer.value) / max(abs(champion), _TINY)
            self._counters.shadow_difference.observe(difference)
            self._rows += 1
            self._sum += difference
            self._largest = max(self._largest, difference)
            if self._rows >= _LOG_EVERY:
                self._log()
        return Other(served.run_id, [each.value for each in others])

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
