"""How many answers a second the pages beside the predictions may take of a worker."""

import asyncio

from tabtrail.serving.problems import Refused

_MOST_WAIT_SECONDS = 1.0


class Pace:
    """Lets through so many requests a second, and as many at once after a quiet second. The others wait for their turn, up to a
    second, rather than being refused at once: a client that asks again and again is slowed, and costs no more than its turns.
    """

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for the turn. Raises `Refused` (503) where that takes too long."""
        now = asyncio.get_running_loop().time()
        due = max(self._next, now - 1) + self._interval  # the turns of the second that has passed are still to be had
        if due - now > _MOST_WAIT_SECONDS:
            raise Refused(503, "this page is asked for too often; try again", headers={"Retry-After": "1"})
        self._next = due
        if due > now:
            await asyncio.sleep(due - now)
