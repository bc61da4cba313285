"""Single rows that arrive in one turn of the event loop are predicted by one call of the graph, whose start costs the most."""

import asyncio
from collections.abc import Sized

from tabtrail.bundle.predictor import Prediction
from tabtrail.bundle.rows import PayloadError, Row
from tabtrail.errors import TabtrailError
from tabtrail.serving.models import Served


class RowBatcher:
    """Batches the rows that the event loop has already received; no request waits for a later one."""

    def __init__(self) -> None:
        self._waiting: dict[Served, list[tuple[Row, asyncio.Future[Prediction]]]] = {}

    async def predict(self, served: Served, row: Row, under_way: Sized) -> Prediction:
        """Predict one row that `Predictor.check` returned, at once where its request is the only one under way.

        Raises `PayloadError` when the result is not finite.
        """
        if len(under_way) == 1:
            return served.predictor.answer([row])[0]
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Prediction] = loop.create_future()
        waiting = self._waiting.get(served)
        if waiting is None:
            self._waiting[served] = [(row, future)]
            loop.call_soon(self._answer, served)
        else:
            waiting.append((row, future))
        return await future

    def _answer(self, served: Served) -> None:
        waiting = self._waiting.pop(served)
        try:
            predictions = served.predictor.answer([row for row, _ in waiting])
        except PayloadError:
            for row, future in waiting:
                self._answer_one(served, row, future)
        except Exception as error:  # noqa: BLE001 - raised in the requests that wait, not in the loop
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), prediction in zip(waiting, predictions, strict=True):
                if not future.done():
                    future.set_result(prediction)

    def _answer_one(self, served: Served, row: Row, future: asyncio.Future[Prediction]) -> None:
        if future.done():
            return
        try:
            future.set_result(served.predictor.answer([row])[0])
        except TabtrailError as error:
            future.set_exception(error)
